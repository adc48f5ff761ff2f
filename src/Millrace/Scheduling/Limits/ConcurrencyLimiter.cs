using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Millrace.Locks;

namespace Millrace.Scheduling.Limits;

/// <summary>
/// How many runs there are at once, on all nodes: each holds one of as many locks. Who gets none is told to come again after about the time in which those before it will have run.
/// Safe for concurrent use.
/// </summary>
internal sealed class ConcurrencyLimiter
{
    // Longer names would not fit into a lock's with the number of the slot.
    private const int MaxNameBytes = 150;

    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(1);

    // After a look at all slots the next ones are refused without another look for so long.
    private static readonly TimeSpan FullFor = TimeSpan.FromMilliseconds(10);

    private readonly LockClient _locks;
    private readonly TimeProvider _timeProvider;
    private readonly string _name;
    private readonly Lock _gate = new();
    private readonly bool[] _held;
    private int _heldCount;
    private long _fullAt;
    private bool _isFull;
    private long _refusedAt;
    private int _refused;
    private double _meanMilliseconds = 100;

    /// <param name="name">What is limited.</param>
    /// <param name="limit">How many run at once.</param>
    /// <param name="locks">Where the slots are.</param>
    /// <param name="timeProvider">The clock.</param>
    public ConcurrencyLimiter(string name, int limit, LockClient locks, TimeProvider timeProvider)
    {
        (_locks, _timeProvider) = (locks, timeProvider);
        _held = new bool[limit];
        _name = Encoding.UTF8.GetByteCount(name) <= MaxNameBytes ? name : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..32];
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
                if (IsFull)
                {
                    return null;
                }

                handle = await _locks.TryAcquireAsync(NameOf(index), TimeSpan.Zero, options: null, cancellationToken).ConfigureAwait(false);
                if (handle is not null)
                {
                    return new ConcurrencySlot(this, index, handle, _timeProvider.GetTimestamp());
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

        lock (_gate)
        {
            _isFull = true;
            _fullAt = _timeProvider.GetTimestamp();
        }

        return null;
    }

    /// <summary>When one who got no slot is to come again.</summary>
    public TimeSpan Wait()
    {
        lock (_gate)
        {
            // How many have been refused lately is about how many wait.
            if (_timeProvider.GetElapsedTime(_refusedAt) > LongestWait)
            {
                _refusedAt = _timeProvider.GetTimestamp();
                _refused = 0;
            }

            _refused++;
            var expected = TimeSpan.FromMilliseconds(Math.Min(_meanMilliseconds * _refused / _held.Length, LongestWait.TotalMilliseconds));
            var wait = expected * (0.5 + (Random.Shared.NextDouble() / 2));
            return wait < ShortestWait ? ShortestWait : wait;
        }
    }

    public async ValueTask LeaveAsync(int index, LockHandle handle, TimeSpan duration)
    {
        await handle.DisposeAsync().ConfigureAwait(false);
        lock (_gate)
        {
            _meanMilliseconds = (_meanMilliseconds * 0.9) + (duration.TotalMilliseconds * 0.1);
            _isFull = false;
        }

        Free(index);
    }

    public TimeSpan Since(long startedAt) => _timeProvider.GetElapsedTime(startedAt);

    private bool IsFull
    {
        get
        {
            lock (_gate)
            {
                return _isFull && _timeProvider.GetElapsedTime(_fullAt) < FullFor;
            }
        }
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
internal sealed class ConcurrencySlot(ConcurrencyLimiter limiter, int index, LockHandle handle, long startedAt) : IAsyncDisposable
{
    public CancellationToken Lost => handle.Lost;

    public ValueTask DisposeAsync() => limiter.LeaveAsync(index, handle, limiter.Since(startedAt));
}
