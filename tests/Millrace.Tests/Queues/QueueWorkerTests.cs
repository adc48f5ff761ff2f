using System.Collections.Concurrent;
using Millrace.Queues;
using Millrace.Storage;
using Millrace.Testing;
using Millrace.Tests.Hosting;
using Xunit;

namespace Millrace.Tests.Queues;

public sealed class QueueWorkerTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TestScale.Patience;
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly ManualTimeProvider _clock = new();
    private readonly RecordingLogger _log = new();
    private readonly ScriptedQueueStore _store = new();
    private readonly QueueDispatchers _dispatchers;

    public QueueWorkerTests() => _dispatchers = new QueueDispatchers(_store, new QueueDispatcherOptions { MaxRetryDelay = LongestPause }, _clock, _log);

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        _store.Before = _ => Task.CompletedTask;
        _store.After = _ => Task.CompletedTask;
        await _dispatchers.DisposeAsync();
        _log.Dispose();
    }

    [Fact]
    public async Task Messages_are_handled_and_completed()
    {
        var seen = new ConcurrentBag<int>();
        await using var worker = await StartAsync((delivery, _) =>
        {
            seen.Add(ScriptedQueueStore.NumberOf(delivery));
            return new(HandlingResult.Complete);
        });
        _store.Send(500);

        await _store.UntilAsync(store => store.Completed.Count == 500);
        await worker.StopAsync(Ending);

        Assert.Equal(Enumerable.Range(0, 500), seen.Order());
        Assert.Equal(new QueueWorkerStats(500, 0, 0, 0, 0, 0, 0), worker.Stats);
        Assert.True(worker.Completion.IsCompletedSuccessfully);
        Assert.Equal(0, _store.OpenReceivers);
    }

    [Theory]
    [InlineData(null, 6)]
    [InlineData(0, 3)]
    [InlineData(5, 8)]
    public async Task As_many_run_as_its_concurrency_and_as_many_more_are_leased_as_its_prefetch(int? prefetch, int leased)
    {
        var gate = NewSignal();
        await using var worker = await StartAsync(
            async (_, token) =>
            {
                await gate.Task.WaitAsync(token);
                return HandlingResult.Complete;
            },
            new QueueWorkerOptions { Concurrency = 3, Prefetch = prefetch });
        _store.Send(20);

        await WhenAsync(() => worker.Stats is { Running: 3 } stats && stats.Held == leased);
        Assert.Equal(leased, _store.LeasedCount);
        gate.SetResult();
        await _store.UntilAsync(store => store.Completed.Count == 20);
    }

    [Fact]
    public async Task Handlers_that_finish_together_share_a_settlement_and_a_lone_one_does_not_wait()
    {
        const int Handlers = 64;
        var first = NewSignal();
        var others = NewSignal();
        var settling = NewSignal();
        var gate = NewSignal();
        var calls = 0;
        _store.Before = call =>
        {
            if (call is not StoreCall.Settle || Interlocked.Increment(ref calls) > 1)
            {
                return Task.CompletedTask;
            }

            settling.SetResult();
            return gate.Task;
        };
        await using var worker = await StartAsync(
            async (delivery, _) =>
            {
                await (ScriptedQueueStore.NumberOf(delivery) == 0 ? first : others).Task;
                return HandlingResult.Complete;
            },
            new QueueWorkerOptions { Concurrency = Handlers, Prefetch = 0 });
        _store.Send(Handlers);
        await WhenAsync(() => worker.Stats.Running == Handlers);

        first.SetResult();
        await settling.Task.WaitAsync(Patience, Ending);
        others.SetResult();
        await WhenAsync(() => worker.Stats.Running == 0);
        gate.SetResult();
        await _store.UntilAsync(store => store.Completed.Count == Handlers);

        // A handler that has ended gives its result a moment later: a few may miss the second call.
        Assert.Single(_store.SettleCalls[0]);
        Assert.InRange(_store.SettleCalls.Length, 2, 6);
    }

    [Fact]
    public async Task A_failed_attempt_goes_back_with_the_policys_delay_and_its_error()
    {
        await using var worker = await StartAsync(
            (delivery, _) => delivery.Attempt == 1 ? throw new FormatException("no number") : new(HandlingResult.Complete),
            new QueueWorkerOptions { RetryPolicy = RetryPolicy.Fixed(TimeSpan.FromSeconds(7)) });
        _store.Send(1);

        await _store.UntilAsync(store => store.Completed.Count == 1);
        await worker.StopAsync(Ending);

        var release = _store.SettleCalls[0][0];
        Assert.Equal((SettlementKind.Release, TimeSpan.FromSeconds(7), false, "System.FormatException: no number"), (release.Kind, release.Delay, release.Uncounted, release.Error));
        Assert.Equal(new QueueWorkerStats(1, 1, 0, 0, 0, 0, 0), worker.Stats);
        Assert.Contains(_log.Entries, entry => entry.Id == 1030 && entry.Text.Contains("m0", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_attempt_that_takes_too_long_is_cancelled_and_says_so()
    {
        var begun = NewSignal();
        await using var worker = await StartAsync(
            async (_, token) =>
            {
                begun.SetResult();
                await Until(token);
                token.ThrowIfCancellationRequested();
                return HandlingResult.Complete;
            },
            new QueueWorkerOptions { AttemptTimeout = TimeSpan.FromSeconds(3), RetryPolicy = RetryPolicy.None });
        _store.Send(1);
        await begun.Task.WaitAsync(Patience, Ending);

        _clock.Advance(TimeSpan.FromSeconds(3));
        await _store.UntilAsync(store => store.Dead.Count == 1);

        var (_, reason, error) = Assert.Single(_store.Dead);
        Assert.Equal("max-attempts", reason);
        Assert.StartsWith("System.TimeoutException: The attempt was cancelled because it took longer than 00:00:03", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_that_finishes_although_its_time_is_over_has_handled_its_message()
    {
        var begun = NewSignal();
        await using var worker = await StartAsync(
            async (_, token) =>
            {
                begun.SetResult();
                await Until(token);
                return HandlingResult.Complete;
            },
            new QueueWorkerOptions { AttemptTimeout = TimeSpan.FromSeconds(3) });
        _store.Send(1);
        await begun.Task.WaitAsync(Patience, Ending);
        _clock.Advance(TimeSpan.FromSeconds(3));

        await _store.UntilAsync(store => store.Completed.Count == 1);
    }

    [Fact]
    public async Task A_lost_lease_cancels_its_handler_and_is_counted_and_logged()
    {
        var attempts = new ConcurrentQueue<Delivery>();
        var cancelled = NewSignal();
        await using var worker = await StartAsync(
            async (delivery, token) =>
            {
                attempts.Enqueue(delivery);
                if (attempts.Count == 1)
                {
                    await Until(token);
                    cancelled.SetResult();
                    token.ThrowIfCancellationRequested();
                }

                return HandlingResult.Complete;
            },
            new QueueWorkerOptions { Concurrency = 1, Prefetch = 0 });
        _store.Send(1);
        await WhenAsync(() => !attempts.IsEmpty);
        _store.LoseLease(attempts.First().Token);
        await ManualTime.AdvanceUntilAsync(_clock, () => _store.RenewCalls >= 1, Ending);
        await cancelled.Task.WaitAsync(Patience, Ending);

        await _store.UntilAsync(store => store.Completed.Count == 1);
        await worker.StopAsync(Ending);

        Assert.Equal([1, 2], attempts.Select(delivery => delivery.Attempt));
        Assert.Equal(new QueueWorkerStats(1, 0, 0, 0, 1, 0, 0), worker.Stats);
        Assert.Contains(_log.Entries, entry => entry.Id == 1031);
    }

    [Fact]
    public async Task A_prefetched_message_whose_lease_was_lost_is_not_handled()
    {
        var gate = NewSignal();
        var handled = new ConcurrentQueue<Delivery>();
        await using var worker = await StartAsync(
            async (delivery, _) =>
            {
                handled.Enqueue(delivery);
                await gate.Task;
                return HandlingResult.Complete;
            },
            new QueueWorkerOptions { Concurrency = 1, Prefetch = 1 });
        _store.Send(2);
        await WhenAsync(() => worker.Stats is { Running: 1, Held: 2 });
        var waiting = new LeaseToken(1, 2);
        _store.LoseLease(waiting);
        await ManualTime.AdvanceUntilAsync(_clock, () => _store.RenewCalls >= 2, Ending);

        gate.SetResult();
        await _store.UntilAsync(store => store.Completed.Count == 2);

        Assert.Equal([0, 1], handled.Select(delivery => ScriptedQueueStore.NumberOf(delivery)));
        Assert.DoesNotContain(handled, delivery => delivery.Token == waiting);
    }

    [Fact]
    public async Task A_stop_lets_running_handlers_finish_and_hands_back_what_none_has_begun()
    {
        var gate = NewSignal();
        var begun = new ConcurrentQueue<int>();
        var worker = await StartAsync(
            async (delivery, _) =>
            {
                begun.Enqueue(ScriptedQueueStore.NumberOf(delivery));
                await gate.Task;
                return HandlingResult.Complete;
            },
            new QueueWorkerOptions { Concurrency = 2, Prefetch = 3 });
        _store.Send(10);
        await WhenAsync(() => worker.Stats is { Running: 2, Held: 5 });

        var stop = worker.StopAsync(Ending);
        await _store.UntilAsync(store => store.ReadyCount == 8);
        Assert.False(stop.IsCompleted);
        gate.SetResult();
        await stop.WaitAsync(Patience, Ending);

        Assert.Equal([0, 1], begun.Order());
        Assert.Equal([0, 1], _store.Completed.Order());
        Assert.Equal(Enumerable.Range(2, 8).Select(number => (number, 0)), _store.Ready);
        Assert.Equal(new QueueWorkerStats(2, 0, 0, 3, 0, 0, 0), worker.Stats);
    }

    [Fact]
    public async Task Past_the_drain_timeout_handlers_are_cancelled_and_their_messages_handed_back_uncounted()
    {
        var begun = NewSignal();
        var worker = await StartAsync(
            async (_, token) =>
            {
                begun.SetResult();
                await Until(token);
                token.ThrowIfCancellationRequested();
                return HandlingResult.Complete;
            },
            new QueueWorkerOptions { DrainTimeout = TimeSpan.FromSeconds(10) });
        _store.Send(1);
        await begun.Task.WaitAsync(Patience, Ending);

        // The drain's timer is set when the call returns; one step passes it, and no further time is needed.
        var stop = worker.StopAsync(Ending);
        _clock.Advance(TimeSpan.FromSeconds(10));
        await stop.WaitAsync(Patience, Ending);

        Assert.Equal([(0, 0)], _store.Ready);
        Assert.Equal(1, worker.Stats.Returned);
        Assert.DoesNotContain(_log.Entries, entry => entry.Id == 1034);
    }

    [Fact]
    public async Task A_handler_that_heeds_nothing_is_left_behind_and_its_message_handed_back()
    {
        var begun = NewSignal();
        var stuck = NewSignal();
        var worker = await StartAsync(
            async (_, _) =>
            {
                begun.SetResult();
                await stuck.Task;
                return HandlingResult.Complete;
            },
            new QueueWorkerOptions { DrainTimeout = TimeSpan.Zero, CancelTimeout = TimeSpan.FromSeconds(2) });
        _store.Send(1);
        await begun.Task.WaitAsync(Patience, Ending);

        var stop = worker.StopAsync(Ending);
        await ManualTime.AdvanceUntilAsync(_clock, () => stop.IsCompleted, Ending, within: TimeSpan.FromSeconds(2));
        await stop;

        Assert.Equal([(0, 0)], _store.Ready);
        Assert.Contains(_log.Entries, entry => entry.Id == 1034);
        Assert.True(worker.Completion.IsCompletedSuccessfully);
        stuck.SetResult();
    }

    [Fact]
    public async Task A_settlement_that_meets_a_transient_fault_is_repeated_and_the_message_handled_once()
    {
        var failures = 3;
        var handled = 0;
        _store.Before = call => call is StoreCall.Settle && Interlocked.Decrement(ref failures) >= 0
            ? Task.FromException(new BackendUnavailableException("cut"))
            : Task.CompletedTask;
        await using var worker = await StartAsync((_, _) =>
        {
            Interlocked.Increment(ref handled);
            return new(HandlingResult.Complete);
        });
        _store.Send(1);

        await ManualTime.AdvanceUntilAsync(_clock, () => _store.Completed.Count == 1, Ending, within: LongestPause);
        await worker.StopAsync(Ending);

        Assert.Equal(1, handled);
        Assert.Equal(new QueueWorkerStats(1, 0, 0, 0, 0, 0, 0), worker.Stats);
        Assert.Equal(3, _log.Entries.Count(entry => entry.Id == 1032));
    }

    [Fact]
    public async Task A_settlement_whose_answer_was_lost_is_no_lost_lease()
    {
        var settles = 0;
        _store.After = call => call is StoreCall.Settle && Interlocked.Increment(ref settles) == 1
            ? Task.FromException(new BackendUnavailableException("cut", mayHaveBeenApplied: true))
            : Task.CompletedTask;
        await using var worker = await StartAsync((_, _) => new(HandlingResult.Complete));
        _store.Send(1);

        await ManualTime.AdvanceUntilAsync(_clock, () => _store.SettleCalls.Length == 2, Ending, within: LongestPause);
        await worker.StopAsync(Ending);

        Assert.Equal(new QueueWorkerStats(1, 0, 0, 0, 0, 0, 0), worker.Stats);
    }

    [Fact]
    public async Task Settlements_end_when_the_store_stays_away_longer_than_the_lease()
    {
        _store.Before = call => call is StoreCall.Settle or StoreCall.Renew ? Task.FromException(new BackendUnavailableException("cut")) : Task.CompletedTask;
        await using var worker = await StartAsync((_, _) => new(HandlingResult.Complete), new QueueWorkerOptions { Concurrency = 1, Prefetch = 0 });
        _store.Send(1);

        // The renewal and the settling sleep, each for itself.
        await ManualTime.AdvanceUntilAsync(_clock, () => worker.Stats.LeaseLost == 1, Ending, timers: 2);
        Assert.Empty(_store.Completed);
    }

    [Fact]
    public async Task A_settlement_that_cannot_be_made_stops_the_worker_with_its_fault()
    {
        _store.Before = call => call is StoreCall.Settle ? Task.FromException(new StorageCorruptException("page 7 is torn")) : Task.CompletedTask;
        var worker = await StartAsync((_, _) => new(HandlingResult.Complete));
        _store.Send(1);

        await WhenAsync(() => worker.Completion.IsCompleted);

        await Assert.ThrowsAsync<StorageCorruptException>(() => worker.Completion);
        Assert.Contains(_log.Entries, entry => entry.Id == 1033);
    }

    [Fact]
    public async Task A_fault_of_leasing_stops_the_worker_after_its_handlers_have_finished()
    {
        var begun = NewSignal();
        var gate = NewSignal();
        await using var worker = await StartAsync(
            async (_, _) =>
            {
                begun.TrySetResult();
                await gate.Task;
                return HandlingResult.Complete;
            },
            new QueueWorkerOptions { Concurrency = 2, Prefetch = 0 });
        _store.Send(1);
        await begun.Task.WaitAsync(Patience, Ending);
        _store.Before = call => call is StoreCall.Lease ? Task.FromException(new StorageCorruptException("page 7 is torn")) : Task.CompletedTask;
        _store.After = call => call is StoreCall.Lease ? Task.FromException(new StorageCorruptException("page 7 is torn")) : Task.CompletedTask;
        _store.Send(1);
        await _log.WaitForAsync(1011, 1, Ending);
        Assert.False(worker.Completion.IsCompleted);

        gate.SetResult();
        await Assert.ThrowsAsync<StorageCorruptException>(() => worker.Completion.WaitAsync(Patience, Ending));
        Assert.Equal([0], _store.Completed);
        Assert.Equal([(1, 0)], _store.Ready);
    }

    [Fact]
    public async Task Starting_and_stopping_are_idempotent_and_a_stopped_worker_does_not_start_again()
    {
        var worker = new QueueWorker(_dispatchers, "q", (_, _) => new(HandlingResult.Complete));
        await Task.WhenAll(worker.StartAsync(Ending), worker.StartAsync(Ending));
        Assert.Equal(1, _store.OpenReceivers);
        await Task.WhenAll(worker.StopAsync(Ending), worker.StopAsync(Ending), worker.DisposeAsync().AsTask());
        Assert.Contains("'q'", Assert.Throws<InvalidOperationException>(() => { _ = worker.StartAsync(Ending); }).Message, StringComparison.Ordinal);

        var never = new QueueWorker(_dispatchers, "q", (_, _) => new(HandlingResult.Complete));
        await never.StopAsync(Ending);
        Assert.True(never.Completion.IsCompletedSuccessfully);
        Assert.Throws<InvalidOperationException>(() => { _ = never.StartAsync(Ending); });
    }

    [Fact]
    public async Task Starts_and_stops_from_many_threads_end_and_leave_nothing_open()
    {
        var seed = TestScale.Seed();
        for (var iteration = 0; iteration < 300; iteration++)
        {
            var random = new Random(seed + iteration);
            _store.Send(random.Next(4));
            var worker = new QueueWorker(_dispatchers, "q", (_, _) => new(HandlingResult.Complete), new QueueWorkerOptions { Concurrency = 2 });
            var calls = Enumerable.Range(0, 4).Select(_ => random.Next(3)).Select(step => Task.Run(async () =>
            {
                try
                {
                    await (step switch { 0 => worker.StartAsync(), 1 => worker.StopAsync(), _ => worker.DisposeAsync().AsTask() });
                }
                catch (InvalidOperationException)
                {
                    // A stop was first.
                }
            }));
            await Task.WhenAll(calls).WaitAsync(Patience, Ending);
            await worker.StopAsync(Ending).WaitAsync(Patience, Ending);
            Assert.True(worker.Completion.IsCompletedSuccessfully, $"seed {seed}, iteration {iteration}");
            Assert.True(_store.LeasedCount == 0 && _store.OpenReceivers == 0, $"seed {seed}, iteration {iteration}");
        }
    }

    [Fact]
    public void Options_out_of_range_are_refused_with_their_value()
    {
        Assert.Contains("Concurrency must be 1 to 100,000, not 0", Refused(new QueueWorkerOptions { Concurrency = 0 }), StringComparison.Ordinal);
        Refused(new QueueWorkerOptions { Prefetch = -1 });
        Refused(new QueueWorkerOptions { AttemptTimeout = TimeSpan.Zero });
        Refused(new QueueWorkerOptions { DrainTimeout = TimeSpan.FromSeconds(-5) });
        Refused(new QueueWorkerOptions { CancelTimeout = TimeSpan.FromSeconds(-5) });
        Refused(new QueueWorkerOptions { RetryPolicy = null! });
        Assert.Throws<InvalidNameException>(() => new QueueWorker(_dispatchers, "a!b", (_, _) => default));
    }

    private string Refused(QueueWorkerOptions options) =>
        Assert.Throws<MillraceConfigurationException>(() => new QueueWorker(_dispatchers, "q", (_, _) => default, options)).Message;

    private async Task<QueueWorker> StartAsync(Func<Delivery, CancellationToken, ValueTask<HandlingResult>> handler, QueueWorkerOptions? options = null)
    {
        var worker = new QueueWorker(_dispatchers, "q", handler, options);
        await worker.StartAsync(Ending).WaitAsync(Patience, Ending);
        return worker;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static async Task Until(CancellationToken token) =>
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    /// <summary>A worker's counters follow the store's changes on another thread, within a moment.</summary>
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
