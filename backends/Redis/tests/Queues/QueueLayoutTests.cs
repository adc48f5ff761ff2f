using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Queues;

/// <summary>The layout of queues, as docs/formats.md describes it, read by another client in another language.</summary>
public sealed class QueueLayoutTests
{
    [Fact]
    public async Task Python_ReadsAQueue()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var server = await RedisFixture.Server;
        await using var backend = await RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{server.EndPoint}?prefix=queuelayout"), new BackendContext(), cancellation);
        var store = backend.Queues!;
        await using var receiver = await store.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = TimeSpan.FromMinutes(5) }, cancellation);
        var deliveries = new Delivery[1];
        await SendAsync(store, Make("buried") with { Id = "x", Priority = 8 });
        Assert.Equal(1, await receiver.LeaseAsync(deliveries, TimeSpan.Zero, cancellation));
        await store.SettleAsync("q", new[] { Settlement.DeadLetter(deliveries[0].Token, "spoilt", "why") }, default, cancellation);
        await SendAsync(store, Make("held"));
        Assert.Equal(1, await receiver.LeaseAsync(deliveries, TimeSpan.Zero, cancellation));
        var ids = await SendAsync(
            store,
            Make("plain"),
            Make("keyed") with { Id = "id-1", Key = "k" },
            Make("behind") with { Key = "k" },
            Make("full") with { Priority = 7, TimeToLive = TimeSpan.FromHours(1), ContentType = "text/plain", Headers = MessageHeaders.Of(("h", "v"), ("ü", "x")) },
            Make("later") with { Delay = TimeSpan.FromHours(1) });

        string[] expected =
        [
            "dead buried x p8 attempts:1 reason:spoilt/1 error:why",
            $"back full {ids[3]} p7 life:3600000000 type:text/plain headers:h=v,ü=x",
            $"new plain {ids[0]} p4",
            "back keyed id-1 p4 key:k",
            $"blocked behind {ids[2]} p4 key:k",
            $"due later {ids[4]} p4",
            $"leased held {deliveries[0].Token}",
            "counts 4 1 1 1 1 7",
        ];
        Assert.Equal(expected, await LayoutTests.RunAsync("read_queue.py", server.Port, "queuelayout", cancellation));
    }

    private static Envelope Make(string text) => new(Encoding.UTF8.GetBytes(text));

    private static async Task<MessageId[]> SendAsync(IQueueStore store, params Envelope[] batch)
    {
        var results = new EnqueueResult[batch.Length];
        await store.EnqueueAsync("q", batch, results, TestContext.Current.CancellationToken);
        return Array.ConvertAll(results, result => result.Id);
    }
}
