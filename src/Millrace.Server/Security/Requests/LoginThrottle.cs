using System.Security.Cryptography;

namespace Millrace.Server.Security.Requests;

/// <summary>
/// How long a source must wait after failed logins: nothing at first, then a quarter of a second, doubled with each further failure, up to five seconds. A source is a
/// hash of whatever is counted, so that its size does not depend on what strangers send. Bounded: with a full table, the source that failed longest ago is forgotten.
/// Safe for concurrent use.
/// </summary>
/// <param name="freeFailures">How many failures cost nothing.</param>
/// <param name="timeProvider">The clock.</param>
/// <param name="maxSources">The size of the table.</param>
internal sealed class LoginThrottle(int freeFailures, TimeProvider timeProvider, int maxSources = 10_000)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(15);

    private readonly Lock _gate = new();
    private readonly Dictionary<UInt128, Entry> _entries = [];

    /// <summary>How many sources are remembered.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>How long a source must still wait; zero if it need not.</summary>
    public TimeSpan WaitOf(UInt128 source)
    {
        lock (_gate)
        {
            return _entries.TryGetValue(source, out var entry) ? RemainingLocked(entry) : TimeSpan.Zero;
        }
    }

    /// <summary>
    /// Counts a login as failed before it is tried, so that many at one time are not all free, unless the source must wait: then it returns how long, and counts nothing.
    /// </summary>
    public TimeSpan Begin(UInt128 source)
    {
        lock (_gate)
        {
            if (_entries.TryGetValue(source, out var entry) && RemainingLocked(entry) is var wait && wait > TimeSpan.Zero)
            {
                return wait;
            }

            CountLocked(source);
            return TimeSpan.Zero;
        }
    }

    /// <summary>Counts a failure.</summary>
    public void Fail(UInt128 source)
    {
        lock (_gate)
        {
            CountLocked(source);
        }
    }

    /// <summary>Confirms what <see cref="Begin"/> counted: the wait runs from now, and the same wrong password need not be checked again.</summary>
    public void Confirm(UInt128 source, byte[] wrongProof)
    {
        lock (_gate)
        {
            if (_entries.TryGetValue(source, out var entry))
            {
                entry.At = timeProvider.GetTimestamp();
                entry.WrongProof = wrongProof;
            }
        }
    }

    /// <summary>Whether this was the last wrong password of the source. A program that repeats an old password thereby costs neither time nor others their turn.</summary>
    public bool IsKnownWrong(UInt128 source, ReadOnlySpan<byte> proof)
    {
        lock (_gate)
        {
            return _entries.TryGetValue(source, out var entry) && entry.WrongProof is { } wrong && CryptographicOperations.FixedTimeEquals(wrong, proof);
        }
    }

    /// <summary>Forgets the failures of a source that has logged in; not the wrong password, which another program of it may go on to send.</summary>
    public void Succeed(UInt128 source)
    {
        lock (_gate)
        {
            if (!_entries.TryGetValue(source, out var entry))
            {
                return;
            }

            entry.Failures = 0;
            if (entry.WrongProof is null)
            {
                _entries.Remove(source);
            }
        }
    }

    private TimeSpan RemainingLocked(Entry entry)
    {
        var counted = entry.Failures - freeFailures;
        if (counted <= 0)
        {
            return TimeSpan.Zero;
        }

        // Beyond five doublings it is the longest in any case.
        var delay = FirstDelay * (1 << Math.Min(counted - 1, 5));
        var wait = (delay < LongestDelay ? delay : LongestDelay) - timeProvider.GetElapsedTime(entry.At);
        return wait > TimeSpan.Zero ? wait : TimeSpan.Zero;
    }

    private void CountLocked(UInt128 source)
    {
        if (!_entries.TryGetValue(source, out var entry) || timeProvider.GetElapsedTime(entry.At) > Memory)
        {
            if (entry is null && _entries.Count >= maxSources)
            {
                _entries.Remove(_entries.MinBy(static pair => pair.Value.At).Key);
            }

            _entries[source] = entry = new Entry();
        }

        entry.Failures++;
        entry.At = timeProvider.GetTimestamp();
    }

    private sealed class Entry
    {
        public int Failures { get; set; }

        public long At { get; set; }

        public byte[]? WrongProof { get; set; }
    }
}
