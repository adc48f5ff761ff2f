using System.Globalization;
using Millrace.Redis.Client;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>A Cluster under load while slots move and primaries die.</summary>
public sealed class ClusterChaosTests
{
    private const string Prefix = "chaos";

    private static readonly RedisKeys Keys = new(Prefix);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static int Rounds => TestScale.IsFull ? 30 : 3;

    /// <summary>The slots of what the traffic uses.</summary>
    private static int[] Slots => [HashSlot.Of(Keys.Queue("q")), HashSlot.Of(Keys.Queue("backlog")), HashSlot.Of(Keys.Partition("log", 0)), HashSlot.Of(Keys.Lock("door")), HashSlot.Of(Keys.Single("channel"))];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Slots_MovedDuringTraffic_LoseNothing_AndNobodyNotices(int wait)
    {
        await using var cluster = await LocalRedisCluster.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(cluster, string.Create(CultureInfo.InvariantCulture, $"timeoutMs=60000&wait={wait}"));
        var (run, mover, channel) = (new ChaosRun(backend, TestScale.Seed()), new SlotMover(cluster), new ChannelTraffic(backend.Channels!, "news"));
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var channels = channel.RunAsync(stopping.Token);
        await run.RunAsync(async () =>
        {
            for (var round = 0; round < Rounds; round++)
            {
                await run.WaitForMoreAsync(100);

                // One after the other: two nodes that send each other keys at once wait for each other.
                foreach (var slot in Slots.Distinct())
                {
                    await mover.MoveAsync(slot);
                }
            }

            await run.WaitForMoreAsync(100);
        });

        await stopping.CancelAsync();
        await channels;
        await run.FinishAsync(mayLose: false);
        TestContext.Current.TestOutputHelper?.WriteLine(channel.ToString());
        channel.AssertNothingMissed();

        // Moving slots is no fault: the calls wait for the move, and then go on.
        Assert.False(run.Queue.Faults.HasAny, run.Queue.Faults.ToString());
        Assert.False(channel.Faults.HasAny, channel.Faults.ToString());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0)]
    public async Task Primary_Killed_IsReplacedByItsReplica_WithWhatItHad(int wait)
    {
        await using var cluster = await LocalRedisCluster.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(
            cluster, string.Create(CultureInfo.InvariantCulture, $"timeoutMs=2000&wait={wait}") + (wait > 0 ? "&waitTimeoutMs=1000" : ""));
        var (run, mover) = (new ChaosRun(backend, TestScale.Seed()), new SlotMover(cluster));
        await run.RunAsync(async () =>
        {
            await run.WaitForMoreAsync(300);
            var killed = await mover.FindPrimaryAsync(Slots[0]);

            // One that has never been in step with it would take its place without the queue.
            Assert.NotEqual("0", (await killed.ExecuteAsync(["WAIT", "1", "30000"], Cancellation)).Trim());
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
            var promoted = Task.WhenAny(cluster.Servers.Where(server => server != killed).Select(server => server.WaitForLogAsync("Failover election won", server.LogLines, waiting.Token)).ToArray());
            await killed.KillAsync(Cancellation);

            // Started before that, it would be the primary again, without its data.
            await await promoted;
            await waiting.CancelAsync();
            await killed.RestartAsync(Cancellation);
            await run.WaitForMoreAsync(300);
        });

        await run.FinishAsync(mayLose: wait == 0);
    }

    private static async Task<Backend> OpenAsync(LocalRedisCluster cluster, string options) =>
        await RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{cluster.EndPoints}?prefix={Prefix}&{options}"), new BackendContext(), Cancellation);
}
