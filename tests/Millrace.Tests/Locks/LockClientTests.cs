using Millrace.Locks;
using Millrace.Storage;
using Millrace.Testing;
using Millrace.Tests.Hosting;
using Xunit;

namespace Millrace.Tests.Locks;

public sealed class LockClientTests : IDisposable
{
    private static readonly TimeSpan Patience = TestScale.Patience;
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);

    private readonly ManualTimeProvider _clock = new();
    private readonly RecordingLogger _log = new();
    private readonly ScriptedLockStore _store;
    private readonly LockClient _client;

    public LockClientTests()
    {
        _store = new ScriptedLockStore(_clock);
        _client = new LockClient(_store, _clock, _log);
    }

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    public void Dispose() => _log.Dispose();

    [Fact]
    public async Task K4_A_held_lock_renews_itself_every_third_of_its_lease()
    {
        await using var handle = await _client.AcquireAsync("nightly", cancellationToken: Ending);
        for (var renewal = 1; renewal <= 10; renewal++)
        {
            await TimerSetAsync();
            _clock.Advance(Lease / 3);
            await _store.UntilAsync(store => store.Renewals == renewal);
        }

        Assert.False(handle.Lost.IsCancellationRequested);
        Assert.Null(await _client.TryAcquireAsync("nightly", TimeSpan.Zero, cancellationToken: Ending));
    }

    [Fact]
    public async Task K4_A_refused_renewal_signals_the_loss()
    {
        await using var handle = await _client.AcquireAsync("nightly", cancellationToken: Ending);
        _store.Revoke("nightly");

        await TimerSetAsync();
        _clock.Advance(Lease / 3);
        await LostAsync(handle);

        Assert.Contains(_log.Entries, entry => entry.Id == 1052);
    }

    [Fact]
    public async Task K4_A_store_that_stays_away_signals_the_loss_at_the_holders_own_deadline()
    {
        var handle = await _client.AcquireAsync("nightly", cancellationToken: Ending);
        var start = _clock.GetTimestamp();
        _store.Before = call => call == "renew" ? Task.FromException(new BackendUnavailableException("cut")) : Task.CompletedTask;
        var lostAt = new TaskCompletionSource<TimeSpan>(TaskCreationOptions.RunContinuationsAsynchronously);
        handle.Lost.Register(() => lostAt.SetResult(_clock.GetElapsedTime(start)));

        await ManualTime.AdvanceUntilAsync(_clock, () => handle.Lost.IsCancellationRequested, Ending);

        Assert.InRange(await lostAt.Task.WaitAsync(Patience, Ending), Lease, Lease + TimeSpan.FromSeconds(1));
        Assert.True(_log.Entries.Count(entry => entry.Id == 1051) > 2, "it is tried more than once");
        await handle.DisposeAsync();
    }

    [Fact]
    public async Task K4_A_renewal_that_never_answers_does_not_hide_the_loss()
    {
        var stuck = new TaskCompletionSource();
        var handle = await _client.AcquireAsync("nightly", cancellationToken: Ending);
        _store.Before = call => call == "renew" ? stuck.Task : Task.CompletedTask;

        await ManualTime.AdvanceUntilAsync(_clock, () => handle.Lost.IsCancellationRequested, Ending);

        stuck.SetResult();
        await handle.DisposeAsync();
    }

    [Fact]
    public async Task K4_A_renewal_that_fails_and_then_succeeds_keeps_the_lock()
    {
        await using var handle = await _client.AcquireAsync("nightly", cancellationToken: Ending);
        var failures = 3;
        _store.Before = call => call == "renew" && Interlocked.Decrement(ref failures) >= 0 ? Task.FromException(new BackendUnavailableException("cut")) : Task.CompletedTask;

        await ManualTime.AdvanceUntilAsync(_clock, () => _store.Renewals == 1, Ending);

        Assert.False(handle.Lost.IsCancellationRequested);
        Assert.NotNull(await _store.InspectAsync("nightly", Ending));
    }

    [Fact(Timeout = 20_000)]
    public async Task Disposing_gives_the_lock_up_once_and_signals_no_loss()
    {
        var handle = await _client.AcquireAsync("nightly", cancellationToken: Ending);

        await Task.WhenAll(handle.DisposeAsync().AsTask(), handle.DisposeAsync().AsTask());

        Assert.Null(await _store.InspectAsync("nightly", Ending));
        Assert.False(handle.Lost.IsCancellationRequested);
        await handle.DisposeAsync();
        while (_clock.ActiveTimers > 0)
        {
            // Timers of waits that have ended are given back a moment later.
            Ending.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    [Fact]
    public async Task A_waiting_client_gets_the_lock_when_it_is_released_with_a_greater_fencing_token()
    {
        var first = await _client.AcquireAsync("nightly", cancellationToken: Ending);
        var waiting = _client.AcquireAsync("nightly", cancellationToken: Ending).AsTask();
        await _store.UntilAsync(store => store.Waits == 1);
        Assert.False(waiting.IsCompleted);

        await first.DisposeAsync();
        await using var second = await waiting.WaitAsync(Patience, Ending);

        Assert.True(second.FencingToken > first.FencingToken);
        Assert.NotEqual(first.Owner, second.Owner);
    }

    [Fact]
    public async Task A_wait_that_is_over_gives_null_and_a_cancelled_one_throws()
    {
        await using var holder = await _client.AcquireAsync("nightly", new LockOptions { LeaseDuration = TimeSpan.FromHours(1) }, Ending);
        Assert.Null(await _client.TryAcquireAsync("nightly", TimeSpan.Zero, cancellationToken: Ending));

        var waiting = _client.TryAcquireAsync("nightly", TimeSpan.FromSeconds(5), cancellationToken: Ending).AsTask();
        await _store.UntilAsync(store => store.Waits == 1);
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Null(await waiting.WaitAsync(Patience, Ending));

        using var cancel = new CancellationTokenSource();
        var cancelled = _client.AcquireAsync("nightly", cancellationToken: cancel.Token).AsTask();
        await _store.UntilAsync(store => store.Waits == 2);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled.WaitAsync(Patience, Ending));
    }

    [Fact]
    public async Task An_owner_who_asks_again_gets_the_same_grant()
    {
        var options = new LockOptions { Owner = "node-1" };
        await using var first = await _client.AcquireAsync("nightly", options, Ending);
        await using var again = await _client.AcquireAsync("nightly", options, Ending);

        Assert.Equal(first.FencingToken, again.FencingToken);
        Assert.Equal("node-1", (await _store.InspectAsync("nightly", Ending))!.Owner);
    }

    [Fact]
    public async Task A_grant_whose_answer_was_lost_is_found_by_its_owner()
    {
        var answers = 0;
        _store.After = call => call == "acquire" && Interlocked.Increment(ref answers) == 1
            ? Task.FromException(new BackendUnavailableException("cut", mayHaveBeenApplied: true))
            : Task.CompletedTask;

        var acquiring = _client.AcquireAsync("nightly", cancellationToken: Ending).AsTask();
        await ManualTime.AdvanceUntilAsync(_clock, () => acquiring.IsCompleted, Ending, within: Lease / 4);
        await using var handle = await acquiring;

        Assert.Equal(1, handle.FencingToken);
        Assert.Contains(_log.Entries, entry => entry.Id == 1050);
    }

    [Fact]
    public async Task A_release_that_fails_is_logged_and_does_not_throw()
    {
        var handle = await _client.AcquireAsync("nightly", cancellationToken: Ending);
        _store.Before = call => call == "release" ? Task.FromException(new BackendUnavailableException("cut")) : Task.CompletedTask;

        await handle.DisposeAsync();

        Assert.Contains(_log.Entries, entry => entry.Id == 1053);
    }

    [Fact]
    public async Task Without_a_wait_a_store_that_is_away_is_an_error()
    {
        _store.Before = _ => Task.FromException(new BackendUnavailableException("cut"));
        await Assert.ThrowsAsync<BackendUnavailableException>(() => _client.TryAcquireAsync("nightly", TimeSpan.Zero, cancellationToken: Ending).AsTask());
    }

    [Fact]
    public async Task K4_On_the_reference_store_one_holds_at_a_time_for_longer_than_a_lease_and_loses_it_when_it_cannot_renew()
    {
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync("memory:", new BackendContext { TimeProvider = _clock }, Ending);
        var client = new LockClient(backend.Require<ILockStore>(), _clock, _log);
        var first = await client.AcquireAsync("nightly", cancellationToken: Ending);
        var waiting = client.AcquireAsync("nightly", cancellationToken: Ending).AsTask();

        // The renewal of the holder and the store's own end of its lease.
        await ManualTime.AdvanceUntilAsync(_clock, () => _clock.GetElapsedTime(0) >= Lease * 4, Ending, timers: 2);
        Assert.False(waiting.IsCompleted);
        Assert.False(first.Lost.IsCancellationRequested);

        // Released behind the holder's back, as an operator might: the waiting one gets it, and the holder is told at its next renewal.
        await backend.Locks!.ReleaseAsync("nightly", first.Owner, first.FencingToken, Ending);
        await using var second = await waiting.WaitAsync(Patience, Ending);
        await ManualTime.AdvanceUntilAsync(_clock, () => first.Lost.IsCancellationRequested, Ending, timers: 3);

        Assert.True(second.FencingToken > first.FencingToken);
        await first.DisposeAsync();
        Assert.False(second.Lost.IsCancellationRequested);
        Assert.NotNull(await backend.Locks.InspectAsync("nightly", Ending));
    }

    [Fact]
    public async Task Bad_names_and_options_are_refused()
    {
        await Assert.ThrowsAsync<InvalidNameException>(() => _client.AcquireAsync("a!b", cancellationToken: Ending).AsTask());
        await Assert.ThrowsAsync<MillraceConfigurationException>(() => _client.AcquireAsync("a", new LockOptions { LeaseDuration = TimeSpan.FromMilliseconds(1) }, Ending).AsTask());
        await Assert.ThrowsAsync<MillraceConfigurationException>(() => _client.AcquireAsync("a", new LockOptions { Owner = "" }, Ending).AsTask());
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => _client.TryAcquireAsync("a", TimeSpan.FromSeconds(-3), cancellationToken: Ending).AsTask());
    }

    private Task TimerSetAsync() => ManualTime.TimersAsync(_clock, 1, Ending);

    private static async Task LostAsync(LockHandle handle)
    {
        await Task.Delay(Patience, TimeProvider.System, handle.Lost).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Assert.True(handle.Lost.IsCancellationRequested, "the loss is signalled");
    }
}
