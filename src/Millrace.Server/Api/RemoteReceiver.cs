using Millrace.Storage;

namespace Millrace.Server.Api;

/// <summary>
/// A receiver that a client has open here. Its lease calls are numbered by the client: a repeated number gets the deliveries of the call that had it, for the answer to that one
/// was lost; a new one says that the answer before has arrived. Deliveries of a call whose client is gone are handed back at once. Safe for concurrent use.
/// </summary>
internal sealed class RemoteReceiver(string id, string owner, string queue, IQueueStore store, IQueueReceiver receiver, ReceiverOptions options, TimeProvider timeProvider)
    : IAsyncDisposable
{
    private readonly Lock _gate = new();

    // One lease call at a time, as the contract of receivers wants it.
    private readonly SemaphoreSlim _turn = new(1, 1);
    private CancellationTokenSource? _waiting;
    private Delivery[] _answer = [];
    private long _answeredCall;
    private long _waitingCall;
    private long _cancelledCall;
    private long _ownCalls;
    private long _lastUse = timeProvider.GetTimestamp();
    private int _running;
    private bool _hasLeased;
    private bool _isClosed;

    public string Id => id;

    /// <summary>The name of the user who opened it.</summary>
    public string Owner => owner;

    public string Queue => queue;

    public ReceiverOptions Options => options;

    /// <summary>Whether nobody has used it for so long; if it has leased anything, so long beyond its lease that every lease of it has ended.</summary>
    public bool IsIdle(TimeSpan idleTime)
    {
        var beyond = timeProvider.GetElapsedTime(Volatile.Read(ref _lastUse)) - idleTime;
        return Volatile.Read(ref _running) == 0 && beyond > TimeSpan.Zero && (!Volatile.Read(ref _hasLeased) || beyond > options.LeaseDuration);
    }

    /// <summary>The number of the next call, for a receiver whose calls the server numbers itself.</summary>
    public long NextCall() => Interlocked.Increment(ref _ownCalls);

    /// <summary>Leases for one numbered call.</summary>
    /// <returns>The deliveries; none when the wait has passed, was cancelled, or the receiver was closed meanwhile.</returns>
    public async Task<Delivery[]> LeaseAsync(long call, int max, TimeSpan wait, CancellationToken aborted, CancellationToken stopping)
    {
        Interlocked.Increment(ref _running);
        try
        {
            EndEarlierWait(call);
            await _turn.WaitAsync(aborted).ConfigureAwait(false);
            try
            {
                return await LeaseInTurnAsync(call, max, wait, aborted, stopping).ConfigureAwait(false);
            }
            finally
            {
                _turn.Release();
            }
        }
        finally
        {
            Volatile.Write(ref _lastUse, timeProvider.GetTimestamp());
            Interlocked.Decrement(ref _running);
        }
    }

    /// <summary>The answer of a call could not be written: its deliveries go back.</summary>
    public async Task HandBackAsync(long call)
    {
        await _turn.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            if (call == _answeredCall)
            {
                await HandBackInTurnAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Ends the wait of a call, also of one that has not come yet.</summary>
    public void Cancel(long call)
    {
        lock (_gate)
        {
            _cancelledCall = Math.Max(_cancelledCall, call);
            if (_waitingCall <= call)
            {
                EndWaitLocked();
            }
        }
    }

    public async ValueTask<IReadOnlyList<LeaseToken>> RenewAsync(CancellationToken cancellationToken)
    {
        Volatile.Write(ref _lastUse, timeProvider.GetTimestamp());
        return await receiver.RenewAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends a wait and hands back what is open.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _isClosed = true;
            EndWaitLocked();
        }

        await receiver.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<Delivery[]> LeaseInTurnAsync(long call, int max, TimeSpan wait, CancellationToken aborted, CancellationToken stopping)
    {
        if (call == _answeredCall && _answer.Length > 0)
        {
            return _answer;
        }

        if (call < _answeredCall)
        {
            return [];
        }

        _answer = [];
        _answeredCall = call;
        _answer = await LeaseCoreAsync(call, max, wait, aborted, stopping).ConfigureAwait(false);
        if (_answer.Length > 0 && !options.SettleOnLease)
        {
            Volatile.Write(ref _hasLeased, true);
        }

        if (aborted.IsCancellationRequested)
        {
            await HandBackInTurnAsync().ConfigureAwait(false);
        }

        return _answer;
    }

    private async Task<Delivery[]> LeaseCoreAsync(long call, int max, TimeSpan wait, CancellationToken aborted, CancellationToken stopping)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(aborted, stopping);
        lock (_gate)
        {
            if (_isClosed || call <= _cancelledCall)
            {
                return [];
            }

            _waiting = waiting;
            _waitingCall = call;
        }

        try
        {
            var into = new Delivery[max];
            var count = await receiver.LeaseAsync(into, wait, waiting.Token).ConfigureAwait(false);
            return count == max ? into : into[..count];
        }
        catch (Exception exception) when (exception is OperationCanceledException || (exception is ObjectDisposedException && Volatile.Read(ref _isClosed)))
        {
            return [];
        }
        finally
        {
            lock (_gate)
            {
                _waiting = null;
            }
        }
    }

    private void EndEarlierWait(long call)
    {
        lock (_gate)
        {
            // The connection of a call that is repeated is gone, or will be.
            if (_waitingCall <= call)
            {
                EndWaitLocked();
            }
        }
    }

    // On the pool, because the store's part of it must not run under the gate. It never fails.
    private void EndWaitLocked() => _ = _waiting?.CancelAsync();

    private async Task HandBackInTurnAsync()
    {
        var settlements = new List<Settlement>();
        foreach (var delivery in _answer)
        {
            if (delivery.Token != default)
            {
                settlements.Add(Settlement.Release(delivery.Token, countAttempt: false));
            }
        }

        _answer = [];
        if (settlements.Count > 0)
        {
            await store.SettleAsync(queue, settlements.ToArray(), default, CancellationToken.None).ConfigureAwait(false);
        }
    }
}
