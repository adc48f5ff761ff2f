using System.Diagnostics;

namespace Millrace.Storage.Engine;

/// <summary>The locks of one backend in this process (laws K1–K3, K5).</summary>
internal sealed class LockEngine(MonotonicClock clock, TimerHeap timers, IEngineJournal? journal = null) : ILockStore, IDisposable
{
    private const int ChangeBytes = 64;

    // Tokens are set aside for an hour of a clock that counts in microseconds, so that a grant needs a flush once an hour.
    private const long TokensSetAside = 3_600_000_000;

    private readonly Lock _gate = new();

    // Only locks that are held: a name needs no memory beyond that, since fencing tokens rise over all names.
    private readonly Dictionary<string, HeldLock> _held = new(StringComparer.Ordinal);
    private readonly ChangeWriter _changes = new(serial: 0);
    private long _lastToken;

    // Up to this one, the journal has tokens as granted, where it ends at the position.
    private long _setAsideTo;
    private long _setAsideEnd;
    private bool _isDisposed;

    public ValueTask<LockGrant?> TryAcquireAsync(string name, string owner, TimeSpan leaseDuration, CancellationToken cancellationToken = default)
    {
        RequireLease(leaseDuration);
        if (Refuse(name, owner, cancellationToken) is { } refusal)
        {
            return new ValueTask<LockGrant?>(Task.FromException<LockGrant?>(refusal));
        }

        LockGrant? grant = null;
        HeldLock? ended;
        JournalRoom room;
        try
        {
            room = journal?.Reserve(ChangeBytes, isEssential: true) ?? default;
        }
        catch (MillraceException exception)
        {
            return ValueTask.FromException<LockGrant?>(exception);
        }

        long journalEnd;
        lock (_gate)
        {
            var now = FindLocked(name, out var held, out ended);
            if (held is null)
            {
                // At least the microseconds of the wall clock, so that tokens also rise over the restarts of a process that keeps nothing (K2).
                var token = Math.Max(_lastToken + 1, (clock.UtcNow - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond);
                SetAsideLocked(token, room);
                _lastToken = token;
                _held.Add(name, held = new HeldLock(this, name, owner, token));
            }
            else
            {
                journal?.Release(room);
            }

            journalEnd = _setAsideEnd;
            if (string.Equals(held.Owner, owner, StringComparison.Ordinal))
            {
                ProlongLocked(held, now, leaseDuration);
                grant = new LockGrant(held.FencingToken, leaseDuration);
            }
        }

        ended?.Free();
        return journal is null || journal.IsDurable(journalEnd) ? new ValueTask<LockGrant?>(grant) : EndAsync(journal, journalEnd, grant);
    }

    /// <summary>No token up to this one is granted any more, because it may have been.</summary>
    public void LoadToken(long token)
    {
        lock (_gate)
        {
            _lastToken = _setAsideTo = Math.Max(_lastToken, token);
        }
    }

    public ValueTask<bool> RenewAsync(string name, string owner, long fencingToken, TimeSpan leaseDuration, CancellationToken cancellationToken = default)
    {
        RequireLease(leaseDuration);
        if (Refuse(name, owner, cancellationToken) is { } refusal)
        {
            return new ValueTask<bool>(Task.FromException<bool>(refusal));
        }

        bool isHolder;
        HeldLock? ended;
        lock (_gate)
        {
            var now = FindLocked(name, out var held, out ended);
            isHolder = held is not null && held.IsOf(owner, fencingToken);
            if (isHolder)
            {
                ProlongLocked(held!, now, leaseDuration);
            }
        }

        ended?.Free();
        return new ValueTask<bool>(isHolder);
    }

    public ValueTask<bool> ReleaseAsync(string name, string owner, long fencingToken, CancellationToken cancellationToken = default)
    {
        if (Refuse(name, owner, cancellationToken) is { } refusal)
        {
            return new ValueTask<bool>(Task.FromException<bool>(refusal));
        }

        bool isHolder;
        HeldLock? ended;
        lock (_gate)
        {
            FindLocked(name, out var held, out ended);
            isHolder = held is not null && held.IsOf(owner, fencingToken);
            if (isHolder)
            {
                Debug.Assert(ended is null, "A lock is held or has ended.");
                ended = held;
                EndLocked(held!);
            }
        }

        ended?.Free();
        return new ValueTask<bool>(isHolder);
    }

    public ValueTask<LockHolder?> InspectAsync(string name, CancellationToken cancellationToken = default)
    {
        if (Refuse(name, null, cancellationToken) is { } refusal)
        {
            return new ValueTask<LockHolder?>(Task.FromException<LockHolder?>(refusal));
        }

        LockHolder? holder;
        HeldLock? ended;
        lock (_gate)
        {
            var now = FindLocked(name, out var held, out ended);
            holder = held is null ? null : new LockHolder(held.Owner, held.FencingToken, TimeSpan.FromTicks(held.EndsAt - now));
        }

        ended?.Free();
        return new ValueTask<LockHolder?>(holder);
    }

    public async ValueTask WaitForReleaseAsync(string name, CancellationToken cancellationToken = default)
    {
        if (Refuse(name, null, cancellationToken) is { } refusal)
        {
            throw refusal;
        }

        Task? freed;
        HeldLock? ended;
        lock (_gate)
        {
            FindLocked(name, out var held, out ended);
            freed = held?.WhenFreedLocked();
        }

        ended?.Free();
        if (freed is not null)
        {
            await freed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        HeldLock[] held;
        lock (_gate)
        {
            _isDisposed = true;
            held = [.. _held.Values];
            _held.Clear();
        }

        foreach (var ended in held)
        {
            timers.Cancel(ended);
            ended.Fail(new ObjectDisposedException(nameof(ILockStore), $"The lock store was disposed while somebody waited for '{ended.Name}'."));
        }
    }

    private static void RequireLease(TimeSpan leaseDuration) => ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(leaseDuration, TimeSpan.Zero);

    private Exception? Refuse(string name, string? owner, CancellationToken cancellationToken)
    {
        try
        {
            ResourceName.Require(name, "lock");
            if (owner is not null)
            {
                ResourceName.RequireLockOwner(owner);
            }

            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return cancellationToken.IsCancellationRequested ? new OperationCanceledException(cancellationToken) : null;
        }
        catch (InvalidNameException exception)
        {
            return exception;
        }
    }

    /// <summary>Writes down up to where tokens may have been granted, for a checkpoint.</summary>
    public void WriteCheckpoint(Action<ChangeWriter> write)
    {
        long token;
        lock (_gate)
        {
            token = _setAsideTo;
        }

        write(new ChangeWriter(serial: 0).Kind(ChangeKind.LockToken).Number(token));
    }

    private static async ValueTask<LockGrant?> EndAsync(IEngineJournal journal, long journalEnd, LockGrant? grant)
    {
        await journal.FlushAsync(journalEnd).ConfigureAwait(false);
        return grant;
    }

    /// <summary>Sees to it that a token counts as granted after a crash, whatever that loses and whatever the clock says then.</summary>
    private void SetAsideLocked(long token, JournalRoom room)
    {
        if (journal is null)
        {
            return;
        }

        if (token <= _setAsideTo)
        {
            journal.Release(room);
            return;
        }

        _changes.Clear();
        var frame = _changes.Kind(ChangeKind.LockToken).Number(token + TokensSetAside).Frame(DateTimeOffset.UnixEpoch);
        _setAsideEnd = journal.Append(room, frame) + frame.Length;
        _setAsideTo = token + TokensSetAside;
    }

    /// <summary>The lock if it is held; one whose lease has ended is taken out, and to be freed outside the gate.</summary>
    /// <returns>The time now.</returns>
    private long FindLocked(string name, out HeldLock? held, out HeldLock? ended)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var now = clock.Now;
        ended = null;
        if (_held.TryGetValue(name, out held) && held.EndsAt <= now)
        {
            ended = held;
            EndLocked(held);
            held = null;
        }

        return now;
    }

    private void ProlongLocked(HeldLock held, long now, TimeSpan leaseDuration)
    {
        held.EndsAt = MonotonicClock.Add(now, leaseDuration);
        timers.Schedule(held, held.EndsAt);
    }

    private void EndLocked(HeldLock held)
    {
        _held.Remove(held.Name);
        timers.Cancel(held);
    }

    private void EndIfDue(HeldLock held)
    {
        lock (_gate)
        {
            // Released, or renewed in the last moment.
            if (!_held.TryGetValue(held.Name, out var current) || !ReferenceEquals(current, held) || held.EndsAt > clock.Now)
            {
                return;
            }

            EndLocked(held);
        }

        held.Free();
    }

    private sealed class HeldLock(LockEngine store, string name, string owner, long fencingToken) : TimerHeapEntry
    {
        private TaskCompletionSource? _freed;

        public string Name { get; } = name;

        public string Owner { get; } = owner;

        public long FencingToken { get; } = fencingToken;

        public long EndsAt { get; set; }

        public bool IsOf(string owner, long fencingToken) => FencingToken == fencingToken && string.Equals(Owner, owner, StringComparison.Ordinal);

        public Task WhenFreedLocked() => (_freed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

        /// <summary>Wakes those who wait. Nobody joins them any more: the lock is out of the store.</summary>
        public void Free() => _freed?.TrySetResult();

        public void Fail(Exception exception) => _freed?.TrySetException(exception);

        protected internal override void OnDue() => store.EndIfDue(this);
    }
}
