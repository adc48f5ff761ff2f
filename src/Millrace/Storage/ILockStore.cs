namespace Millrace.Storage;

/// <summary>
/// A store of locks: leases by name with a fencing token (laws K1–K3, K5). Renewal and loss by <c>CancellationToken</c> (K4) are built on it in core.
/// Safe for concurrent use. Names follow <see cref="ResourceName"/>; owners are 1 to 200 bytes of UTF-8 without control characters.
/// </summary>
public interface ILockStore
{
    /// <summary>
    /// Takes the lock if nobody else holds it. Idempotent per owner: a holder that asks again gets its grant with the same fencing token, prolonged to
    /// <paramref name="leaseDuration"/> from now.
    /// </summary>
    /// <returns>The grant, or null when another owner holds the lock.</returns>
    ValueTask<LockGrant?> TryAcquireAsync(string name, string owner, TimeSpan leaseDuration, CancellationToken cancellationToken = default);

    /// <summary>Prolongs a grant to <paramref name="leaseDuration"/> from now.</summary>
    /// <returns>False when the grant had ended: the lock is lost.</returns>
    ValueTask<bool> RenewAsync(string name, string owner, long fencingToken, TimeSpan leaseDuration, CancellationToken cancellationToken = default);

    /// <summary>Gives the lock up.</summary>
    /// <returns>False when the grant had already ended.</returns>
    ValueTask<bool> ReleaseAsync(string name, string owner, long fencingToken, CancellationToken cancellationToken = default);

    /// <summary>Who holds the lock; null when nobody does.</summary>
    ValueTask<LockHolder?> InspectAsync(string name, CancellationToken cancellationToken = default);

    /// <summary>Returns when the lock is, or may have become, free: after a release at once where the backend can notify, after an expiry in time. The caller then tries again.</summary>
    ValueTask WaitForReleaseAsync(string name, CancellationToken cancellationToken = default);
}

/// <summary>A granted lock.</summary>
/// <param name="FencingToken">Greater than that of every earlier grant of this name (K2). Hand it to the resource that the lock protects.</param>
/// <param name="LeaseDuration">How long the grant holds without renewal. The holder counts from before its request.</param>
public sealed record LockGrant(long FencingToken, TimeSpan LeaseDuration);

/// <summary>The holder of a lock, as others see it.</summary>
/// <param name="Owner">The owner.</param>
/// <param name="FencingToken">Its fencing token.</param>
/// <param name="Remaining">How long its lease still runs.</param>
public sealed record LockHolder(string Owner, long FencingToken, TimeSpan Remaining);
