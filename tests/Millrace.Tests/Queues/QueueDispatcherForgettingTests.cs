using Millrace.Queues;
using Xunit;

namespace Millrace.Tests.Queues;

/// <summary>Queues come and go, as the temporary ones of connections do: nothing is kept for one without consumers.</summary>
public sealed class QueueDispatcherForgettingTests : IAsyncDisposable
{
    private readonly ScriptedQueueStore _store = new();
    private readonly QueueDispatchers _dispatchers;

    public QueueDispatcherForgettingTests() => _dispatchers = new QueueDispatchers(_store);

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _dispatchers.DisposeAsync();

    [Fact]
    public async Task A_queue_is_forgotten_with_the_last_of_its_lanes()
    {
        var leasing = Add("q");
        var settling = _dispatchers.Get("q").AddConsumer(new RecordingSink(), new DispatchConsumerOptions { Credit = 1, SettleOnLease = true });

        await leasing.DisposeAsync();
        Assert.Equal(1, _dispatchers.RememberedQueues);
        await settling.DisposeAsync();

        Assert.Equal(0, _dispatchers.RememberedQueues);
    }

    [Fact]
    public async Task Queues_that_come_and_go_leave_nothing()
    {
        for (var i = 0; i < 1_000; i++)
        {
            await Add($"temporary-{i}").DisposeAsync();
            _dispatchers.Get($"never-used-{i}");
        }

        Assert.Equal(0, _dispatchers.RememberedQueues);
        Assert.Equal(0, _store.OpenReceivers);
    }

    [Fact]
    public async Task A_dispatcher_that_was_got_before_takes_consumers_after_its_queue_was_forgotten()
    {
        var early = _dispatchers.Get("q");
        await Add("q").DisposeAsync();
        var sink = new RecordingSink();
        early.AddConsumer(sink, new DispatchConsumerOptions { Credit = 1 });
        Add("q", sink);
        _store.Send(2);

        await sink.ReceivedAsync(2);

        Assert.Equal(2, early.OpenDeliveries);
        Assert.Equal(2, _dispatchers.Get("q").OpenDeliveries);
        Assert.Equal(1, _store.OpenReceivers);
    }

    [Fact]
    public async Task Consumers_that_come_while_the_last_one_leaves_are_never_apart_from_the_queue()
    {
        var dispatcher = _dispatchers.Get("q");
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 500; i++)
            {
                var sink = new RecordingSink();
                var consumer = dispatcher.AddConsumer(sink, new DispatchConsumerOptions { Credit = 1 });
                _store.Send(1);
                await sink.ReceivedAsync(1);
                Assert.InRange(_dispatchers.Get("q").OpenDeliveries, 1, 8);
                await consumer.DisposeAsync();
            }
        })));

        Assert.Equal(0, _dispatchers.RememberedQueues);
        Assert.Equal(0, _store.OpenReceivers);
        Assert.Equal(4_000, _store.ReadyCount);
    }

    [Fact]
    public async Task A_queue_that_was_drained_takes_no_consumer_any_more()
    {
        var unused = _dispatchers.Get("unused");
        var consumer = Add("q");

        await _dispatchers.Get("q").DrainAsync(TimeSpan.Zero, Ending);
        await unused.DrainAsync(TimeSpan.Zero, Ending);

        Assert.True(consumer.Completion.IsCompletedSuccessfully);
        Assert.Throws<ObjectDisposedException>(() => Add("q"));
        Assert.Throws<ObjectDisposedException>(() => Add("unused"));
        await Add("other").DisposeAsync();
    }

    [Fact]
    public async Task A_dispatcher_of_dispatchers_that_were_drained_takes_no_consumer_any_more()
    {
        var early = _dispatchers.Get("q");

        await _dispatchers.DrainAsync(TimeSpan.Zero, Ending);

        Assert.Throws<ObjectDisposedException>(() => early.AddConsumer(new RecordingSink(), new DispatchConsumerOptions { Credit = 1 }));
        Assert.Throws<ObjectDisposedException>(() => _dispatchers.Get("q"));
    }

    private DispatchConsumer Add(string queue, RecordingSink? sink = null) =>
        _dispatchers.Get(queue).AddConsumer(sink ?? new RecordingSink(), new DispatchConsumerOptions { Credit = 1 });
}
