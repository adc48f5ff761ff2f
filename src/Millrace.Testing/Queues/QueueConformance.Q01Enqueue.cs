using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    [Fact]
    public async Task Q1_AMessage_ArrivesWithEverythingItWasSentWith()
    {
        var headers = MessageHeaders.Create(new("z-first", "1"), new("a-second", "zwei ✓"), new("empty", ""));
        var body = Enumerable.Range(0, 256).Select(i => (byte)i).ToArray();
        var before = Clock.TimeProvider.GetUtcNow();
        var sent = new Envelope(body)
        {
            Id = "order-17", ContentType = "application/x-test", Headers = headers, Key = "customer-9", Priority = 7, TimeToLive = Clock.LongLease,
        };
        Assert.Equal([new EnqueueResult("order-17", EnqueueOutcome.Stored)], await SendAsync(sent));

        var delivery = await TakeAsync(await OpenAsync());

        Assert.Equal(new MessageId("order-17"), delivery.Message.Id);
        Assert.Equal(body, delivery.Message.Body.ToArray());
        Assert.Equal(headers.ToArray(), delivery.Message.Headers.ToArray());
        Assert.Equal("application/x-test", delivery.Message.ContentType);
        Assert.Equal("customer-9", delivery.Message.Key);
        Assert.Equal(7, delivery.Message.Priority);
        Assert.Null(delivery.Message.DeadLetter);
        Assert.Equal(1, delivery.Attempt);
        Assert.False(delivery.Redelivered);
        Assert.NotEqual(default, delivery.Token);

        // A server's clock may stand elsewhere; one that was handed to the store may not.
        var tolerance = Clock.Margin == TimeSpan.Zero ? TimeSpan.FromMilliseconds(1) : TimeSpan.FromMinutes(5);
        Assert.Equal(before, delivery.Message.EnqueuedAt, tolerance);
        Assert.Equal(before + Clock.LongLease, delivery.Message.ExpiresAt!.Value, tolerance);
    }

    [Fact]
    public async Task Q1_AMessageWithNothingButABody_HasDefaults()
    {
        var results = await SendAsync(new Envelope(ReadOnlyMemory<byte>.Empty));
        var delivery = await TakeAsync(await OpenAsync());
        Assert.Equal(0, delivery.Message.Body.Length);
        Assert.Equal(results[0].Id, delivery.Message.Id);
        Assert.Empty(delivery.Message.Headers);
        Assert.Null(delivery.Message.ContentType);
        Assert.Null(delivery.Message.Key);
        Assert.Null(delivery.Message.ExpiresAt);
        Assert.Equal(MessagePriority.Default, delivery.Message.Priority);
    }

    [Fact]
    public async Task Q1_ABatch_IsStoredWhole_WithOneResultAMessageInOrder()
    {
        var texts = Enumerable.Range(0, 250).Select(i => $"m{i}").ToArray();
        var results = await SendTextsAsync(texts);
        Assert.All(results, result => Assert.Equal(EnqueueOutcome.Stored, result.Outcome));
        Assert.Equal(results.Length, results.Select(result => result.Id).Distinct().Count());

        var deliveries = await PollAsync(await OpenAsync(), 1000);

        Assert.Equal(texts, Texts(deliveries));
        Assert.Equal(results.Select(result => result.Id), deliveries.Select(delivery => delivery.Message.Id));
    }

    [Fact]
    public async Task Q1_AnEmptyBatch_DoesNothing()
    {
        await SendTextsAsync("only");
        Assert.Empty(await SendAsync());
        Assert.Equal(["only"], await DrainAsync());
    }

    [Fact]
    public async Task Q1_Results_MayBeDeclined_OrLongerThanTheBatch_ButNotShorter()
    {
        await Soon(Store.EnqueueAsync(Queue, new[] { Make("a") }, default, Cancellation));
        var results = new EnqueueResult[3];
        await Soon(Store.EnqueueAsync(Queue, new[] { Make("b", id: "b") }, results, Cancellation));
        Assert.Equal([new EnqueueResult("b", EnqueueOutcome.Stored), default, default], results);

        await Assert.ThrowsAnyAsync<ArgumentException>(
            () => Soon(Store.EnqueueAsync(Queue, new[] { Make("c"), Make("d") }, new EnqueueResult[1], Cancellation)));

        Assert.Equal(["a", "b"], await DrainAsync());
    }

    [Fact]
    public async Task Q1_TheCallersBuffers_AreNotReadAfterTheCall()
    {
        var body = Encoding.UTF8.GetBytes("original");
        var batch = new[] { new Envelope(body) { Id = "first" } };
        await Soon(Store.EnqueueAsync(Queue, batch, default, Cancellation));
        body.AsSpan().Fill((byte)'X');
        batch[0] = Make("another");
        Assert.Equal(["original"], await DrainAsync());
    }

    [Fact]
    public async Task Q1_ABatchWithABadMessage_IsRefusedWhole()
    {
        Require(QueueFeatures.AtomicBatches);
        await SendTextsAsync("before");
        var error = await Assert.ThrowsAsync<InvalidMessageException>(() => SendAsync(Make("good"), Make("bad", priority: 10), Make("good too")));
        Assert.Contains("2 of 3", error.Message, StringComparison.Ordinal);
        Assert.Equal(["before"], await DrainAsync());
    }

    [Fact]
    public async Task Q1_AFailedEnqueue_FailsNoOtherThatRunsBesideIt()
    {
        var sends = Enumerable.Range(0, 200).Select(i => Task.Run(
            async () =>
            {
                if (i % 3 == 0)
                {
                    await Assert.ThrowsAsync<InvalidMessageException>(() => SendAsync(Make($"m{i}"), Make("bad", priority: -1)));
                }
                else
                {
                    await SendTextsAsync($"m{i}");
                }
            },
            Cancellation));
        await Task.WhenAll(sends);

        Assert.Equal(
            Enumerable.Range(0, 200).Where(i => i % 3 != 0).Select(i => $"m{i}").Order(StringComparer.Ordinal),
            (await DrainAsync()).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Q1_AnEnqueueCancelledBeforehand_StoresNothing()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Soon(Store.EnqueueAsync(Queue, new[] { Make("a") }, default, new CancellationToken(canceled: true))));
        Assert.Empty(await DrainAsync());
    }

    [Fact]
    public async Task Q1_AnEnqueueCancelledUnderWay_TellsTheTruth()
    {
        var stored = new List<string>();
        for (var i = 0; i < (IsFullRun ? 2000 : 200); i++)
        {
            using var cancellation = new CancellationTokenSource();
            var send = Task.Run(() => Store.EnqueueAsync(Queue, new[] { Make($"m{i}") }, default, cancellation.Token).AsTask(), Cancellation);
            if (i % 2 == 0)
            {
                await Task.Yield();
            }

            await cancellation.CancelAsync();
            try
            {
                await Soon(send);
                stored.Add($"m{i}");
            }
            catch (OperationCanceledException)
            {
                // Then it must not be there, which is what the drain below finds out.
            }
        }

        Assert.Equal(stored, await DrainAsync());
    }

    [Fact]
    public async Task Q1_AMessageThatWaivesDurability_IsDeliveredAllTheSame()
    {
        await SendAsync(Make("waived") with { Durability = MessageDurability.None }, Make("kept"));
        Assert.Equal(["waived", "kept"], await DrainAsync());
    }

    [Fact]
    public async Task Q1_ManyProducersAndConsumers_EachMessageIsDeliveredExactlyOnce()
    {
        var producers = 4;
        var consumers = 4;
        var each = IsFullRun ? 5_000 : 500;
        var received = new ConcurrentBag<string>();
        var left = producers * each;
        using var done = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);

        var consuming = Enumerable.Range(0, consumers).Select(c => Task.Run(
            async () =>
            {
                await using var receiver = await Store.OpenReceiverAsync(Queue, new ReceiverOptions { LeaseDuration = Clock.LongLease }, Cancellation);
                var into = new Delivery[1 + (c * 7)];
                try
                {
                    while (true)
                    {
                        var count = await receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan, done.Token);
                        Array.ForEach(Texts(into[..count]), received.Add);
                        await CompleteAsync(into[..count]);
                        if (Interlocked.Add(ref left, -count) == 0)
                        {
                            await done.CancelAsync();
                        }
                    }
                }
                catch (OperationCanceledException) when (Volatile.Read(ref left) == 0)
                {
                    // Every message has arrived.
                }
            },
            Cancellation)).ToArray();
        var producing = Enumerable.Range(0, producers).Select(p => Task.Run(
            async () =>
            {
                for (var i = 0; i < each;)
                {
                    var size = Math.Min((i % 5) + 1, each - i);
                    await SendTextsAsync([.. Enumerable.Range(i, size).Select(n => string.Create(CultureInfo.InvariantCulture, $"p{p}-{n}"))]);
                    i += size;
                }
            },
            Cancellation));
        await Task.WhenAll(producing);
        await Task.WhenAll(consuming).WaitAsync(TimeSpan.FromMinutes(3), Cancellation);

        Assert.Equal(producers * each, received.Count);
        Assert.Equal(producers * each, received.Distinct().Count());
        Assert.Empty(await DrainAsync());
    }
}
