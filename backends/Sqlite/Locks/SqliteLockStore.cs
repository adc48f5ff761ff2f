using Millrace.Sqlite.Engine;
using Millrace.Storage;

namespace Millrace.Sqlite.Locks;

/// <summary>Locks in the database file.</summary>
internal sealed class SqliteLockStore : ILockStore
{
    // Looking at some rows for every one that is added keeps the locks that were never released few, without one call that pays for all.
    private const int SweptPerAcquisition = 4;

    private readonly SqliteStore _store;

    public SqliteLockStore(SqliteStore store) => _store = store;

    public async ValueTask<LockGrant?> TryAcquireAsync(string name, string owner, TimeSpan leaseDuration, CancellationToken cancellationToken = default)
    {
        Require(name, owner, leaseDuration);
        _store.RequireUsable();
        return await _store.Writer.RunAsync(
            ledger =>
            {
                var held = FindHeld(_store.Locks, name, ledger.Monotonic);
                if (held is not null && held.Owner != owner)
                {
                    return null;
                }

                if (held is null)
                {
                    _store.Locks.Sweep(SweptPerAcquisition, row => IsHeld(row, ledger.Monotonic));
                }

                var fence = held?.Fence ?? ledger.Counters.NextFence();
                _store.Locks.Put(name, owner, fence, StoreClock.After(ledger.Monotonic, leaseDuration), _store.OwnerId);
                return new LockGrant(fence, leaseDuration);
            },
            cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask<bool> RenewAsync(string name, string owner, long fencingToken, TimeSpan leaseDuration, CancellationToken cancellationToken = default)
    {
        Require(name, owner, leaseDuration);
        _store.RequireUsable();
        return await _store.Writer.RunAsync(
            ledger =>
            {
                if (FindHeld(_store.Locks, name, ledger.Monotonic) is not { } held || held.Owner != owner || held.Fence != fencingToken)
                {
                    return false;
                }

                _store.Locks.Put(name, owner, fencingToken, StoreClock.After(ledger.Monotonic, leaseDuration), _store.OwnerId);
                return true;
            },
            cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask<bool> ReleaseAsync(string name, string owner, long fencingToken, CancellationToken cancellationToken = default)
    {
        Require(name, owner, TimeSpan.MaxValue);
        _store.RequireUsable();
        var released = await _store.Writer.RunAsync(
            ledger =>
            {
                if (FindHeld(_store.Locks, name, ledger.Monotonic) is not { } held || held.Owner != owner || held.Fence != fencingToken)
                {
                    return false;
                }

                _store.Locks.Delete(name);
                return true;
            },
            cancellationToken).ConfigureAwait(false);
        if (released)
        {
            _store.Signals.Locks.WakeAll();
        }

        return released;
    }

    public ValueTask<LockHolder?> InspectAsync(string name, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(name, "lock");
        cancellationToken.ThrowIfCancellationRequested();
        var now = _store.Clock.Monotonic;
        return new(_store.Reader.Read(tables => FindHeld(tables.Locks, name, now)) is { } held
            ? new LockHolder(held.Owner, held.Fence, TimeSpan.FromTicks(held.Deadline - now))
            : null);
    }

    public async ValueTask WaitForReleaseAsync(string name, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(name, "lock");
        while (true)
        {
            // Joined before the look: a release in between is not missed.
            using var waiter = _store.Signals.Locks.Join();
            if (await InspectAsync(name, cancellationToken).ConfigureAwait(false) is not { } holder)
            {
                return;
            }

            await waiter.WaitAsync(holder.Remaining, _store.Clock.TimeProvider, cancellationToken).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>
    /// The row of a lock whose lease has not ended. The deadline of a process with another monotonic clock cannot be compared: it holds while its process lives.
    /// </summary>
    private LockRow? FindHeld(LockTable locks, string name, long now) =>
        locks.Find(name) is { } row && IsHeld(row, now) ? row : null;

    private bool IsHeld(LockRow row, long now) => row.HolderDomain is { } domain && (row.Deadline > now || domain != _store.Clock.Domain);

    private static void Require(string name, string owner, TimeSpan leaseDuration)
    {
        ResourceName.Require(name, "lock");
        ArgumentNullException.ThrowIfNull(owner);
        if (owner.Length == 0 || System.Text.Encoding.UTF8.GetByteCount(owner) > ResourceName.MaxBytes || owner.Any(char.IsControl))
        {
            throw new InvalidNameException("lock owner", owner, $"it must have 1 to {ResourceName.MaxBytes} bytes of UTF-8 and no control characters");
        }

        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(leaseDuration, TimeSpan.Zero);
    }
}
