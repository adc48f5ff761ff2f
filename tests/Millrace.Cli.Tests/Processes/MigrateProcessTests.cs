using System.Globalization;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>A migration that is killed, and repeated.</summary>
public sealed class MigrateProcessTests : IDisposable
{
    private const int Messages = 40_000;
    private const int Dead = 2_000;
    private const int Records = 20_000;

    private readonly MigrationWorld _world = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _world.Dispose();

    [Theory]
    [InlineData("sqlite", "file")]
    [InlineData("file", "sqlite")]
    public async Task AMigrationThatIsKilled_IsRepeated_AndEverythingIsThereOnce(string from, string to)
    {
        var (source, target) = (_world.Url(from), _world.Url(to));
        await MigrationWorld.WithAsync(source, FillAsync);

        // The store in SQLite, which others can look into, tells how far it is.
        var watched = from == "sqlite" ? source : target;
        foreach (var moved in (long[])[2_000, 10_000])
        {
            await RunAndKillAsync(source, target, watched, stats => (from == "sqlite" ? Messages - stats.Ready - stats.Leased : stats.Ready) >= moved, "second");
        }

        await MigrationWorld.WithAsync(source, async backend => Assert.NotEmpty(await MigrationWorld.IdsAsync(backend, "second")));
        await RunAndKillAsync(source, target, watched, stats => from == "sqlite" ? stats.Dead < Dead : stats.Dead > 0, "third");
        var result = await RunningProcess.RunAsync(_world.Folder, "migrate", "--from", source, "--to", target, "--json");

        result.Succeeded();
        Assert.Equal("", result.Error);
        await MigrationWorld.WithAsync(target, async backend =>
        {
            Assert.Equal(1, (await backend.Require<IQueueAdmin>().GetSettingsAsync("second", Token)).MaxDeliveries);
            Assert.Equal(Names(Messages), await ReceiveAsync(backend, "second"));
            Assert.Equal(Names(Dead), (await ReceiveAsync(backend, "third!dead")).Order());
            Assert.Empty(await MigrationWorld.IdsAsync(backend, "third"));
            Assert.Equal(Names(Records).Select((name, offset) => $"{offset} {name}"), await MigrationWorld.RecordsAsync(backend, "s"));
        });
    }

    private async Task RunAndKillAsync(string source, string target, string watched, Func<QueueStats, bool> isReached, string queue)
    {
        await using var backend = await MigrationWorld.OpenAsync(watched);
        var admin = backend.Require<IQueueAdmin>();
        await using var process = RunningProcess.Start(_world.Folder, RunningProcess.Millrace, ["migrate", "--from", source, "--to", target]);
        while (!(await admin.ListQueuesAsync(queue, cancellationToken: Token)).Any() || !isReached(await admin.GetStatsAsync(queue, Token)))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, Token);
            Assert.False(process.Output.IsCompleted, process.ErrorSoFar);
        }

        await process.KillAsync();
    }

    private static async Task FillAsync(Backend backend)
    {
        // No attempt may be lost to a kill.
        foreach (var queue in (string[])["second", "third"])
        {
            await backend.Require<IQueueAdmin>().CreateQueueAsync(queue, QueueSettings.Default with { MaxDeliveries = 1 }, Token);
        }

        foreach (var chunk in Names(Messages).Chunk(2000))
        {
            await MigrationWorld.SendAsync(backend, "second", Array.ConvertAll(chunk, name => MigrationWorld.Text(name)));
        }

        foreach (var chunk in Names(Dead).Chunk(1000))
        {
            await MigrationWorld.BuryAsync(backend, "third", "bad", null, Array.ConvertAll(chunk, name => MigrationWorld.Text(name)));
        }

        foreach (var chunk in Names(Records).Chunk(10_000))
        {
            await MigrationWorld.AppendAsync(backend, "s", chunk);
        }
    }

    private static string[] Names(int count) => [.. Enumerable.Range(0, count).Select(number => number.ToString("D6", CultureInfo.InvariantCulture))];

    private static async Task<string[]> ReceiveAsync(Backend backend, string queue)
    {
        var ids = new List<string>();
        await using var receiver = await backend.Queues!.OpenReceiverAsync(queue, new ReceiverOptions { SettleOnLease = true }, Token);
        var deliveries = new Delivery[1000];
        while (await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Token) is > 0 and var leased)
        {
            ids.AddRange(deliveries.Take(leased).Select(delivery => delivery.Message.Id.ToString()));
        }

        return [.. ids];
    }
}
