using System.Runtime.CompilerServices;
using Millrace.Sqlite.Waiting;
using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>A receiver: the leases that it took, and the wait for more.</summary>
internal sealed class SqliteReceiver : IQueueReceiver
{
    private readonly SqliteQueueStore _queues;
    private readonly SqliteStore _store;
    private readonly string _queue;
    private readonly ReceiverOptions _options;
    private readonly WaitList _signal;
    private readonly LeaseOperation _operation = new();
    private readonly CancellationTokenSource _disposing = new();
    private readonly SemaphoreSlim _leasing = new(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, OpenLease> _leases = [];
    private bool _isDisposed;

    public SqliteReceiver(SqliteQueueStore queues, string queue, ReceiverOptions options) =>
        (_queues, _store, _queue, _options, _signal) = (queues, queues.Store, queue, options, queues.Store.Signals.Open(queue));

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> LeaseAsync(Memory<Delivery> into, TimeSpan maxWait, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfZero(into.Length, nameof(into));
        if (maxWait < TimeSpan.Zero && maxWait != Timeout.InfiniteTimeSpan)
        {
            throw new ArgumentOutOfRangeException(nameof(maxWait), maxWait, "A wait is not negative; Timeout.InfiniteTimeSpan waits without end.");
        }

        ObjectDisposedException.ThrowIf(_isDisposed, this);
        _store.RequireUsable();
        if (!await _leasing.WaitAsync(0, CancellationToken.None).ConfigureAwait(false))
        {
            throw new InvalidOperationException("This receiver is leasing already: calls to LeaseAsync are made one at a time.");
        }

        try
        {
            if (maxWait != TimeSpan.Zero)
            {
                return await LeaseOrWaitAsync(into, maxWait, cancellationToken).ConfigureAwait(false);
            }

            // When more has expired or become due than one commit moves, what is ready stands behind it.
            int count;
            do
            {
                count = await LeaseNowAsync(into, cancellationToken).ConfigureAwait(false);
            }
            while (count == 0 && _operation.UntilNextEvent == TimeSpan.Zero);

            return count;
        }
        finally
        {
            _leasing.Release();
        }
    }

    public async ValueTask<IReadOnlyList<LeaseToken>> RenewAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        _store.RequireUsable();
        ulong[] leases;
        lock (_gate)
        {
            leases = [.. _leases.Keys];
        }

        if (leases.Length == 0)
        {
            return [];
        }

        // A renewal that a power cut loses ends a lease early, which is no more than a lost lease.
        var ended = await _store.Writer.RunAsync(
            ledger =>
            {
                var queue = ledger.TryOpen(_queue);
                return Array.FindAll(leases, lease => queue is null || !ledger.Settler.Renew(queue, (long)lease, _options.LeaseDuration));
            },
            cancellationToken,
            needsFlush: false).ConfigureAwait(false);
        return ended.Length == 0 ? [] : TakeLost(ended);
    }

    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
        }

        await _disposing.CancelAsync().ConfigureAwait(false);

        // A lease call that has reached the store ends first, so that what it took is given back too.
        await _leasing.WaitAsync().ConfigureAwait(false);
        ulong[] leases;
        lock (_gate)
        {
            leases = [.. _leases.Keys];
            _leases.Clear();
        }

        foreach (var lease in leases)
        {
            _queues.RemoveHolder(lease);
        }

        try
        {
            // Also with nothing to give back: a queue that is deleted when idle has been in use until now.
            await _store.Writer.RunAsync(ledger => GiveBack(ledger, leases), CancellationToken.None, needsFlush: false).ConfigureAwait(false);
        }
        catch (ObjectDisposedException)
        {
            // The store was disposed first, and gave back what its receivers held.
        }
        finally
        {
            _store.Signals.Close(_queue);
            _store.RemoveReceiver(_queue);
        }
    }

    /// <summary>A delivery of this receiver has been settled through this store, or found lost. One that was settled in another queue is refused there and still open here.</summary>
    public void MarkSettled(string queue, LeaseToken token)
    {
        if (queue != _queue)
        {
            return;
        }

        lock (_gate)
        {
            if (_leases.TryGetValue(token.High, out var lease) && lease.Close(token))
            {
                _leases.Remove(token.High);
                _queues.RemoveHolder(token.High);
            }
        }
    }

    private bool GiveBack(Ledger ledger, ulong[] leases)
    {
        if (ledger.TryOpen(_queue) is { } queue)
        {
            foreach (var lease in leases)
            {
                ledger.Settler.GiveBack(queue, (long)lease);
            }
        }

        return true;
    }

    private async ValueTask<int> LeaseOrWaitAsync(Memory<Delivery> into, TimeSpan maxWait, CancellationToken cancellationToken)
    {
        var timeProvider = _store.Clock.TimeProvider;
        var start = timeProvider.GetTimestamp();
        CancellationTokenSource? either = null;
        WaitList.Waiter? waiter = null;
        var hasWaited = false;
        var hasLooked = false;
        try
        {
            while (true)
            {
                // Joined before the look: what arrives in between is not missed.
                waiter = _signal.Join();
                hasLooked = false;
                var count = await LeaseNowAsync(into, cancellationToken).ConfigureAwait(false);
                hasLooked = true;
                var left = maxWait == Timeout.InfiniteTimeSpan ? maxWait : maxWait - timeProvider.GetElapsedTime(start);
                if (count > 0 || (left <= TimeSpan.Zero && left != Timeout.InfiniteTimeSpan))
                {
                    return count;
                }

                either ??= CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposing.Token);
                (hasWaited, hasLooked) = (true, false);
                await waiter.WaitAsync(Earlier(left, _operation.UntilNextEvent), timeProvider, either.Token).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                ObjectDisposedException.ThrowIf(_isDisposed, this);
                waiter.Dispose();
            }
        }
        finally
        {
            Leave(waiter, hasWaited, hasLooked);
            either?.Dispose();
        }
    }

    /// <summary>Ends a lease call's waiting. Whoever goes must not take along a wake that another could use, nor the only timer for what happens next.</summary>
    private void Leave(WaitList.Waiter? waiter, bool hasWaited, bool hasLooked)
    {
        waiter?.PassOn();
        if (!hasWaited)
        {
            return;
        }

        if (hasLooked)
        {
            _signal.WakeUnlessAwaited(_operation.UntilNextEvent, _store.Clock.TimeProvider);
        }
        else
        {
            // It was to look, or had the timer, and goes without a look.
            _signal.Wake(1);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> LeaseNowAsync(Memory<Delivery> into, CancellationToken cancellationToken)
    {
        _operation.Set(_queue, into, _store.OwnerId, _options);
        try
        {
            await _store.Writer.CommitAsync(_operation, cancellationToken).ConfigureAwait(false);
            if (_operation.Lease is { } lease)
            {
                lock (_gate)
                {
                    _leases[(ulong)lease.Id] = new OpenLease(lease.Entries);
                }

                _queues.AddHolder((ulong)lease.Id, this);
            }

            return _operation.Count;
        }
        finally
        {
            _operation.Clear();
        }
    }

    private List<LeaseToken> TakeLost(ulong[] ended)
    {
        var lost = new List<LeaseToken>();
        foreach (var id in ended)
        {
            _queues.RemoveHolder(id);
            lock (_gate)
            {
                if (_leases.Remove(id, out var lease))
                {
                    lease.AddOpenTokens(id, lost);
                }
            }
        }

        return lost;
    }

    private static TimeSpan Earlier(TimeSpan left, TimeSpan right) =>
        left == Timeout.InfiniteTimeSpan ? right : right == Timeout.InfiniteTimeSpan || left < right ? left : right;

    /// <summary>What this receiver knows of one of its leases: which deliveries are still open.</summary>
    private sealed class OpenLease(LeaseEntry[] entries)
    {
        private readonly byte[] _open = LeaseRow.AllOpen(entries.Length);
        private int _count = entries.Length;

        /// <summary>Marks one as settled.</summary>
        /// <returns>True when none is left.</returns>
        public bool Close(LeaseToken token)
        {
            var index = Settler.IndexOf(token);
            if (index < entries.Length && entries[index].Number == (long)(token.Low & ((1UL << 48) - 1)) && (_open[index >> 3] & (1 << (index & 7))) != 0)
            {
                _open[index >> 3] &= (byte)~(1 << (index & 7));
                _count--;
            }

            return _count == 0;
        }

        public void AddOpenTokens(ulong leaseId, List<LeaseToken> tokens)
        {
            for (var i = 0; i < entries.Length; i++)
            {
                if ((_open[i >> 3] & (1 << (i & 7))) != 0)
                {
                    tokens.Add(new LeaseToken(leaseId, ((ulong)i << 48) | (ulong)entries[i].Number));
                }
            }
        }
    }
}
