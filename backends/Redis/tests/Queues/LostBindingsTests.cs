using System.Text;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Queues;

/// <summary>Bindings that a server has lost with its data, and that clients still remember.</summary>
public sealed class LostBindingsTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Publish_AfterTheServerHasLostItsData_ReachesWhatIsBoundNow()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var near = await OpenAsync(server);
        await using var far = await OpenAsync(server);
        await BindAsync(near);
        Assert.Equal(1, await PublishAsync(far));
        await server.ExecuteAsync(["FLUSHALL"], Cancellation);

        // As often changed as before, but by others.
        await BindAsync(near);

        Assert.Equal(1, await PublishAsync(far).WaitAsync(TimeSpan.FromSeconds(30), Cancellation));
        Assert.Equal(1, (await near.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Ready);
    }

    [Fact]
    public async Task Publish_ToABindingOfADeletedQueue_ThatTheServerDoesNotHave_IsNotTriedForEver()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var near = await OpenAsync(server);
        await using var far = await OpenAsync(server);
        await BindAsync(near);
        Assert.Equal(1, await PublishAsync(far));
        var version = await server.ExecuteAsync(["HGET", "{millrace:queues}:bindings", ""], Cancellation);
        await server.ExecuteAsync(["FLUSHALL"], Cancellation);
        await BindAsync(near);

        // As if the two versions were the same, which a server of an earlier release counted.
        await server.ExecuteAsync(["HSET", "{millrace:queues}:bindings", "", version.Trim()], Cancellation);

        Assert.Equal(1, await PublishAsync(far).WaitAsync(TimeSpan.FromSeconds(30), Cancellation));
    }

    private static async Task<Backend> OpenAsync(LocalRedis server) => await RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{server.EndPoint}"), new BackendContext(), Cancellation);

    private static async Task BindAsync(Backend backend)
    {
        await backend.Require<IQueueAdmin>().CreateQueueAsync("q", QueueSettings.Default, Cancellation);
        await backend.Require<IQueueRouting>().BindAsync("q", TopicPattern.Parse("a.*"), Cancellation);
    }

    private static async Task<int> PublishAsync(Backend backend) =>
        await backend.Require<IQueueRouting>().PublishAsync("a.b", new[] { new Envelope(Encoding.UTF8.GetBytes("m")) }, Cancellation);
}
