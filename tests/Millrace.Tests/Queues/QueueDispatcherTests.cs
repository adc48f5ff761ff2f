using Millrace.Queues;
using Millrace.Storage;
using Millrace.Testing;
using Millrace.Tests.Hosting;
using Xunit;

namespace Millrace.Tests.Queues;

public sealed class QueueDispatcherTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TestScale.Patience;
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);

    private readonly ManualTimeProvider _clock = new();
    private readonly RecordingLogger _log = new();
    private readonly ScriptedQueueStore _store = new();
    private readonly QueueDispatchers _dispatchers;

    public QueueDispatcherTests() => _dispatchers = new QueueDispatchers(_store, new QueueDispatcherOptions { LeaseDuration = Lease }, _clock, _log);

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await _dispatchers.DisposeAsync();
        _log.Dispose();
    }

    [Fact]
    public async Task Ten_thousand_consumers_cost_one_receiver_which_the_last_one_closes()
    {
        var sinks = new RecordingSink[10_000];
        var consumers = new DispatchConsumer[sinks.Length];
        for (var i = 0; i < sinks.Length; i++)
        {
            (sinks[i], consumers[i]) = Add(credit: 1);
        }

        _store.Send(sinks.Length);
        await _store.UntilAsync(store => store.LeasedCount == sinks.Length);
        await Task.WhenAll(sinks.Select(sink => sink.ReceivedAsync(1)));
        Assert.Equal(1, _store.OpenedReceivers);
        Assert.All(sinks, sink => Assert.Single(sink.Deliveries));

        await Task.WhenAll(consumers.Select(consumer => consumer.DisposeAsync().AsTask()));
        Assert.Equal(0, _store.OpenReceivers);
        Assert.Equal(Enumerable.Range(0, sinks.Length).Select(number => (number, 0)), _store.Ready);
    }

    [Fact]
    public async Task A_consumer_gets_no_more_than_its_credit_and_the_rest_as_it_settles()
    {
        var (sink, consumer) = Add(credit: 3);
        _store.Send(5);

        var first = await sink.ReceivedAsync(3);
        Assert.Equal([0, 1, 2], sink.Numbers);
        Assert.Equal(2, _store.ReadyCount);
        Assert.Equal(3, _dispatchers.Get("q").OpenDeliveries);

        var results = new SettleResult[2];
        await consumer.SettleAsync(new[] { Settlement.Complete(first[0].Token), Settlement.Release(first[1].Token, countAttempt: false) }, results, Ending);
        await sink.ReceivedAsync(5);

        Assert.Equal([SettleResult.Settled, SettleResult.Settled], results);
        Assert.Equal([0, 1, 2, 1, 3], sink.Numbers);
        Assert.Equal(3, _store.LeasedCount);
    }

    [Fact]
    public async Task Shares_differ_by_no_more_than_one_run_of_a_batch()
    {
        const int Consumers = 7;
        const int Messages = 7_000;
        var sinks = new RecordingSink[Consumers];
        var biggestRun = 0;
        for (var i = 0; i < Consumers; i++)
        {
            (sinks[i], _) = Add(credit: Messages);
            sinks[i].Pushed = pushed => biggestRun = Math.Max(biggestRun, pushed.Length);
        }

        _store.Send(Messages);
        await _store.UntilAsync(store => store.LeasedCount == Messages);
        await Task.WhenAll(sinks.Select(sink => sink.ReceivedAsync((Messages / Consumers) - 256)));
        await sinks[0].ReceivedAsync(1);

        await WhenAsync(() => sinks.Sum(sink => sink.Deliveries.Length) == Messages);
        var shares = sinks.Select(sink => sink.Deliveries.Length).ToArray();
        Assert.True(shares.Max() - shares.Min() <= biggestRun, $"shares {string.Join(", ", shares)} with runs of up to {biggestRun}");
        Assert.InRange(biggestRun, 1, 256);
    }

    [Fact]
    public async Task With_few_messages_each_consumer_gets_one_in_turn()
    {
        var consumers = Enumerable.Range(0, 4).Select(_ => Add(credit: 10).Sink).ToArray();
        for (var message = 0; message < 8; message++)
        {
            _store.Send(1);
            await WhenAsync(() => consumers.Sum(sink => sink.Deliveries.Length) == message + 1);
        }

        Assert.All(consumers, sink => Assert.Equal(2, sink.Deliveries.Length));
    }

    [Fact]
    public async Task A_consumer_that_does_not_return_credit_stalls_nobody()
    {
        var (stalled, _) = Add(credit: 2);
        var (diligent, consumer) = Add(credit: 2);
        _store.Send(200);

        var done = 0;
        while (done < 198)
        {
            var deliveries = await diligent.ReceivedAsync(done + 1);
            await consumer.SettleAsync(Array.ConvertAll(deliveries[done..], delivery => Settlement.Complete(delivery.Token)), default, Ending);
            done = deliveries.Length;
        }

        Assert.Equal(2, stalled.Deliveries.Length);
        Assert.Equal(198, _store.Completed.Count);
    }

    [Fact]
    public async Task A_consumer_that_leaves_hands_its_share_back_at_once_in_order_and_uncounted()
    {
        var (leaving, consumer) = Add(credit: 4);
        _store.Send(4);
        await leaving.ReceivedAsync(4);
        var (staying, _) = Add(credit: 10);

        await consumer.DisposeAsync();
        var again = await staying.ReceivedAsync(4);

        Assert.Equal([0, 1, 2, 3], staying.Numbers);
        Assert.All(again, delivery => Assert.Equal(1, delivery.Attempt));
        Assert.Equal(1, _store.OpenedReceivers);
        await consumer.Completion.WaitAsync(Patience, Ending);
    }

    [Fact]
    public async Task What_a_leaving_consumer_has_handled_counts_as_an_attempt()
    {
        var (sink, consumer) = Add(credit: 3);
        _store.Send(3);
        var deliveries = await sink.ReceivedAsync(3);

        await consumer.CloseAsync(new[] { deliveries[1].Token });

        Assert.Equal([(0, 0), (1, 1), (2, 0)], _store.Ready);
    }

    [Fact]
    public async Task Nothing_is_pushed_after_a_consumer_was_disposed()
    {
        var (sink, consumer) = Add(credit: 10);
        _store.Send(1);
        await sink.ReceivedAsync(1);
        await consumer.DisposeAsync();
        var (other, _) = Add(credit: 10);
        _store.Send(3);

        await other.ReceivedAsync(4);
        Assert.Single(sink.Deliveries);
        await Assert.ThrowsAsync<TimeoutException>(() => _dispatchers.Get("q").AddConsumer(sink, new DispatchConsumerOptions { Credit = 0 }).Completion.WaitAsync(TimeSpan.Zero, Ending));
    }

    [Fact]
    public async Task A_delivery_that_is_leased_while_its_consumer_leaves_is_released_uncounted()
    {
        var entered = NewSignal();
        var gate = NewSignal();
        _store.After = call => call == StoreCall.Lease ? Hold(entered, gate) : Task.CompletedTask;
        var (sink, consumer) = Add(credit: 5);
        var (other, _) = Add(credit: 0);
        _store.Send(2);
        await entered.Task.WaitAsync(Patience, Ending);

        var leaving = consumer.DisposeAsync();
        gate.SetResult();
        await leaving;
        await _store.UntilAsync(store => store.ReadyCount == 2);

        Assert.Empty(sink.Deliveries);
        Assert.Empty(other.Deliveries);
        Assert.Equal([(0, 0), (1, 0)], _store.Ready);
    }

    [Fact]
    public async Task Without_credit_nothing_is_leased()
    {
        var (sink, consumer) = Add(credit: 0);
        _store.Send(3);
        await consumer.Opened.WaitAsync(Patience, Ending);
        consumer.SetCredit(2);

        await sink.ReceivedAsync(2);
        Assert.Equal([2], _store.LeaseSizes);
    }

    [Fact]
    public async Task Taking_all_credit_back_cuts_a_waiting_lease_short()
    {
        var (sink, consumer) = Add(credit: 5);
        await consumer.Opened.WaitAsync(Patience, Ending);
        await WhenAsync(() =>
        {
            // Until the loop waits there is nothing to cut; the credit decides either way.
            consumer.SetCredit(5);
            consumer.SetCredit(0);
            return _store.CutWaits > 0;
        });

        consumer.SetCredit(1);
        _store.Send(1);
        await sink.ReceivedAsync(1);
    }

    [Fact]
    public async Task Settled_on_lease_nothing_needs_settling_and_credit_comes_back_by_hand()
    {
        var (sink, consumer) = Add(credit: 2, settleOnLease: true);
        var (leasing, idle) = Add(credit: 0);
        await idle.Opened.WaitAsync(Patience, Ending);
        _store.Send(5);
        await sink.ReceivedAsync(2);
        Assert.Equal(0, _store.LeasedCount);
        Assert.Equal(3, _store.ReadyCount);

        consumer.AddCredit(2);
        await sink.ReceivedAsync(4);

        Assert.Equal([0, 1, 2, 3], sink.Numbers);
        Assert.Empty(leasing.Deliveries);
        Assert.Equal(2, _store.OpenedReceivers);
    }

    [Fact]
    public async Task Settled_on_lease_a_delivery_without_consumer_waits_for_the_next_one()
    {
        var entered = NewSignal();
        var gate = NewSignal();
        _store.After = call => call == StoreCall.Lease ? Hold(entered, gate) : Task.CompletedTask;
        var (_, consumer) = Add(credit: 5, settleOnLease: true);
        var (other, keeper) = Add(credit: 0, settleOnLease: true);
        _store.Send(2);
        await entered.Task.WaitAsync(Patience, Ending);
        var leaving = consumer.DisposeAsync();
        gate.SetResult();
        await leaving;

        keeper.SetCredit(5);

        await other.ReceivedAsync(2);
        Assert.Equal([0, 1], other.Numbers);
    }

    [Fact]
    public async Task A_failed_settlement_leaves_the_delivery_with_its_consumer()
    {
        var (sink, consumer) = Add(credit: 1);
        _store.Send(2);
        var delivery = Assert.Single(await sink.ReceivedAsync(1));
        _store.Before = FailOnce(StoreCall.Settle, new BackendUnavailableException("cut"));

        await Assert.ThrowsAsync<BackendUnavailableException>(() => consumer.SettleAsync(new[] { Settlement.Complete(delivery.Token) }, default, Ending).AsTask());
        Assert.Single(sink.Deliveries);
        await consumer.SettleAsync(new[] { Settlement.Complete(delivery.Token) }, default, Ending);

        await sink.ReceivedAsync(2);
        Assert.Equal([0], _store.Completed);
    }

    [Fact]
    public async Task A_sink_that_throws_is_closed_with_its_error_and_its_share_goes_to_others()
    {
        var (broken, consumer) = Add(credit: 3);
        broken.Pushed = _ => throw new FormatException("broken sink");
        _store.Send(3);

        await Assert.ThrowsAsync<FormatException>(() => consumer.Completion.WaitAsync(Patience, Ending));
        var (other, _) = Add(credit: 3);
        var deliveries = await other.ReceivedAsync(3);

        Assert.Equal([0, 1, 2], other.Numbers);
        Assert.All(deliveries, delivery => Assert.Equal(1, delivery.Attempt));
        Assert.Contains(_log.Entries, entry => entry.Id == 1017);
    }

    [Fact]
    public async Task Draining_stops_leasing_waits_for_what_is_open_and_hands_the_rest_back()
    {
        var (sink, consumer) = Add(credit: 2);
        _store.Send(4);
        var deliveries = await sink.ReceivedAsync(2);

        var drain = _dispatchers.DrainAsync(TimeSpan.FromSeconds(10), Ending);
        await consumer.SettleAsync(new[] { Settlement.Complete(deliveries[0].Token) }, default, Ending);
        Assert.False(drain.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(10));
        await drain.WaitAsync(Patience, Ending);

        Assert.Equal([0], _store.Completed);
        Assert.Equal([(1, 0), (2, 0), (3, 0)], _store.Ready);
        Assert.Equal(2, sink.Deliveries.Length);
        Assert.Equal(0, _store.OpenReceivers);
        Assert.Throws<ObjectDisposedException>(() => Add(credit: 1));
        Assert.True(consumer.Completion.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Draining_ends_as_soon_as_everything_is_settled()
    {
        var (sink, consumer) = Add(credit: 2);
        _store.Send(2);
        var deliveries = await sink.ReceivedAsync(2);

        var drain = _dispatchers.DrainAsync(Timeout.InfiniteTimeSpan, Ending);
        await consumer.SettleAsync(Array.ConvertAll(deliveries, delivery => Settlement.Complete(delivery.Token)), default, Ending);

        await drain.WaitAsync(Patience, Ending);
        Assert.Equal(0, _store.OpenReceivers);
    }

    [Fact]
    public async Task After_the_last_consumer_has_left_the_next_one_opens_a_receiver_again()
    {
        var (_, first) = Add(credit: 1);
        await first.Opened.WaitAsync(Patience, Ending);
        await first.DisposeAsync();
        Assert.Equal(0, _store.OpenReceivers);

        var (sink, _) = Add(credit: 1);
        _store.Send(1);
        await sink.ReceivedAsync(1);
        Assert.Equal(2, _store.OpenedReceivers);
    }

    [Fact]
    public void Bad_options_and_names_are_refused_with_their_value()
    {
        Assert.Contains("00:00:00.0010000", Refused(new QueueDispatcherOptions { LeaseDuration = TimeSpan.FromMilliseconds(1) }), StringComparison.Ordinal);
        Assert.Contains("100001", Refused(new QueueDispatcherOptions { MaxBatch = 100_001 }), StringComparison.Ordinal);
        Refused(new QueueDispatcherOptions { RetryDelay = TimeSpan.Zero });
        Assert.Throws<InvalidNameException>(() => _dispatchers.Get("a!b"));
        Assert.Equal("q!dead", _dispatchers.Get("q!dead").Queue);
        Assert.Throws<ArgumentOutOfRangeException>(() => Add(credit: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Add(credit: DispatchConsumer.MaxCredit + 1));
    }

    private string Refused(QueueDispatcherOptions options) =>
        Assert.Throws<MillraceConfigurationException>(() => new QueueDispatchers(_store, options)).Message;

    private (RecordingSink Sink, DispatchConsumer Consumer) Add(int credit, bool settleOnLease = false)
    {
        var sink = new RecordingSink();
        return (sink, _dispatchers.Get("q").AddConsumer(sink, new DispatchConsumerOptions { Credit = credit, SettleOnLease = settleOnLease }));
    }

    private static Func<StoreCall, Task> FailOnce(StoreCall failing, Exception exception)
    {
        var left = 1;
        return call => call == failing && Interlocked.Decrement(ref left) >= 0 ? Task.FromException(exception) : Task.CompletedTask;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static Task Hold(TaskCompletionSource entered, TaskCompletionSource gate)
    {
        entered.TrySetResult();
        return gate.Task;
    }

    /// <summary>Pushes follow the store's changes on another thread, within a moment.</summary>
    private static async Task WhenAsync(Func<bool> condition)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ending);
        patience.CancelAfter(Patience);
        while (!condition())
        {
            patience.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
