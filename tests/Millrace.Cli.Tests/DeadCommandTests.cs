using System.Text;
using Millrace.App;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class DeadCommandTests
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    [Fact]
    public async Task List_FiltersByReasonAndError()
    {
        await using var world = await OpenAsync();

        Assert.Equal(["ID", "a", "b", "c"], (await world.RunAsync("dead", "list", "q")).Succeeded().Lines.Select(line => line.Split(' ')[0]));
        Assert.Equal(["a", "c"], Ids(await world.RunAsync("dead", "list", "q", "--reason", "rejected", "--json")));
        Assert.Equal(["b"], Ids(await world.RunAsync("dead", "list", "q", "--error-contains", "refused", "--json")));
        Assert.Equal(["a", "b"], Ids(await world.RunAsync("dead", "list", "q", "--limit", "2", "--json")));
        Assert.Equal(["a", "b", "c"], Ids(await world.RunAsync("dead", "list", "q", "--since", "1h", "--json")));
        Assert.Empty(Ids(await world.RunAsync("dead", "list", "q", "--since", "2999-01-01", "--json")));
    }

    [Fact]
    public async Task Show_TellsAll()
    {
        await using var world = await OpenAsync();

        var shown = (await world.RunAsync("dead", "show", "q", "b")).Succeeded();

        Assert.Contains("reason:       timeout\n", shown.Output, StringComparison.Ordinal);
        Assert.Contains("last error:   connection refused\n", shown.Output, StringComparison.Ordinal);
        Assert.EndsWith("\n\nbody of b\n", shown.Output, StringComparison.Ordinal);
        (await world.RunAsync("dead", "show", "q", "z")).Failed(ExitCodes.NotFound, "There is no message 'z' in 'q!dead'");
    }

    [Fact]
    public async Task Redrive_MovesWhatIsChosen_AndNeedsAChoice()
    {
        await using var world = await OpenAsync();

        (await world.RunAsync("dead", "redrive", "q")).Failed(ExitCodes.Usage, "--all for every one");
        (await world.RunAsync("dead", "redrive", "q", "--all", "--id", "a")).Failed(ExitCodes.Usage, "exclude each other");
        (await world.RunAsync("dead", "redrive", "q", "--id", "z")).Failed(ExitCodes.NotFound, "There is no message 'z'");
        Assert.Equal("{\"queue\":\"q\",\"redriven\":1}\n", (await world.RunAsync("dead", "redrive", "q", "--error-contains", "refused", "--json")).Succeeded().Output);
        Assert.Equal("{\"queue\":\"q\",\"redriven\":1}\n", (await world.RunAsync("dead", "redrive", "q", "--limit", "1", "--json")).Succeeded().Output);
        Assert.Equal("{\"queue\":\"q\",\"redriven\":1}\n", (await world.RunAsync("dead", "redrive", "q", "--all", "--json")).Succeeded().Output);

        Assert.Equal(["body of b", "body of a", "body of c"], (await world.RunAsync("receive", "q", "-n", "9")).Succeeded().Lines);
    }

    [Fact]
    public async Task Purge_RemovesOneOrAll()
    {
        await using var world = await OpenAsync();

        (await world.RunAsync("dead", "purge", "q")).Failed(ExitCodes.Usage, "--id for one, or --all");
        (await world.RunAsync("dead", "purge", "q", "--id", "b")).Succeeded();
        Assert.Equal(["a", "c"], Ids(await world.RunAsync("dead", "list", "q", "--json")));
        (await world.RunAsync("dead", "purge", "q", "--all")).Succeeded();
        Assert.Empty(Ids(await world.RunAsync("dead", "list", "q", "--json")));
    }

    private static string[] Ids(CliResult result) => Array.ConvertAll(result.Succeeded().Objects, item => item.GetProperty("id").GetString()!);

    private static async Task<CliWorld> OpenAsync()
    {
        var world = await CliWorld.OpenAsync();
        (string Id, string Reason, string Error)[] letters = [("a", "rejected", "no sku"), ("b", "timeout", "connection refused"), ("c", "rejected", "no price")];
        foreach (var (id, reason, error) in letters)
        {
            await world.Queues.EnqueueAsync("q", new[] { new Envelope(Encoding.UTF8.GetBytes($"body of {id}")) { Id = id } }, default, Token);
            await using var receiver = await world.Queues.OpenReceiverAsync("q", new ReceiverOptions(), Token);
            var delivery = new Delivery[1];
            Assert.Equal(1, await receiver.LeaseAsync(delivery, TimeSpan.Zero, Token));
            await world.Queues.SettleAsync("q", new[] { Settlement.DeadLetter(delivery[0].Token, reason, error) }, default, Token);
        }

        return world;
    }
}
