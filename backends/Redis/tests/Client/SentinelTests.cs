using Millrace.Redis.Client;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Client;

/// <summary>The client behind sentinels: it finds the primary and follows it.</summary>
public sealed class SentinelTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Primary_Replaced_IsFollowed(bool isPaused)
    {
        await using var set = await LocalRedisSentinels.StartAsync(new LocalRedisOptions { Password = "open sesame" }, cancellationToken: Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis+sentinel://:open%20sesame@{set.EndPoints}/{set.Name}/0?timeoutMs=3000", Cancellation);
        var listener = new RecordingListener();
        await using var subscription = await client.SubscribeAsync(RedisSubscriptionKind.Channel, "c", listener, Cancellation);
        Assert.Equal("+OK", await client.ExecuteAsync("SET", "a", "1"));
        Assert.Equal("2", await client.ExecuteAsync("WAIT", "2", "0"));
        var first = await FindPrimaryAsync(client);

        var second = await set.FailOverAsync(primary => isPaused ? primary.PauseAsync(Cancellation) : primary.KillAsync(Cancellation), Cancellation);
        await SetUntilItSucceedsAsync(client, "2");
        Assert.Equal("'2'", Replies.Show(await client.ExecuteAsync(RedisClients.Command("GET", "a").MayRepeat(), Cancellation)));
        var now = await FindPrimaryAsync(client);
        Assert.NotEqual(first, now);
        Assert.Equal(second.EndPoint, now);
        await listener.WaitForAsync("resubscribed", Cancellation);
        var heard = listener.WaitForAsync("c: x", Cancellation);
        while (!heard.IsCompleted)
        {
            await client.ExecuteAsync(RedisClients.Command("PUBLISH", "c", "x").MayRepeat(), Cancellation);
            await Task.WhenAny(heard, Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation));
        }

        await heard;
    }

    [Fact]
    public async Task Primary_Demoted_RefusesWrites_AndTheNextOneTakesThem()
    {
        // Patient, so that no sentinel takes a replica for dead on a busy machine and gives the fail-over up.
        await using var set = await LocalRedisSentinels.StartAsync(new LocalRedisOptions { DownAfter = TimeSpan.FromSeconds(20) }, cancellationToken: Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis+sentinel://{set.EndPoints}/{set.Name}?timeoutMs=60000", Cancellation);
        await client.ExecuteAsync("SET", "a", "0");
        var first = await FindPrimaryAsync(client);
        var log = set.Sentinels[0].LogLines;
        await set.Sentinels[0].ExecuteAsync(["SENTINEL", "FAILOVER", set.Name], Cancellation);
        var switched = set.Sentinels[0].WaitForLogAsync("+switch-master", log, Cancellation);
        var written = 0;
        do
        {
            try
            {
                await client.ExecuteAsync("SET", "a", $"{written + 1}");
                written++;
            }
            catch (BackendUnavailableException cut) when (cut.MayHaveBeenApplied)
            {
                // The fail-over cuts connections; nothing else may go wrong.
            }
        }
        while (!switched.IsCompleted || await FindPrimaryAsync(client) == first);

        // Not before the client has left the old primary, which takes writes until it is told that it is none, and then forgets them.
        await SetUntilItSucceedsAsync(client, "last");
        Assert.Equal("'last'", Replies.Show(await client.ExecuteAsync(RedisClients.Command("GET", "a").MayRepeat(), Cancellation)));
        Assert.True(written > 0);
    }

    [Fact]
    public async Task Url_ThatNamesTheWrongThing_SaysSo()
    {
        await using var set = await LocalRedisSentinels.StartAsync(cancellationToken: Cancellation);
        var name = await Assert.ThrowsAsync<MillraceConfigurationException>(() => RedisClients.OpenAsync($"redis+sentinel://{set.EndPoints}/other", Cancellation).AsTask());
        Assert.Contains("knows no primary 'other'", name.Message, StringComparison.Ordinal);
        var server = await Assert.ThrowsAsync<MillraceConfigurationException>(() => RedisClients.OpenAsync($"redis+sentinel://{set.Servers[0].EndPoint}/{set.Name}", Cancellation).AsTask());
        Assert.Contains("is no Sentinel", server.Message, StringComparison.Ordinal);
        var sentinel = await Assert.ThrowsAsync<MillraceConfigurationException>(() => RedisClients.OpenAsync($"redis://{set.Sentinels[0].EndPoint}", Cancellation).AsTask());
        Assert.Contains("redis+sentinel://", sentinel.Message, StringComparison.Ordinal);

        // Sentinels that are gone are passed over; the others know the rest.
        await set.Sentinels[0].KillAsync(Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis+sentinel://{set.Sentinels[0].EndPoint},{set.Sentinels[1].EndPoint}/{set.Name}", Cancellation);
        Assert.Equal("+PONG", await client.ExecuteAsync("PING"));
    }

    private static async Task<string> FindPrimaryAsync(IRedisExecutor client) =>
        Assert.Single(await client.ExecuteOnPrimariesAsync(() => RedisCommand.Create("PING").MayRepeat(), Cancellation)).Server;

    private static async Task SetUntilItSucceedsAsync(IRedisExecutor client, string value)
    {
        while (true)
        {
            try
            {
                await client.ExecuteAsync("SET", "a", value);
                return;
            }
            catch (MillraceException fault) when (fault.IsTransient)
            {
                // The fail-over may take longer than a command's time.
            }
        }
    }
}
