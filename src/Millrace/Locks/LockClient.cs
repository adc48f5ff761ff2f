using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Locks;

/// <summary>
/// Takes locks that hold across processes. What it gives out renews itself and says when it is lost (law K4). Safe for concurrent use; owns nothing, so it is not disposed.
/// </summary>
/// <remarks>
/// A lock with a lease cannot keep a process that was suspended from going on after it lost it. Hand <see cref="LockHandle.FencingToken"/> to what the lock protects, and let that
/// refuse lower tokens than it has seen.
/// </remarks>
public sealed class LockClient
{
    private readonly ILockStore _store;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger _logger;

    /// <summary>A client of a store.</summary>
    /// <param name="store">The store; stays its owner's.</param>
    /// <param name="timeProvider">The clock of renewals and deadlines; the system's unless given.</param>
    /// <param name="loggerFactory">Where to log; nowhere unless given.</param>
    public LockClient(ILockStore store, TimeProvider? timeProvider = null, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        _store = store;
        _timeProvider = timeProvider ?? TimeProvider.System;
        _logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("Millrace.Locks");
    }

    /// <summary>Takes a lock, waiting for it until cancelled. Transient faults of the store are waited out as well.</summary>
    /// <param name="name">The lock; see <see cref="ResourceName"/>.</param>
    /// <param name="options">Defaults unless given.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="InvalidNameException">The name cannot be a lock's.</exception>
    public async ValueTask<LockHandle> AcquireAsync(string name, LockOptions? options = null, CancellationToken cancellationToken = default)
    {
        var handle = await TryAcquireAsync(name, Timeout.InfiniteTimeSpan, options, cancellationToken).ConfigureAwait(false);
        return handle ?? throw new InvalidOperationException("A wait without a limit ended without a lock.");
    }

    /// <summary>Takes a lock if it comes free in time.</summary>
    /// <param name="name">The lock; see <see cref="ResourceName"/>.</param>
    /// <param name="maxWait">How long to wait: zero for one try, <see cref="Timeout.InfiniteTimeSpan"/> until cancelled.</param>
    /// <param name="options">Defaults unless given.</param>
    /// <param name="cancellationToken">Ends the wait with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The lock, or null when somebody else held it the whole time.</returns>
    /// <exception cref="InvalidNameException">The name cannot be a lock's.</exception>
    /// <exception cref="BackendUnavailableException">The store could not be reached in the time given.</exception>
    public async ValueTask<LockHandle?> TryAcquireAsync(string name, TimeSpan maxWait, LockOptions? options = null, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(name, "lock");
        if (maxWait != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(maxWait, TimeSpan.Zero);
        }

        options ??= LockOptions.Default;
        options.Validate();
        var owner = options.Owner ?? $"{Environment.MachineName}/{Environment.ProcessId}/{Guid.NewGuid():N}";
        using var overdue = new CancellationTokenSource(maxWait, _timeProvider);
        using var wait = CancellationTokenSource.CreateLinkedTokenSource(overdue.Token, cancellationToken);
        var backoff = new Backoff(options.LeaseDuration / 30, options.LeaseDuration / 3);
        while (true)
        {
            try
            {
                var basis = _timeProvider.GetTimestamp();
                if (await _store.TryAcquireAsync(name, owner, options.LeaseDuration, cancellationToken).ConfigureAwait(false) is { } grant)
                {
                    return new LockHandle(new LockHolding(_store, name, owner, grant.FencingToken, options.LeaseDuration), basis, _timeProvider, _logger);
                }

                if (maxWait == TimeSpan.Zero || overdue.IsCancellationRequested)
                {
                    return null;
                }

                await _store.WaitForReleaseAsync(name, wait.Token).ConfigureAwait(false);
                backoff.Reset();
            }
            catch (OperationCanceledException) when (overdue.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                // One more try: the lock may have come free at the deadline. The loop then ends.
            }
            catch (MillraceException exception) when (exception.IsTransient && maxWait != TimeSpan.Zero && !overdue.IsCancellationRequested)
            {
                // The same owner asks again, so a grant whose answer was lost is found and not waited for.
                var delay = backoff.Next();
                _logger.LockAcquireRetries(exception, name, delay);
                await Task.Delay(delay, _timeProvider, wait.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }
}
