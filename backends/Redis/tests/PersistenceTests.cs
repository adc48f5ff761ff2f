using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests;

/// <summary>What the backend says of the server's persistence, and what it refuses.</summary>
public sealed class PersistenceTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task DurabilityFull_IsRefused_UnlessTheServerFlushesEveryWrite_AndTellsWhenItNoLongerDoes()
    {
        await using var server = await LocalRedis.StartAsync(new LocalRedisOptions { Arguments = ["--appendonly", "yes", "--appendfsync", "everysec"] }, Cancellation);
        var url = $"redis://{server.EndPoint}/0?durability=full";
        var refused = await Assert.ThrowsAsync<MillraceConfigurationException>(() => OpenAsync(url));
        Assert.Contains("appendfsync everysec", refused.Message, StringComparison.Ordinal);
        await server.ExecuteAsync(["CONFIG", "SET", "appendfsync", "always"], Cancellation);

        await using var backend = await OpenAsync(url);
        Assert.Equal(StoreDurability.Full, backend.Require<IStreamStore>().Capabilities.Durability);
        var health = await backend.Health.ProbeAsync(Cancellation);
        Assert.True(health.IsHealthy);
        Assert.Equal(("full", "appendonly yes, appendfsync always"), (health.Details["durability"], health.Details["persistence"]));

        await server.ExecuteAsync(["CONFIG", "SET", "appendonly", "no"], Cancellation);
        health = await backend.Health.ProbeAsync(Cancellation);
        Assert.False(health.IsHealthy);
        Assert.Contains("appendonly no", health.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("allkeys-lru", "whole queues")]
    [InlineData("volatile-ttl", "locks among them")]
    [InlineData("noeviction", null)]
    public async Task AServerThatMayDropKeys_IsAWarningInHealth(string policy, string? warning)
    {
        await using var server = await LocalRedis.StartAsync(new LocalRedisOptions { Arguments = ["--maxmemory", "100mb", "--maxmemory-policy", policy] }, Cancellation);
        await using var backend = await OpenAsync($"redis://{server.EndPoint}");
        var health = await backend.Health.ProbeAsync(Cancellation);
        Assert.True(health.IsHealthy);
        Assert.Equal("engine", health.Details["durability"]);
        Assert.Contains("since its last snapshot", health.Details["meaning"], StringComparison.Ordinal);
        Assert.Equal(warning is not null, health.Details.TryGetValue("warning", out var text));
        Assert.Contains(warning ?? "", text ?? "", StringComparison.Ordinal);
        Assert.DoesNotContain("remembers", text ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public async Task OnlyLocksAndTheHistoryOfChannels_Expire_AsTheWarningSays()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync($"redis://{server.EndPoint}");
        await backend.Queues!.EnqueueAsync("q", new[] { new Envelope(new byte[10]) { Id = "x" } }, default, Cancellation);
        await using var receiver = await backend.Queues.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var deliveries = new Delivery[1];
        await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Cancellation);
        await backend.Queues.SettleAsync("q", new[] { Settlement.Complete(deliveries[0].Token) }, default, Cancellation);
        await using var partition = await backend.Streams!.OpenPartitionAsync(new StreamPartitionContext { Stream = "s", Partition = 0, PartitionCount = 1 }, Cancellation);
        await partition.AppendAsync(new AppendRequest(new StreamRecord[] { new() { Body = new byte[10] } }) { ProducerId = "p", FirstSequence = 0 }, Cancellation);
        await backend.State!.PutAsync("k", new byte[1], null, Cancellation);
        await backend.Locks!.TryAcquireAsync("l", "me", TimeSpan.FromMinutes(1), Cancellation);
        await backend.Channels!.PublishAsync("t", new Envelope(new byte[10]), Cancellation);
        var expiring = new List<string>();
        foreach (var key in (await server.ExecuteAsync(["KEYS", "*"], Cancellation)).Split('\n'))
        {
            if (await server.ExecuteAsync(["PTTL", key], Cancellation) != "-1")
            {
                expiring.Add(key);
            }
        }

        Assert.Equal(["{millrace:channel}:messages", "{millrace:lock:l}:lock"], expiring.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task DurabilityFull_IsRefused_WhereTheServerDoesNotFlushWhileItRewritesItsLog()
    {
        await using var server = await LocalRedis.StartAsync(
            new LocalRedisOptions { Arguments = ["--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "yes"] }, Cancellation);
        var url = $"redis://{server.EndPoint}/0?durability=full";
        var refused = await Assert.ThrowsAsync<MillraceConfigurationException>(() => OpenAsync(url));
        Assert.Contains("has: appendonly yes, appendfsync always, no-appendfsync-on-rewrite yes", refused.Message, StringComparison.Ordinal);
        await using (var engine = await OpenAsync($"redis://{server.EndPoint}"))
        {
            Assert.Contains("while it rewrites its log", (await engine.Health.ProbeAsync(Cancellation)).Details["meaning"], StringComparison.Ordinal);
        }

        await server.ExecuteAsync(["CONFIG", "SET", "no-appendfsync-on-rewrite", "no"], Cancellation);
        await using var backend = await OpenAsync(url);
        Assert.True((await backend.Health.ProbeAsync(Cancellation)).IsHealthy);
        await server.ExecuteAsync(["CONFIG", "SET", "no-appendfsync-on-rewrite", "yes"], Cancellation);
        Assert.False((await backend.Health.ProbeAsync(Cancellation)).IsHealthy);
    }

    [Fact]
    public async Task WhereConfigIsNotAllowed_WhatInfoTellsIsReported_AndFullIsRefused()
    {
        await using var server = await LocalRedis.StartAsync(
            new LocalRedisOptions { Arguments = ["--appendonly", "yes", "--appendfsync", "always", "--rename-command", "CONFIG", ""] }, Cancellation);
        await using var backend = await OpenAsync($"redis://{server.EndPoint}");
        var health = await backend.Health.ProbeAsync(Cancellation);
        Assert.Equal("appendonly yes, appendfsync unknown", health.Details["persistence"]);
        await Assert.ThrowsAsync<MillraceConfigurationException>(() => OpenAsync($"redis://{server.EndPoint}?durability=full"));
    }

    private static async Task<Backend> OpenAsync(string url) => await RedisBackend.OpenAsync(BackendUrl.Parse(url), new BackendContext(), Cancellation);
}
