using Millrace.Queues;
using Millrace.Storage;
using Millrace.Testing;
using Millrace.Tests.Hosting;
using Xunit;

namespace Millrace.Tests.Queues;

/// <summary>Renewal, lost leases, and stores that fail: nothing is lost, nothing stranded.</summary>
public sealed class QueueDispatcherFaultTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TestScale.Patience;
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Third = Lease / 3;
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly ManualTimeProvider _clock = new();
    private readonly RecordingLogger _log = new();
    private readonly ScriptedQueueStore _store = new();
    private readonly QueueDispatchers _dispatchers;

    public QueueDispatcherFaultTests() => _dispatchers = new QueueDispatchers(_store, new QueueDispatcherOptions { LeaseDuration = Lease, MaxRetryDelay = LongestPause }, _clock, _log);

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        _store.Before = _ => Task.CompletedTask;
        _store.After = _ => Task.CompletedTask;
        await _dispatchers.DisposeAsync();
        _log.Dispose();
    }

    [Fact]
    public async Task All_leases_of_a_receiver_are_renewed_in_one_operation_every_third_of_the_lease()
    {
        var (sink, _) = Add(credit: 100);
        _store.Send(100);
        await sink.ReceivedAsync(100);

        for (var renewal = 1; renewal <= 4; renewal++)
        {
            await TimerSetAsync();
            _clock.Advance(Third);
            await _store.UntilAsync(store => store.RenewCalls == renewal);
        }

        Assert.Empty(sink.Lost);
    }

    [Fact]
    public async Task Without_open_deliveries_nothing_is_renewed()
    {
        var (sink, consumer) = Add(credit: 1);
        _store.Send(1);
        var delivery = Assert.Single(await sink.ReceivedAsync(1));
        await consumer.SettleAsync(new[] { Settlement.Complete(delivery.Token) }, default, Ending);

        for (var i = 0; i < 5; i++)
        {
            await TimerSetAsync();
            _clock.Advance(Third);
        }

        await TimerSetAsync();
        _store.Send(1);
        await sink.ReceivedAsync(2);
        Assert.Equal(0, _store.RenewCalls);
    }

    [Fact]
    public async Task A_lease_that_the_store_reports_lost_is_announced_once_to_its_consumer()
    {
        var (first, _) = Add(credit: 1);
        _store.Send(1);
        var lost = Assert.Single(await first.ReceivedAsync(1));
        var (second, _) = Add(credit: 1);
        _store.Send(1);
        await second.ReceivedAsync(1);
        _store.LoseLease(lost.Token);

        await AdvanceUntilAsync(() => first.Lost.Length >= 1);

        Assert.Equal([lost.Token], first.Lost);
        Assert.Empty(second.Lost);
        await AdvanceUntilAsync(() => _store.RenewCalls >= 3);
        Assert.Single(first.Lost);
    }

    [Fact]
    public async Task A_lost_delivery_keeps_its_credit_until_it_is_settled_which_asks_nobody()
    {
        var (sink, consumer) = Add(credit: 1);
        _store.Send(1);
        var lost = Assert.Single(await sink.ReceivedAsync(1));
        _store.LoseLease(lost.Token);
        await AdvanceUntilAsync(() => sink.Lost.Length >= 1);
        Assert.Equal(1, _store.ReadyCount);

        var results = new SettleResult[1];
        await consumer.SettleAsync(new[] { Settlement.Complete(lost.Token) }, results, Ending);

        Assert.Equal([SettleResult.LeaseLost], results);
        var again = (await sink.ReceivedAsync(2))[1];
        Assert.Equal(2, again.Attempt);
        Assert.Empty(_store.SettleCalls);
    }

    [Fact]
    public async Task A_renewal_that_fails_is_repeated_within_the_deadline_and_nothing_is_lost()
    {
        var failures = 4;
        _store.Before = call => call == StoreCall.Renew && Interlocked.Decrement(ref failures) >= 0
            ? Task.FromException(new BackendUnavailableException("cut"))
            : Task.CompletedTask;
        var (sink, _) = Add(credit: 1);
        _store.Send(1);
        await sink.ReceivedAsync(1);
        var start = _clock.GetTimestamp();

        await AdvanceUntilAsync(() => _store.RenewCalls == 1);

        Assert.True(_clock.GetElapsedTime(start) < Lease, $"{_clock.GetElapsedTime(start)}");
        Assert.Empty(sink.Lost);
        Assert.Equal(4, _log.Entries.Count(entry => entry.Id == 1012));
    }

    [Fact]
    public async Task Past_the_holders_deadline_leases_count_as_lost_and_the_store_is_asked_to_take_them_back()
    {
        _store.Before = call => call is StoreCall.Renew ? Task.FromException(new BackendUnavailableException("cut")) : Task.CompletedTask;
        var (sink, consumer) = Add(credit: 2);
        var (other, _) = Add(credit: 0);
        _store.Send(2);
        var deliveries = await sink.ReceivedAsync(2);
        var start = _clock.GetTimestamp();

        await AdvanceUntilAsync(() => sink.Lost.Length >= 2);

        Assert.InRange(_clock.GetElapsedTime(start), Lease, Lease + TimeSpan.FromSeconds(1));
        Assert.Equal(deliveries.Select(delivery => delivery.Token), sink.Lost.Order(Comparer<LeaseToken>.Create((a, b) => a.Low.CompareTo(b.Low))));
        await _store.UntilAsync(store => store.ReadyCount == 2);
        Assert.Equal([(0, 1), (1, 1)], _store.Ready);
        Assert.Empty(other.Lost);
        await consumer.DisposeAsync();
    }

    [Fact]
    public async Task A_renewal_that_never_answers_does_not_hide_the_deadline()
    {
        var stuck = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _store.Before = call => call is StoreCall.Renew ? stuck.Task : Task.CompletedTask;
        var (sink, _) = Add(credit: 1);
        _store.Send(1);
        await sink.ReceivedAsync(1);

        await AdvanceUntilAsync(() => sink.Lost.Length >= 1);

        stuck.SetResult();
    }

    [Fact]
    public async Task A_transient_fault_is_logged_and_waited_out()
    {
        var failures = 5;
        _store.Before = call => call is StoreCall.Open or StoreCall.Lease && Interlocked.Decrement(ref failures) >= 0
            ? Task.FromException(new BackendUnavailableException("cut"))
            : Task.CompletedTask;
        var (sink, consumer) = Add(credit: 1);
        _store.Send(1);

        await PauseUntilAsync(() => sink.Deliveries.Length >= 1);

        Assert.Equal(5, _log.Entries.Count(entry => entry.Id == 1010));
        Assert.False(consumer.Completion.IsCompleted);
        await _store.UntilAsync(store => store.OpenReceivers == 1);
    }

    [Fact]
    public async Task A_lease_whose_answer_was_lost_is_not_stranded()
    {
        // The answer of the second lease call is lost while the delivery of the first is still being handled: the failed receiver is kept for that one, then closed.
        var leases = 0;
        _store.After = call => call is StoreCall.Lease && Interlocked.Increment(ref leases) == 2
            ? Task.FromException(new BackendUnavailableException("cut", mayHaveBeenApplied: true))
            : Task.CompletedTask;
        var (sink, consumer) = Add(credit: 2);
        _store.Send(1);
        var first = Assert.Single(await sink.ReceivedAsync(1));
        _store.Send(1);
        await PauseUntilAsync(() => _store.OpenReceivers == 2);
        Assert.Equal(2, _store.LeasedCount);
        await ManualTime.TimersAsync(_clock, 2, Ending);
        _clock.Advance(Third);
        await _store.UntilAsync(store => store.RenewCalls > 0);

        await consumer.SettleAsync(new[] { Settlement.Complete(first.Token) }, default, Ending);
        var deliveries = await sink.ReceivedAsync(2);

        Assert.Equal([0, 1], sink.Numbers);
        Assert.Equal(1, deliveries[1].Attempt);
        Assert.Equal(1, _store.OpenReceivers);
        Assert.Empty(sink.Lost);
    }

    [Fact]
    public async Task A_fault_that_is_not_transient_reaches_the_consumers_who_can_still_settle()
    {
        var (sink, consumer) = Add(credit: 2);
        var (_, idle) = Add(credit: 0);
        _store.Send(1);
        var delivery = Assert.Single(await sink.ReceivedAsync(1));
        _store.After = call => call is StoreCall.Lease ? Task.FromException(new StorageCorruptException("page 7 is torn")) : Task.CompletedTask;
        _store.Send(1);

        await Assert.ThrowsAsync<StorageCorruptException>(() => consumer.Completion.WaitAsync(Patience, Ending));
        await Assert.ThrowsAsync<StorageCorruptException>(() => idle.Completion.WaitAsync(Patience, Ending));
        await consumer.SettleAsync(new[] { Settlement.Complete(delivery.Token) }, default, Ending);
        await consumer.DisposeAsync();
        await idle.DisposeAsync();

        Assert.Equal([0], _store.Completed);
        Assert.Equal([(1, 0)], _store.Ready);
        Assert.Equal(0, _store.OpenReceivers);
        Assert.Contains(_log.Entries, entry => entry.Id == 1011);
    }

    [Fact]
    public async Task After_such_a_fault_new_consumers_start_afresh()
    {
        _store.Before = call => call is StoreCall.Open ? Task.FromException(new QueueNotFoundException("q")) : Task.CompletedTask;
        var (_, consumer) = Add(credit: 1);
        await Assert.ThrowsAsync<QueueNotFoundException>(() => consumer.Opened.WaitAsync(Patience, Ending));
        await Assert.ThrowsAsync<QueueNotFoundException>(() => consumer.Completion.WaitAsync(Patience, Ending));
        _store.Before = _ => Task.CompletedTask;

        var (sink, _) = Add(credit: 1);
        _store.Send(1);
        await sink.ReceivedAsync(1);
    }

    [Fact]
    public async Task A_share_that_cannot_be_handed_back_at_once_is_handed_back_later()
    {
        var failures = 3;
        _store.Before = call => call is StoreCall.Settle && Interlocked.Decrement(ref failures) >= 0
            ? Task.FromException(new BackendUnavailableException("cut"))
            : Task.CompletedTask;
        var (sink, consumer) = Add(credit: 2);
        var (other, _) = Add(credit: 2);
        _store.Send(1);
        await WhenAnyAsync(sink, other);
        var (holder, leaver) = sink.Deliveries.Length == 1 ? (other, consumer) : throw new InvalidOperationException("the first consumer is first in turn");

        await leaver.DisposeAsync();
        await PauseUntilAsync(() => holder.Deliveries.Length >= 1);

        Assert.Equal(1, Assert.Single(holder.Deliveries).Attempt);
        Assert.Equal(3, _log.Entries.Count(entry => entry.Id == 1014));
    }

    [Fact]
    public async Task A_disposal_lets_a_settlement_that_runs_decide()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var (sink, consumer) = Add(credit: 2);
        var (_, stays) = Add(credit: 0);
        _store.Send(2);
        var deliveries = await sink.ReceivedAsync(2);
        var held = 0;
        _store.Before = call =>
        {
            if (call is not StoreCall.Settle || Interlocked.Increment(ref held) > 1)
            {
                return Task.CompletedTask;
            }

            entered.SetResult();
            return gate.Task;
        };

        var settling = consumer.SettleAsync(new[] { Settlement.Complete(deliveries[0].Token) }, default, Ending);
        await entered.Task.WaitAsync(Patience, Ending);
        await consumer.DisposeAsync();
        Assert.Equal([(1, 0)], _store.Ready);
        gate.SetResult();
        await settling;

        Assert.Equal([0], _store.Completed);
        Assert.False(stays.Completion.IsCompleted);
    }

    [Fact]
    public async Task A_receiver_that_cannot_be_closed_is_logged()
    {
        var (_, consumer) = Add(credit: 1);
        await consumer.Opened.WaitAsync(Patience, Ending);
        _store.Before = call => call is StoreCall.Close ? Task.FromException(new BackendUnavailableException("cut")) : Task.CompletedTask;

        await consumer.DisposeAsync();

        Assert.Contains(_log.Entries, entry => entry.Id == 1016);
    }

    [Fact]
    public async Task Random_comings_goings_and_faults_lose_strand_and_double_nothing()
    {
        var seed = TestScale.Seed();
        var random = new Random(seed);
        const int Messages = 2_000;
        var faults = new Random(seed + 1);
        _store.Before = call =>
        {
            // A receiver that cannot be closed leaves its leases to end by time, which this store does not know.
            lock (faults)
            {
                return call is not StoreCall.Close && faults.Next(20) == 0 ? Task.FromException(new BackendUnavailableException("cut")) : Task.CompletedTask;
            }
        };
        var consumers = new List<CompletingSink>();
        for (var sent = 0; sent < Messages; sent += 20)
        {
            _store.Send(20);
            consumers.Add(new CompletingSink(_dispatchers.Get("q"), random.Next(1, 30)));
            if (random.Next(3) == 0)
            {
                var leaving = consumers[random.Next(consumers.Count)];
                consumers.Remove(leaving);
                await leaving.Consumer.DisposeAsync();
            }

            _clock.Advance(TimeSpan.FromMilliseconds(random.Next(200)));
        }

        // What was released by a consumer that left, or not confirmed, goes round again until all is done.
        consumers.Add(new CompletingSink(_dispatchers.Get("q"), 10));
        await PauseUntilAsync(() => _store.Completed.Count >= Messages);

        _store.Before = _ => Task.CompletedTask;
        await _dispatchers.DisposeAsync();
        Assert.True(Enumerable.Range(0, Messages).SequenceEqual(_store.Completed.Order()), $"seed {seed}");
        Assert.Equal(0, _store.OpenReceivers);
        Assert.Equal(0, _store.LeasedCount);
    }

    private static async Task WhenAnyAsync(params RecordingSink[] sinks) => await Task.WhenAny(Array.ConvertAll(sinks, sink => sink.ReceivedAsync(1)));

    private Task TimerSetAsync() => ManualTime.TimersAsync(_clock, 1, Ending);

    /// <summary>From timer to timer of the renewal, which is the only loop that sleeps.</summary>
    private Task AdvanceUntilAsync(Func<bool> happened) => ManualTime.AdvanceUntilAsync(_clock, happened, Ending);

    /// <summary>Waits out pauses after faults; while there is none, the clock stands.</summary>
    private Task PauseUntilAsync(Func<bool> happened) => ManualTime.AdvanceUntilAsync(_clock, happened, Ending, within: LongestPause);

    private (RecordingSink Sink, DispatchConsumer Consumer) Add(int credit)
    {
        var sink = new RecordingSink();
        return (sink, _dispatchers.Get("q").AddConsumer(sink, new DispatchConsumerOptions { Credit = credit }));
    }

    /// <summary>Completes what it gets, one call a push, again after each fault.</summary>
    private sealed class CompletingSink : IDeliverySink
    {
        public CompletingSink(QueueDispatcher dispatcher, int credit)
        {
            Consumer = dispatcher.AddConsumer(this, new DispatchConsumerOptions { Credit = 0 });
            Consumer.SetCredit(credit);
        }

        public DispatchConsumer Consumer { get; }

        public void OnDeliveries(ReadOnlySpan<Delivery> deliveries)
        {
            var batch = new Settlement[deliveries.Length];
            for (var i = 0; i < batch.Length; i++)
            {
                batch[i] = Settlement.Complete(deliveries[i].Token);
            }

            _ = Task.Run(() => SettleAsync(batch));
        }

        public void OnLeaseLost(LeaseToken token)
        {
        }

        private async Task SettleAsync(Settlement[] batch)
        {
            while (true)
            {
                try
                {
                    await Consumer.SettleAsync(batch);
                    return;
                }
                catch (BackendUnavailableException)
                {
                    await Task.Yield();
                }
            }
        }
    }
}
