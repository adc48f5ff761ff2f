using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Millrace.Locks;
using Millrace.Storage;

namespace Millrace.Scheduling.Limits;

/// <summary>How many runs there are at once, on all nodes: each holds one of as many locks. Safe for concurrent use.</summary>
internal sealed class ConcurrencyLimiter
{
    // Longer names would not fit into a lock's with the number of the slot.
    private const int MaxNameBytes = 150;

    // Of so many slots that other nodes hold the release is waited for; where there are more, all are tried again now and then.
    private const int MostAwaited = 8;

    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);

    // A node hears of its own releases first. So that others get their turn, it leaves a slot alone for a moment now and then.
    private static readonly TimeSpan GreedyFor = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Courtesy = TimeSpan.FromMilliseconds(25);

    private readonly LockClient _locks;
    private readonly ILockStore _store;
    private readonly TimeProvider _timeProvider;
    private readonly string _name;
    private readonly Lock _gate = new();
    private readonly bool[] _held;
    private int _heldCount;
    private long _courteousAt;
    private TaskCompletionSource _freed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="name">What is limited.</param>
    /// <param name="limit">How many run at once.</param>
    /// <param name="store">Where the slots are.</param>
    /// <param name="locks">Takes them.</param>
    /// <param name="timeProvider">The clock.</param>
    public ConcurrencyLimiter(string name, int limit, ILockStore store, LockClient locks, TimeProvider timeProvider)
    {
        (_store, _locks, _timeProvider) = (store, locks, timeProvider);
        _courteousAt = timeProvider.GetTimestamp();
        _held = new bool[limit];
        _name = Encoding.UTF8.GetByteCount(name) <= MaxNameBytes ? name : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..32];
    }

    /// <summary>Ends when a slot that is held here is given up from now on.</summary>
    public Task Freed
    {
        get
        {
            lock (_gate)
            {
                return _freed.Task;
            }
        }
    }

    /// <summary>Takes a slot if one is free.</summary>
    public async ValueTask<ConcurrencySlot?> TryEnterAsync(CancellationToken cancellationToken)
    {
        var first = Random.Shared.Next(_held.Length);
        for (var i = 0; i < _held.Length; i++)
        {
            var index = (first + i) % _held.Length;
            if (!TryReserve(index))
            {
                continue;
            }

            LockHandle? handle = null;
            try
            {
                handle = await _locks.TryAcquireAsync(NameOf(index), TimeSpan.Zero, options: null, cancellationToken).ConfigureAwait(false);
                if (handle is not null)
                {
                    return new ConcurrencySlot(this, index, handle);
                }
            }
            finally
            {
                if (handle is null)
                {
                    Free(index);
                }
            }
        }

        return null;
    }

    /// <summary>Waits until a slot may have become free.</summary>
    /// <param name="freed">Ends with the first one that was given up here since all were tried.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async Task WhenFreeAsync(Task freed, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        List<Task> waits = [freed.WaitAsync(ending.Token)];
        var elsewhere = HeldElsewhere(out var isAll);
        foreach (var index in elsewhere)
        {
            waits.Add(_store.WaitForReleaseAsync(NameOf(index), ending.Token).AsTask());
        }

        if (!isAll)
        {
            waits.Add(Task.Delay(LookAgain, _timeProvider, ending.Token));
        }

        var first = await Task.WhenAny(waits).ConfigureAwait(false);
        await ending.CancelAsync().ConfigureAwait(false);
        foreach (var wait in waits)
        {
            await wait.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        cancellationToken.ThrowIfCancellationRequested();
        await first.ConfigureAwait(false);
    }

    public async ValueTask LeaveAsync(int index, LockHandle handle)
    {
        await handle.DisposeAsync().ConfigureAwait(false);
        bool isCourteous;
        lock (_gate)
        {
            isCourteous = _timeProvider.GetElapsedTime(_courteousAt) > GreedyFor;
            if (isCourteous)
            {
                _courteousAt = _timeProvider.GetTimestamp();
            }
        }

        Free(index);
        if (isCourteous)
        {
            _ = TellLaterAsync();
        }
        else
        {
            Tell();
        }
    }

    private async Task TellLaterAsync()
    {
        await Task.Delay(Courtesy, _timeProvider).ConfigureAwait(false);
        Tell();
    }

    private void Tell()
    {
        TaskCompletionSource freed;
        lock (_gate)
        {
            freed = _freed;
            _freed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        freed.SetResult();
    }

    /// <summary>Slots that are not held here, up to a number.</summary>
    private List<int> HeldElsewhere(out bool isAll)
    {
        var elsewhere = new List<int>();
        lock (_gate)
        {
            var first = Random.Shared.Next(_held.Length);
            for (var i = 0; i < _held.Length && elsewhere.Count < MostAwaited; i++)
            {
                var index = (first + i) % _held.Length;
                if (!_held[index])
                {
                    elsewhere.Add(index);
                }
            }

            isAll = elsewhere.Count == _held.Length - _heldCount;
        }

        return elsewhere;
    }

    // A lock's name cannot have the sign that sets Millrace's own documents apart.
    private string NameOf(int index) => string.Create(CultureInfo.InvariantCulture, $"millrace/slot/{_name}/{index}");

    private bool TryReserve(int index)
    {
        lock (_gate)
        {
            if (_held[index] || _heldCount == _held.Length)
            {
                return false;
            }

            _heldCount++;
            return _held[index] = true;
        }
    }

    private void Free(int index)
    {
        lock (_gate)
        {
            _held[index] = false;
            _heldCount--;
        }
    }
}

/// <summary>A slot that a run holds; disposing gives it up.</summary>
internal sealed class ConcurrencySlot(ConcurrencyLimiter limiter, int index, LockHandle handle) : IAsyncDisposable
{
    public CancellationToken Lost => handle.Lost;

    public ValueTask DisposeAsync() => limiter.LeaveAsync(index, handle);
}
