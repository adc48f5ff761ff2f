using System.Globalization;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>Fail-overs by Sentinel under load: what was acknowledged by all replicas is still there, and what one primary alone had may be gone.</summary>
public sealed class SentinelChaosTests(SentinelSet servers) : IClassFixture<SentinelSet>
{
    private const int TrafficBefore = 300;
    private const int TrafficAfter = 300;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static int Rounds => TestScale.IsFull ? 5 : 1;

    [Fact]
    public async Task Primary_Killed_WithWaitForAllReplicas_LosesNothing()
    {
        var set = servers.Set;
        await using var backend = await OpenAsync(set, "wait=2&waitTimeoutMs=1000");
        var run = new ChaosRun(backend, TestScale.Seed());
        await run.RunAsync(async () =>
        {
            for (var round = 0; round < Rounds; round++)
            {
                await run.WaitForMoreAsync(TrafficBefore);
                var killed = await KillPrimaryAsync(set);
                await RejoinAsync(set, killed);
                await run.WaitForMoreAsync(TrafficAfter);
            }
        });

        await run.FinishAsync(mayLose: false);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(0)]
    public async Task Primary_KilledAheadOfItsReplicas_LosesOnlyWhatNobodyWaitedFor(int wait)
    {
        var set = servers.Set;
        await using var backend = await OpenAsync(set, string.Create(CultureInfo.InvariantCulture, $"wait={wait}&") + (wait > 0 ? "waitTimeoutMs=500" : ""));
        var run = new ChaosRun(backend, TestScale.Seed());
        await run.RunAsync(async () =>
        {
            await run.WaitForMoreAsync(TrafficBefore);
            var primary = await set.FindPrimaryAsync(Cancellation);

            // From here on the replicas get nothing more, and the clients notice nothing.
            await primary.ExecuteAsync(["ACL", "SETUSER", "default", "-psync", "-sync"], Cancellation);
            await primary.ExecuteAsync(["CLIENT", "KILL", "TYPE", "replica"], Cancellation);
            await (wait == 0 ? run.WaitForMoreAsync(TrafficBefore) : run.WaitForFaultsAsync());
            await RejoinAsync(set, await KillPrimaryAsync(set));
            await run.WaitForMoreAsync(TrafficAfter);
        });

        await run.FinishAsync(mayLose: wait == 0);
        Assert.Equal(wait == 0, run.Backlog.Lost.Count > 0);
    }

    [Fact]
    public async Task Primary_PausedAndReplaced_ComesBack_AndNothingIsLost()
    {
        var set = servers.Set;
        await using var backend = await OpenAsync(set, "wait=2&waitTimeoutMs=1000");
        var run = new ChaosRun(backend, TestScale.Seed());
        await run.RunAsync(async () =>
        {
            await run.WaitForMoreAsync(TrafficBefore);
            var old = await set.FindPrimaryAsync(Cancellation);
            await set.FailOverAsync(primary => primary.PauseAsync(Cancellation), Cancellation);

            // It still believes that it is the primary, until Sentinel tells it otherwise.
            await old.ResumeAsync(Cancellation);
            await RejoinAsync(set, old, isRunning: true);
            await run.WaitForMoreAsync(TrafficAfter);
        });

        await run.FinishAsync(mayLose: false);
    }

    private static async Task<Backend> OpenAsync(LocalRedisSentinels set, string options) => await RedisBackend.OpenAsync(
        BackendUrl.Parse($"redis+sentinel://{set.EndPoints}/{set.Name}/0?timeoutMs=1500&prefix={Guid.NewGuid():N}&{options}".TrimEnd('&')), new BackendContext(), Cancellation);

    private static async Task<LocalRedis> KillPrimaryAsync(LocalRedisSentinels set)
    {
        var primary = await set.FindPrimaryAsync(Cancellation);
        await set.FailOverAsync(one => one.KillAsync(Cancellation), Cancellation);
        return primary;
    }

    /// <summary>Starts a server again that was the primary, as a replica of the new one: Sentinel would do it too, but takes ten seconds.</summary>
    private static async Task RejoinAsync(LocalRedisSentinels set, LocalRedis server, bool isRunning = false)
    {
        if (!isRunning)
        {
            await server.RestartAsync(Cancellation);
        }

        var primary = await set.FindPrimaryAsync(Cancellation);
        await server.ExecuteAsync(["REPLICAOF", LocalRedis.Host, primary.Port.ToString(CultureInfo.InvariantCulture)], Cancellation);
    }
}
