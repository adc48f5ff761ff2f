using System.Globalization;
using Millrace.Redis.Client;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Client;

/// <summary>The client on one server: commands, scripts, faults, reconnects.</summary>
public sealed class SingleServerTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Commands_OfManyCallers_GetTheirOwnReplies()
    {
        await using var client = await OpenSharedAsync();
        await Task.WhenAll(Enumerable.Range(0, 64).Select(caller => Task.Run(
            async () =>
            {
                for (var i = 0; i < 500; i++)
                {
                    var text = string.Create(CultureInfo.InvariantCulture, $"{caller}/{i}");
                    Assert.Equal($"'{text}'", await client.ExecuteAsync("ECHO", text));
                }
            },
            Cancellation)));
    }

    [Fact]
    public async Task LargeValues_GoThereAndBack_AmongSmallOnes()
    {
        await using var client = await OpenSharedAsync();
        var key = Guid.NewGuid().ToString("N");
        var value = new byte[20_000_000];
        new Random(1).NextBytes(value);
        var small = Enumerable.Range(0, 100).Select(i => client.ExecuteAsync("ECHO", i.ToString(CultureInfo.InvariantCulture))).ToList();
        await client.ExecuteAsync(RedisCommand.Create("SET").AddKey(key).Add(value), Cancellation);
        var back = await client.ExecuteAsync(RedisCommand.Create("GET").AddKey(key), Cancellation);
        Assert.True(back.Bytes.Span.SequenceEqual(value));
        Assert.Equal(Enumerable.Range(0, 100).Select(i => $"'{i}'"), await Task.WhenAll(small));
        await client.ExecuteAsync("DEL", key);
    }

    [Fact]
    public async Task Error_IsTheCallersAlone()
    {
        await using var client = await OpenSharedAsync();
        var key = Guid.NewGuid().ToString("N");
        var set = client.ExecuteAsync("SET", key, "x");
        var push = client.ExecuteAsync("LPUSH", key, "x");
        var get = client.ExecuteAsync("GET", key);

        Assert.Equal("+OK", await set);
        var error = await Assert.ThrowsAsync<RedisServerException>(() => push);
        Assert.Equal("WRONGTYPE", error.Code);
        Assert.False(error.IsTransient);
        Assert.Equal("'x'", await get);
    }

    [Fact]
    public async Task Script_ThatTheServerDoesNotHave_IsLoaded()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis://{server.EndPoint}", Cancellation);
        var nonce = Guid.NewGuid().ToString("N");
        var script = RedisScript.Of("test", $"return {{'{nonce}', KEYS[1], ARGV[1]}}");
        for (var round = 0; round < 2; round++)
        {
            var calls = Enumerable.Range(0, 20).Select(i => client.ExecuteAsync(script.Call("k").Add(i), Cancellation).AsTask()).ToList();
            var replies = await Task.WhenAll(calls);
            Assert.Equal(Enumerable.Range(0, 20).Select(i => $"['{nonce}' 'k' '{i}']"), replies.Select(Replies.Show));
            await client.ExecuteAsync("SCRIPT", "FLUSH");
        }

        var broken = RedisScript.Of("broken", "this is no Lua");
        await Assert.ThrowsAsync<RedisServerException>(() => client.ExecuteAsync(broken.Call("k"), Cancellation).AsTask());
    }

    [Fact]
    public async Task Cancellation_BeforeACommandIsSent_CancelsIt()
    {
        await using var client = await OpenSharedAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.ExecuteAsync(RedisCommand.Create("PING"), new CancellationToken(canceled: true)).AsTask());
        Assert.Equal("+PONG", await client.ExecuteAsync("PING"));
    }

    [Fact]
    public async Task BlockingCommands_DoNotHoldUpOthers_AndEndWhenCancelled()
    {
        await using var client = await OpenSharedAsync();
        var key = Guid.NewGuid().ToString("N");
        var waiting = client.ExecuteBlockingAsync([RedisClients.Command("BLPOP", key, "20")], TimeSpan.FromSeconds(20), Cancellation).AsTask();
        using var impatience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var cancelled = client.ExecuteBlockingAsync([RedisClients.Command("BLPOP", key + "2", "20")], TimeSpan.FromSeconds(20), impatience.Token).AsTask();

        Assert.Equal("+PONG", await client.ExecuteAsync("PING"));
        await impatience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        await client.ExecuteAsync("RPUSH", key, "x");
        Assert.Equal($"['{key}' 'x']", Replies.Show(Assert.Single(await waiting)));
    }

    [Fact]
    public async Task BlockingCommands_OnOneConnection_AreAWriteAndItsWait()
    {
        await using var client = await OpenSharedAsync();
        var key = Guid.NewGuid().ToString("N");
        var script = RedisScript.Of("write", $"-- {key}\nreturn redis.call('SET', KEYS[1], 'y')");
        var wait = RedisCommand.Create("WAIT").Add(0).Add(1000);
        var replies = await client.ExecuteBlockingAsync([script.Call(key), wait], TimeSpan.FromSeconds(1), Cancellation);

        Assert.Equal(["+OK", "0"], replies.Select(Replies.Show));
        Assert.Equal("'y'", await client.ExecuteAsync("GET", key));
        await Assert.ThrowsAsync<RedisServerException>(() => client.ExecuteBlockingAsync([RedisClients.Command("LPUSH", key, "z")], TimeSpan.Zero, Cancellation).AsTask());
    }

    [Fact]
    public async Task BlockingCommands_BeyondTheBound_WaitAndThenSayWhy()
    {
        var server = await RedisFixture.Server;
        await using var client = await RedisClients.OpenAsync($"redis://{server.EndPoint}?max_connections=3&timeoutMs=1000", Cancellation);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var key = Guid.NewGuid().ToString("N");
        var holding = client.ExecuteBlockingAsync([RedisClients.Command("BLPOP", key, "20")], TimeSpan.FromSeconds(20), ending.Token).AsTask();
        var fault = await Assert.ThrowsAsync<BackendUnavailableException>(
            () => client.ExecuteBlockingAsync([RedisClients.Command("BLPOP", key, "20")], TimeSpan.FromSeconds(20), Cancellation).AsTask());
        Assert.Contains("max_connections", fault.Message, StringComparison.Ordinal);
        Assert.False(fault.MayHaveBeenApplied);
        await ending.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => holding);
    }

    [Fact]
    public async Task Server_Restarted_IsReachedAgain()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis://{server.EndPoint}", Cancellation);
        await client.ExecuteAsync("SET", "a", "1");
        await server.KillAsync(Cancellation);
        var meanwhile = client.ExecuteAsync("SET", "a", "2");
        await server.RestartAsync(Cancellation);

        // Sent into the dying connection, its fate is unknown; sent after it, it waited for the next one.
        var fault = await Record.ExceptionAsync(() => meanwhile);
        Assert.True(fault is null or BackendUnavailableException { MayHaveBeenApplied: true, IsTransient: true }, fault?.ToString());
        Assert.Equal("+PONG", Replies.Show(await client.ExecuteAsync(RedisCommand.Create("PING").MayRepeat(), Cancellation)));
    }

    [Fact]
    public async Task Connections_CutUnderLoad_MixNothingUp_AndLeaveNobodyWaiting()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis://{server.EndPoint}?timeoutMs=30000", Cancellation);
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var (repeated, once) = (new long[16], new long[16]);
        var callers = Enumerable.Range(0, 32).Select(caller => Task.Run(
            async () =>
            {
                for (var i = 0; !stopping.IsCancellationRequested; i++)
                {
                    var text = string.Create(CultureInfo.InvariantCulture, $"{caller}/{i}");
                    if (caller < 16)
                    {
                        Assert.Equal($"'{text}'", Replies.Show(await client.ExecuteAsync(RedisCommand.Create("ECHO").Add(text).MayRepeat(), Cancellation)));
                        repeated[caller]++;
                        continue;
                    }

                    try
                    {
                        Assert.Equal($"'{text}'", await client.ExecuteAsync("ECHO", text));
                        once[caller - 16]++;
                    }
                    catch (BackendUnavailableException cut) when (cut.MayHaveBeenApplied)
                    {
                        // Not to be repeated, so its caller is told.
                    }
                }
            },
            Cancellation)).ToList();
        for (var i = 0; i < 30; i++)
        {
            await server.ExecuteAsync(["CLIENT", "KILL", "TYPE", "normal"], Cancellation);
        }

        await stopping.CancelAsync();
        await Task.WhenAll(callers);
        Assert.All(repeated.Concat(once), count => Assert.True(count > 0));
    }

    [Fact]
    public async Task Server_Gone_FailsAfterTheTimeout_AndSaysWhereAndWhy()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis://{server.EndPoint}?timeoutMs=1500", Cancellation);
        await server.KillAsync(Cancellation);
        var fault = await Assert.ThrowsAsync<BackendUnavailableException>(() => client.ExecuteAsync(RedisCommand.Create("PING").MayRepeat(), Cancellation).AsTask());
        Assert.Contains(server.EndPoint, fault.Message, StringComparison.Ordinal);
        Assert.Contains("refused", fault.Message, StringComparison.Ordinal);

        using var impatience = new CancellationTokenSource();
        var waiting = client.ExecuteAsync(RedisCommand.Create("PING"), impatience.Token).AsTask();
        await impatience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    [Fact]
    public async Task Server_Paused_TimesOut_AndItsLateRepliesReachNobody()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis://{server.EndPoint}?timeoutMs=1500", Cancellation);
        Assert.Equal("'before'", await client.ExecuteAsync("ECHO", "before"));
        await server.PauseAsync(Cancellation);
        var late = Enumerable.Range(0, 10).Select(i => client.ExecuteAsync("ECHO", $"late {i}")).ToList();
        foreach (var one in late)
        {
            Assert.True((await Assert.ThrowsAsync<BackendUnavailableException>(() => one)).MayHaveBeenApplied);
        }

        await server.ResumeAsync(Cancellation);
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal($"'{i}'", Replies.Show(await client.ExecuteAsync(RedisCommand.Create("ECHO").Add(i).MayRepeat(), Cancellation)));
        }
    }

    [Fact]
    public async Task Server_ThatIsLoading_IsWaitedFor()
    {
        await using var server = await LocalRedis.StartAsync(
            new LocalRedisOptions { Arguments = ["--enable-debug-command", "yes", "--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024", "--rdbcompression", "no"] },
            Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis://{server.EndPoint}", Cancellation);
        await client.ExecuteAsync("DEBUG", "POPULATE", "500", "key", "100");
        await using var other = await RedisClients.OpenAsync($"redis://{server.EndPoint}", Cancellation);
        var reloading = other.ExecuteBlockingAsync([RedisCommand.Create("DEBUG").Add("RELOAD")], TimeSpan.FromSeconds(20), Cancellation).AsTask();
        Assert.Equal("'x'", Replies.Show(await client.ExecuteAsync(RedisCommand.Create("ECHO").Add("x"), Cancellation)));
        Assert.Equal("+OK", Replies.Show(Assert.Single(await reloading)));
    }

    [Fact]
    public async Task Primaries_OfASingleServer_AreOne()
    {
        await using var client = await OpenSharedAsync();
        var (server, reply) = Assert.Single(await client.ExecuteOnPrimariesAsync(() => RedisCommand.Create("PING"), Cancellation));
        Assert.Equal((await RedisFixture.Server).EndPoint, server);
        Assert.Equal("+PONG", Replies.Show(reply));
        Assert.False(client.IsCluster);
    }

    [Fact]
    public async Task Client_Disposed_FailsWhatWaits_AndWhatComes()
    {
        var client = await OpenSharedAsync();
        var key = Guid.NewGuid().ToString("N");
        var waiting = client.ExecuteBlockingAsync([RedisClients.Command("BLPOP", key, "20")], TimeSpan.FromSeconds(20), Cancellation).AsTask();
        await client.ExecuteAsync("PING");
        await client.DisposeAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => waiting);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.ExecuteAsync(RedisCommand.Create("PING"), Cancellation).AsTask());
        await client.DisposeAsync();
    }

    private static async Task<IRedisExecutor> OpenSharedAsync() => await RedisClients.OpenAsync($"redis://{(await RedisFixture.Server).EndPoint}", Cancellation);
}
