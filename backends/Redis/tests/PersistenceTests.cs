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
    [InlineData("volatile-ttl", "histories of channels")]
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
