using System.Globalization;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests;

/// <summary>The servers that the tests start: that they run, can be killed, paused and started again, and are told apart.</summary>
public sealed class LocalRedisTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Server_Started_Answers_AndGoesWithItsFolder()
    {
        string folder;
        await using (var server = await LocalRedis.StartAsync(cancellationToken: Cancellation))
        {
            folder = server.Folder;
            Assert.Equal("PONG", await server.ExecuteAsync(["PING"], Cancellation));
            Assert.True(server.IsRunning);
        }

        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public async Task Server_KilledAndRestarted_HasItsPortAndData()
    {
        await using var server = await LocalRedis.StartAsync(new LocalRedisOptions { Password = "open sesame", Arguments = ["--appendonly", "yes", "--appendfsync", "always"] }, Cancellation);
        var port = server.Port;
        Assert.Equal("OK", await server.ExecuteAsync(["SET", "k", "v"], Cancellation));
        await server.KillAsync(Cancellation);
        Assert.False(server.IsRunning);
        await server.RestartAsync(Cancellation);
        Assert.Equal(port, server.Port);
        Assert.Equal("v", await server.ExecuteAsync(["GET", "k"], Cancellation));
    }

    [Fact]
    public async Task Server_Paused_AnswersWhenItGoesOn()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await server.PauseAsync(Cancellation);
        var answer = server.ExecuteAsync(["PING"], Cancellation);
        await Task.WhenAny(answer, Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Cancellation));
        Assert.False(answer.IsCompleted);
        await server.ResumeAsync(Cancellation);
        Assert.Equal("PONG", await answer);
    }

    [Fact]
    public async Task Server_WithAWrongArgument_SaysWhatItsLogSays()
    {
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => LocalRedis.StartAsync(new LocalRedisOptions { Arguments = ["--nonsense", "1"] }, Cancellation));
        Assert.Contains("nonsense", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sentinels_WhenThePrimaryDies_NameAnother()
    {
        await using var set = await LocalRedisSentinels.StartAsync(new LocalRedisOptions { Password = "open sesame" }, cancellationToken: Cancellation);
        var first = await set.FindPrimaryAsync(Cancellation);
        Assert.Same(set.Servers[0], first);
        await first.ExecuteAsync(["SET", "k", "v"], Cancellation);
        Assert.Equal("2", await first.ExecuteAsync(["WAIT", "2", "0"], Cancellation));
        var second = await set.FailOverAsync(primary => primary.KillAsync(Cancellation), Cancellation);
        Assert.NotSame(first, second);
        Assert.Same(second, await set.FindPrimaryAsync(Cancellation));
    }

    [Fact]
    public async Task Cluster_Started_ServesAllSlots()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(cancellationToken: Cancellation);
        for (var i = 0; i < 20; i++)
        {
            var key = string.Create(CultureInfo.InvariantCulture, $"k{i}");
            Assert.Equal("OK", await cluster.Servers[0].ExecuteAsync(["-c", "SET", key, "v"], Cancellation));
        }

        Assert.Contains("[OK] All 16384 slots covered.", await cluster.ManageAsync(["check", cluster.Servers[1].EndPoint], Cancellation), StringComparison.Ordinal);
    }
}
