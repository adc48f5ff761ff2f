using System.Globalization;
using Millrace.Redis.Tests.Proxies;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Client;

/// <summary>Writes with <c>wait</c>, which use a connection of their own, while none can be made: what becomes of a connection's introduction says nothing of the write.</summary>
public sealed class UnsentWriteTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(Gate.Cuts)]
    [InlineData(Gate.Hangs)]
    public async Task Write_ThatWasNeverSent_IsTriedForAsLongAsItMay_AndWasNotApplied(Gate gate)
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var proxy = new GatedProxy(server.Port);
        await using var backend = await OpenAsync(proxy, "wait=1&timeoutMs=1500&connectTimeoutMs=300");
        proxy.Set(gate);
        var fault = await Assert.ThrowsAsync<BackendUnavailableException>(() => SendAsync(backend));
        Assert.False(fault.MayHaveBeenApplied, fault.Message);
        Assert.DoesNotContain("may have been applied", fault.ToString().Split("--->")[0], StringComparison.Ordinal);
        Assert.True(proxy.Refused > 1, fault.Message);
        Assert.Equal("0", await server.ExecuteAsync(["EXISTS", "{millrace:queue:q}:queue"], Cancellation));
    }

    [Fact]
    public async Task Write_IsSent_AsSoonAsAConnectionStands()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var replica = await LocalRedis.StartAsync(
            new LocalRedisOptions { Arguments = ["--replicaof", LocalRedis.Host, server.Port.ToString(CultureInfo.InvariantCulture)] }, Cancellation);
        await using var proxy = new GatedProxy(server.Port);
        await using var backend = await OpenAsync(proxy, "wait=1&timeoutMs=60000");
        await SendAsync(backend);
        proxy.Set(Gate.Cuts);
        var sending = SendAsync(backend);
        await proxy.WaitForRefusalsAsync(3);
        Assert.False(sending.IsCompleted);
        proxy.Set(Gate.Open);
        await sending;
        Assert.Equal(2, (await backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Ready);
    }

    [Theory]
    [InlineData(Gate.Cuts)]
    [InlineData(Gate.Hangs)]
    public async Task Opening_ThatFails_HasAppliedNothing(Gate gate)
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var proxy = new GatedProxy(server.Port);
        proxy.Set(gate);
        string[] urls =
        [
            "redis://{0}?timeoutMs=300&connectTimeoutMs=200", "redis://{0}?timeoutMs=200&connectTimeoutMs=300", "redis://{0}?timeoutMs=200&cluster=true",
            "redis+sentinel://{0}/mymaster?timeoutMs=200",
        ];
        foreach (var url in urls)
        {
            var text = string.Format(CultureInfo.InvariantCulture, url, proxy.EndPoint);
            var fault = await Assert.ThrowsAsync<BackendUnavailableException>(async () => await RedisBackend.OpenAsync(BackendUrl.Parse(text), new BackendContext(), Cancellation));
            Assert.False(fault.MayHaveBeenApplied, fault.Message);
            Assert.DoesNotContain("may have been applied", fault.Message, StringComparison.Ordinal);
        }
    }

    private static ValueTask<Backend> OpenAsync(GatedProxy proxy, string options) =>
        RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{proxy.EndPoint}?{options}"), new BackendContext(), Cancellation);

    // With an id, so that one that was cut on its way may be sent again.
    private static Task SendAsync(Backend backend) =>
        backend.Queues!.EnqueueAsync("q", new[] { new Envelope(new byte[10]) { Id = new MessageId(Guid.NewGuid()) } }, default, Cancellation).AsTask();
}
