using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Millrace.Redis.Client.Named;
using Millrace.Redis.Hosting;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Client;

// The short form, without a token, is what applications write.
#pragma warning disable xUnit1051

/// <summary>The client that applications use: commands by name, by instance from the services, and its health.</summary>
public sealed class NamedClientTests
{
    private readonly string _key = Guid.NewGuid().ToString("N");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Arguments_OfEveryKind_AreSent()
    {
        await using var client = await OpenAsync();
        Assert.Equal("OK", (await client.ExecuteAsync("SET", _key, "ä")).ToText());
        Assert.Equal("ä", (await client.ExecuteAsync("get", _key)).ToText());
        await client.ExecuteAsync("SET", _key, new byte[] { 0, 255 });
        Assert.Equal(new byte[] { 0, 255 }, (await client.ExecuteAsync("GET", [_key], Cancellation)).Bytes.ToArray());
        await client.ExecuteAsync("SET", _key, new ReadOnlyMemory<byte>("abc"u8.ToArray(), 1, 1));
        Assert.Equal("b", (await client.ExecuteAsync("GET", Encoding.UTF8.GetBytes(_key))).ToText());
        await client.ExecuteAsync("SET", _key, 5);
        Assert.Equal(12, (await client.ExecuteAsync("INCRBY", _key, 7L)).ToInteger());
        Assert.Equal("12.5", (await client.ExecuteAsync("INCRBYFLOAT", _key, 0.5)).ToText());
        await client.ExecuteAsync("DEL", _key);
        await client.ExecuteAsync("ZADD", _key, double.PositiveInfinity, "high", double.NegativeInfinity, "low");
        Assert.Equal("low", (await client.ExecuteAsync("ZRANGE", _key, 0, 0)).Items[0].ToText());
        Assert.Equal("a text of 6 characters", ((RedisArgument)"secret").ToString());
    }

    [Fact]
    public async Task Commands_ThatWait_WaitOnConnectionsOfTheirOwn()
    {
        await using var client = await OpenAsync();
        var waiting = client.ExecuteAsync("BLPOP", _key, 0).AsTask();
        var reading = client.ExecuteAsync("XREAD", ["COUNT", 1, "BLOCK", 0, "STREAMS", _key + "s", "$"], Cancellation).AsTask();
        Assert.Equal("null", Replies.Show(await client.ExecuteAsync("BLPOP", _key + "x", 0.01)));
        Assert.Equal("PONG", (await client.ExecuteAsync("PING")).ToText());
        await client.ExecuteAsync("RPUSH", _key, "x");
        Assert.Equal($"['{_key}' 'x']", Replies.Show(await waiting));
        while (!reading.IsCompleted)
        {
            // It reads from when the server has taken it.
            await client.ExecuteAsync("XADD", _key + "s", "*", "f", "v");
            await Task.WhenAny(reading, Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Cancellation));
        }

        Assert.Contains("['f' 'v']", Replies.Show(await reading), StringComparison.Ordinal);
        using var impatience = new CancellationTokenSource();
        var cancelled = client.ExecuteAsync("BLPOP", [_key + "y", 0], impatience.Token).AsTask();
        await impatience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
    }

    [Theory]
    [InlineData("MULTI")]
    [InlineData("subscribe")]
    [InlineData("Select")]
    [InlineData("AUTH")]
    [InlineData("CLIENT", "SETNAME")]
    [InlineData("CLIENT", "setinfo")]
    [InlineData("client", "NO-EVICT")]
    [InlineData("CLIENT", "NO-TOUCH")]
    [InlineData("CLIENT", "REPLY")]
    [InlineData("CLIENT", "TRACKING")]
    [InlineData("CLIENT", "CACHING")]
    [InlineData("SCRIPT", "DEBUG")]
    public async Task Commands_OfTheConnection_AreRefused(string command, string word = "x")
    {
        await using var client = await OpenAsync();
        var fault = await Assert.ThrowsAsync<ArgumentException>(async () => await client.ExecuteAsync(command, word, "on"));
        Assert.Contains("which all callers share", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cluster_GetsEachCommandAtTheNodeOfItsKey()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(cancellationToken: Cancellation);
        await using var client = await RedisClient.OpenAsync($"redis://{cluster.EndPoints}", cancellationToken: Cancellation);
        for (var i = 0; i < 30; i++)
        {
            var key = $"key{i}";
            Assert.Equal("OK", (await client.ExecuteAsync("SET", Encoding.UTF8.GetBytes(key), i)).ToText());
            Assert.Equal(i, (await client.ExecuteAsync("EVAL", "return redis.call('GET', KEYS[1])", 1, key)).ToInteger());
            Assert.Equal("int", (await client.ExecuteAsync("OBJECT", "ENCODING", key)).ToText());
            await client.ExecuteAsync("XADD", $"stream{i}", "*", "f", i);
            Assert.Equal(1, (await client.ExecuteAsync("XREAD", "COUNT", 1, "STREAMS", $"stream{i}", "0")).Items.Length / 2);
            await client.ExecuteAsync("XGROUP", "CREATE", $"stream{i}", "g", "0");
        }

        Assert.True((await client.ProbeAsync(Cancellation)).IsHealthy);
        Assert.Equal(1, (await client.ExecuteAsync("EVAL", "return 1", 0)).ToInteger());
    }

    [Fact]
    public async Task Cluster_HasEveryPrimaryAnswer_WhatConcernsAllKeys_AndItsHealth()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(cancellationToken: Cancellation);
        await using var client = await RedisClient.OpenAsync($"redis://{cluster.EndPoints}?timeoutMs=700", cancellationToken: Cancellation);
        string[] keys = [.. Enumerable.Range(0, 20).Select(i => $"key{i}")];
        foreach (var key in keys)
        {
            await client.ExecuteAsync("SET", key, "x");
        }

        Assert.Equal(20, (await client.ExecuteAsync("DBSIZE")).ToInteger());
        Assert.Equal(keys.Order(), (await client.ExecuteAsync("keys", "*")).Items.ToArray().Select(key => key.ToText()).Order());
        var digest = (await client.ExecuteAsync("SCRIPT", "LOAD", "return redis.call('GET', KEYS[1])"u8.ToArray())).ToText()!;
        foreach (var key in keys)
        {
            Assert.Equal("x", (await client.ExecuteAsync("EVALSHA", digest, 1, key)).ToText());
        }

        Assert.Equal("OK", (await client.ExecuteAsync("FLUSHALL")).ToText());
        Assert.Equal(0, (await client.ExecuteAsync("DBSIZE")).ToInteger());

        // The first is a primary. Paused for less than the others wait before they take it for dead.
        Assert.True((await client.ProbeAsync(Cancellation)).IsHealthy);
        await cluster.Servers[0].PauseAsync(Cancellation);
        try
        {
            var report = await client.ProbeAsync(Cancellation);
            Assert.False(report.IsHealthy);
            Assert.Contains(cluster.Servers[0].EndPoint, report.Error, StringComparison.Ordinal);
        }
        finally
        {
            await cluster.Servers[0].ResumeAsync(Cancellation);
        }
    }

    [Fact]
    public async Task Health_IsARoundTrip()
    {
        await using var server = await LocalRedis.StartAsync(new LocalRedisOptions { Password = "hush" }, Cancellation);
        await using var client = await RedisClient.OpenAsync($"redis://:hush@{server.EndPoint}?timeoutMs=1500", cancellationToken: Cancellation);
        var healthy = await client.ProbeAsync(Cancellation);
        Assert.True(healthy.IsHealthy);
        Assert.Equal(server.EndPoint, healthy.Details["servers"]);
        await server.KillAsync(Cancellation);
        var report = await client.ProbeAsync(Cancellation);
        Assert.False(report.IsHealthy);
        Assert.Contains(server.EndPoint, report.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("hush", report.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Services_HaveClientsByName()
    {
        var server = await RedisFixture.Server;
        var services = new ServiceCollection();
        services.AddRedisClient($"redis://{server.EndPoint}/0");
        services.AddRedisClient("Cache", $"redis://{server.EndPoint}/1");
        services.AddRedisClient("cache", $"redis://{server.EndPoint}/1");
        Assert.Throws<MillraceConfigurationException>(() => { services.AddRedisClient("cache", "redis://elsewhere"); });
        Assert.Throws<MillraceConfigurationException>(() => { services.AddRedisClient("other", $"redis://{server.EndPoint}?durability=full"); });
        await using var provider = services.BuildServiceProvider();
        foreach (var service in provider.GetServices<IHostedService>())
        {
            await ((IHostedLifecycleService)service).StartingAsync(Cancellation);
        }

        var (first, second) = (provider.GetRequiredService<IRedisClient>(), provider.GetRequiredKeyedService<IRedisClient>("cache"));
        Assert.Same(first, provider.GetRequiredKeyedService<IRedisClient>("default"));
        Assert.Equal(("default", "cache"), (first.Name, second.Name));
        await first.ExecuteAsync("SET", _key, "x");
        Assert.True((await second.ExecuteAsync("GET", _key)).IsNull);
    }

    [Fact]
    public async Task Configuration_NamesClients()
    {
        var server = await RedisFixture.Server;
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["CACHE:CACHE_TYPE"] = "redis",
            ["CACHE:URL"] = $"redis://{server.EndPoint}/0",
            ["CACHE:MAX_CONNECTIONS"] = "10",
            ["CACHE:DEFAULT_TTL"] = "60",
            ["CACHE:SESSION:CACHE_TYPE"] = "redis",
            ["CACHE:SESSION:URL"] = $"redis://{server.EndPoint}/2",
            ["CACHE:LOCAL:CACHE_TYPE"] = "memory",
            ["CACHE:OTHER:URL"] = "memcached://localhost",
        }).Build();
        var services = new ServiceCollection();
        services.AddRedisClients(configuration);
        await using var provider = services.BuildServiceProvider();
        Assert.Equal("PONG", (await provider.GetRequiredService<IRedisClient>().ExecuteAsync("PING")).ToText());
        Assert.Contains("db=2", (await provider.GetRequiredKeyedService<IRedisClient>("session").ExecuteAsync("CLIENT", "INFO")).ToText(), StringComparison.Ordinal);
        Assert.Null(provider.GetKeyedService<IRedisClient>("local"));
        Assert.Null(provider.GetKeyedService<IRedisClient>("other"));

        var wrong = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["CACHE:X:CACHE_TYPE"] = "redis" }).Build();
        Assert.Contains("CACHE__X__CACHE_TYPE", Assert.Throws<MillraceConfigurationException>(() => { new ServiceCollection().AddRedisClients(wrong); }).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("CACHE:SESSION:URL", "redis://h/x", "CACHE__SESSION__URL: ", "no number of a database")]
    [InlineData("CACHE:MAX_CONNECTIONS", "abc", "CACHE__MAX_CONNECTIONS: ", "whole number")]
    [InlineData("CACHE:SESSION:TIMEOUT_MS", "0", "CACHE__SESSION__TIMEOUT_MS: ", "timeoutMs")]
    [InlineData("CACHE:PFX_PASSWORD", "hush", "CACHE__PFX_PASSWORD: ", "'pfx'")]
    public void Configuration_ThatCannotWork_NamesItsKey(string key, string value, string named, string reason)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["CACHE:URL"] = "rediss://localhost",
            ["CACHE:TIMEOUT_MS"] = "700",
            ["CACHE:SESSION:URL"] = "redis://localhost",
            ["CACHE:SESSION:CLIENT_NAME"] = "me",
            [key] = value,
        }).Build();
        var fault = Assert.Throws<MillraceConfigurationException>(() => { new ServiceCollection().AddRedisClients(configuration); });
        Assert.StartsWith(named, fault.Message, StringComparison.Ordinal);
        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hush", fault.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Configuration_WithAKeyThatIsMisspelt_NamesTheNearest()
    {
        var section = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["CACHE:URL"] = "redis://localhost",
            ["CACHE:MAX_CONNECTION"] = "10",
            ["CACHE:TTL"] = "10",
        }).Build().GetSection("CACHE");
        var (_, ignored) = RedisInstances.Read(section, "CACHE", "default")["default"];
        Assert.Equal(["CACHE__MAX_CONNECTION (did you mean CACHE__MAX_CONNECTIONS?)", "CACHE__TTL"], ignored);
    }

    private static async Task<RedisClient> OpenAsync() => await RedisClient.OpenAsync($"redis://{(await RedisFixture.Server).EndPoint}", cancellationToken: Cancellation);
}
