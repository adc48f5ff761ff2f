using Millrace.App;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class QueueCommandTests
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Create_TakesEverySetting()
    {
        await using var world = await CliWorld.OpenAsync();

        (await world.RunAsync(
            "queue", "create", "q", "--max-deliveries", "3", "--max-length", "5", "--max-bytes", "700", "--overflow", "drop-oldest",
            "--dead-letter-expired", "true", "--delete-after-idle", "2h", "--dedup-window", "1m", "--dedup-max-entries", "9")).Succeeded();

        Assert.Equal(
            new QueueSettings
            {
                MaxDeliveries = 3,
                MaxLength = 5,
                MaxBytes = 700,
                Overflow = QueueOverflow.DropOldest,
                DeadLetterExpired = true,
                DeleteAfterIdle = TimeSpan.FromHours(2),
                DedupWindow = TimeSpan.FromMinutes(1),
                DedupMaxEntries = 9,
            },
            await world.Admin.GetSettingsAsync("q", Token));
    }

    [Fact]
    public async Task Create_LeavesAnExistingQueueAlone_AndSaysSo()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("queue", "create", "q", "--max-deliveries", "3")).Succeeded();

        var again = (await world.RunAsync("queue", "create", "q", "--max-deliveries", "4", "--json")).Succeeded();

        Assert.Equal("{\"queue\":\"q\",\"created\":false}\n", again.Output);
        Assert.Equal(3, (await world.Admin.GetSettingsAsync("q", Token)).MaxDeliveries);
    }

    [Fact]
    public async Task Settings_ChangeWhatIsNamed_AndShowAll()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("queue", "create", "q", "--max-deliveries", "3", "--delete-after-idle", "1h")).Succeeded();

        var shown = Assert.Single((await world.RunAsync("queue", "settings", "q", "--max-length", "8", "--delete-after-idle", "never", "--json")).Succeeded().Objects);

        Assert.Equal(
            "{\"queue\":\"q\",\"maxDeliveries\":3,\"maxLength\":8,\"maxBytes\":null,\"overflow\":\"refuse\",\"deadLetterExpired\":false,"
            + "\"deleteAfterIdleMs\":null,\"dedupWindowMs\":600000,\"dedupMaxEntries\":1000000}",
            shown.GetRawText());
        Assert.Equal(8, (await world.Admin.GetSettingsAsync("q", Token)).MaxLength);
    }

    [Fact]
    public async Task List_FindsByPrefix()
    {
        await using var world = await CliWorld.OpenAsync();
        foreach (var queue in (string[])["mail-b", "mail-a", "orders"])
        {
            (await world.RunAsync("queue", "create", queue)).Succeeded();
        }

        Assert.Equal(["mail-a", "mail-b"], (await world.RunAsync("queue", "list", "mail-")).Succeeded().Lines);
        Assert.Equal(3, (await world.RunAsync("queue", "list", "--json")).Succeeded().Objects.Length);
    }

    [Fact]
    public async Task Delete_NeedsForce_WhereMessagesWouldGo()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("send", "q", "x")).Succeeded();

        (await world.RunAsync("queue", "delete", "q")).Failed(ExitCodes.Usage, "Add --force");
        (await world.RunAsync("queue", "delete", "q", "--force")).Succeeded();

        (await world.RunAsync("stats", "q")).Failed(ExitCodes.NotFound, "There is no queue 'q'");
    }

    [Fact]
    public async Task Purge_RemovesOneOrAll_OnlyWhenToldWhich()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunWithInputAsync("{\"i\":1}\n{\"i\":2}\n{\"i\":3}\n", "send", "q", "--id-field", "i")).Succeeded();

        (await world.RunAsync("queue", "purge", "q")).Failed(ExitCodes.Usage, "--id for one, or --all");
        (await world.RunAsync("queue", "purge", "q", "--id", "9")).Failed(ExitCodes.NotFound, "There is no message '9'");
        Assert.Equal("{\"queue\":\"q\",\"removed\":1}\n", (await world.RunAsync("queue", "purge", "q", "--id", "2", "--json")).Succeeded().Output);
        Assert.Equal("{\"queue\":\"q\",\"removed\":2}\n", (await world.RunAsync("queue", "purge", "q", "--all", "--json")).Succeeded().Output);
    }

    [Fact]
    public async Task Stats_CountByState_ForOneAndForAll()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunWithInputAsync("1\n22\n", "send", "a")).Succeeded();
        (await world.RunAsync("send", "a", "333", "--delay", "1h")).Succeeded();
        (await world.RunAsync("queue", "create", "b")).Succeeded();

        var all = (await world.RunAsync("stats", "--json")).Succeeded().Objects;
        var table = (await world.RunAsync("stats")).Succeeded().Lines;
        var one = (await world.RunAsync("stats", "a")).Succeeded().Lines;

        Assert.Equal(["a", "b"], all.Select(item => item.GetProperty("queue").GetString()));
        Assert.Equal((2, 1, 6), (all[0].GetProperty("ready").GetInt32(), all[0].GetProperty("scheduled").GetInt32(), all[0].GetProperty("bytes").GetInt32()));
        Assert.Equal(["QUEUE", "READY", "SCHEDULED", "LEASED", "DEAD", "BYTES", "OLDEST"], table[0].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(["a", "2", "1", "0", "0", "6"], table[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[..6]);
        Assert.Contains(one, line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is ["ready", "2"]);
    }

    [Fact]
    public async Task Browse_ShowsMessagesInTheirOrder_AndTakesNone()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("send", "q", "late", "--id", "b")).Succeeded();
        (await world.RunAsync("send", "q", "first\tof \u001b[31mall", "--id", "a", "-p", "9")).Succeeded();

        var table = (await world.RunAsync("browse", "q")).Succeeded();
        var limited = (await world.RunAsync("browse", "q", "--limit", "1", "--json")).Succeeded();

        Assert.Equal(["ID", "a", "b"], table.Lines.Select(line => line.Split(' ')[0]));
        Assert.DoesNotContain('\u001b', table.Output);
        Assert.Equal("a", Assert.Single(limited.Objects).GetProperty("id").GetString());
        Assert.Equal(2, (await world.Admin.GetStatsAsync("q", Token)).Ready);
    }

    [Fact]
    public async Task Publishing_ReachesBoundQueues()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("bind", "all", "order.*")).Succeeded();
        (await world.RunAsync("bind", "paid", "order.paid")).Succeeded();

        var created = (await world.RunAsync("publish", "order.created", "1", "--json")).Succeeded();
        var paid = (await world.RunWithInputAsync("2\n3\n", "publish", "order.paid", "--json")).Succeeded();
        var bindings = (await world.RunAsync("bindings")).Succeeded();
        (await world.RunAsync("unbind", "all", "order.*")).Succeeded();

        Assert.Equal("{\"topic\":\"order.created\",\"published\":1,\"queues\":1}\n", created.Output);
        Assert.Equal("{\"topic\":\"order.paid\",\"published\":2,\"queues\":2}\n", paid.Output);
        Assert.Equal(3, bindings.Lines.Length);
        Assert.Equal("{\"topic\":\"order.x\",\"published\":1,\"queues\":0}\n", (await world.RunAsync("publish", "order.x", "1", "--json")).Succeeded().Output);
        (await world.RunAsync("unbind", "all", "order.*")).Failed(ExitCodes.NotFound, "is not bound");
        Assert.Equal(3, (await world.Admin.GetStatsAsync("all", Token)).Ready);
        Assert.Equal(2, (await world.Admin.GetStatsAsync("paid", Token)).Ready);
    }
}
