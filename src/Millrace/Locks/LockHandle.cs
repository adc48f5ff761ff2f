using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Locks;

/// <summary>A lock that is held. It renews itself every third of its lease until it is disposed, which gives it up, or lost, which cancels <see cref="Lost"/>. Safe for concurrent use.</summary>
public sealed class LockHandle : IAsyncDisposable
{
    private readonly LockHolding _holding;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger _logger;
    private readonly BackgroundLoop _renewal;
    private readonly Lazy<Task> _release;

    // Never disposed: it holds no timer, and those who watch it may outlive the handle.
    private readonly CancellationTokenSource _lost = new();
    private readonly long _leaseTicks;
    private long _basis;

    internal LockHandle(LockHolding holding, long basis, TimeProvider timeProvider, ILogger logger)
    {
        _holding = holding;
        _basis = basis;
        _timeProvider = timeProvider;
        _logger = logger;
        _leaseTicks = (long)(holding.LeaseDuration.TotalSeconds * timeProvider.TimestampFrequency);
        _release = new Lazy<Task>(() => Task.Run(ReleaseAsync));
        _renewal = new BackgroundLoop(
            $"renewal of lock '{holding.Name}'",
            RenewAsync,
            new BackgroundLoopOptions { RestartDelay = holding.LeaseDuration / 30, MaxRestartDelay = holding.LeaseDuration / 3, TimeProvider = timeProvider, Logger = logger });
        _renewal.Start();
    }

    /// <summary>The lock.</summary>
    public string Name => _holding.Name;

    /// <summary>Who holds it, as others see it.</summary>
    public string Owner => _holding.Owner;

    /// <summary>Greater than that of every earlier holder (law K2). Hand it to the resource that the lock protects.</summary>
    public long FencingToken => _holding.FencingToken;

    /// <summary>
    /// Cancelled when the lock is lost: the store refused to renew it, or could not be asked until the end of the lease, counted from before the last request that succeeded.
    /// Not cancelled by disposing the handle.
    /// </summary>
    public CancellationToken Lost => _lost.Token;

    /// <summary>Stops renewing and gives the lock up. Never fails: a fault of the store is logged, and the lock comes free when its lease ends. Safe to call again.</summary>
    public ValueTask DisposeAsync() => new(_release.Value);

    private async Task ReleaseAsync()
    {
        await _renewal.DisposeAsync().ConfigureAwait(false);
        try
        {
            // Also when it is lost as far as is known: the store may have granted a renewal whose answer was lost.
            await _holding.ReleaseAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            _logger.LockReleaseFailed(exception, Name, _holding.LeaseDuration);
        }
    }

    private async Task RenewAsync(LoopTokens tokens)
    {
        var interval = _holding.LeaseDuration / 3;
        var backoff = new Backoff(interval / 8, interval / 2);
        var delay = interval - _timeProvider.GetElapsedTime(_basis);
        while (!tokens.Draining.IsCancellationRequested)
        {
            await SleepAsync(Longer(delay, TimeSpan.Zero), tokens.Draining).ConfigureAwait(false);
            if (tokens.Draining.IsCancellationRequested)
            {
                return;
            }

            var basis = _timeProvider.GetTimestamp();
            var remaining = _timeProvider.GetElapsedTime(basis, _basis + _leaseTicks);
            var answer = remaining <= TimeSpan.Zero ? RenewalAnswer.Failed : await AskAsync(remaining, tokens.Draining).ConfigureAwait(false);
            switch (answer)
            {
                case RenewalAnswer.Renewed:
                    _basis = basis;
                    backoff.Reset();
                    delay = interval;
                    break;
                case RenewalAnswer.Failed when _timeProvider.GetElapsedTime(_timeProvider.GetTimestamp(), _basis + _leaseTicks) > TimeSpan.Zero:
                    // Not beyond the deadline: the loss is told when it happens.
                    var left = _timeProvider.GetElapsedTime(_timeProvider.GetTimestamp(), _basis + _leaseTicks);
                    delay = backoff.Next();
                    delay = delay < left ? delay : left;
                    break;
                default:
                    if (!tokens.Draining.IsCancellationRequested)
                    {
                        _logger.LockLost(Name, FencingToken, answer == RenewalAnswer.Refused);
                        await _lost.CancelAsync().ConfigureAwait(false);
                    }

                    return;
            }
        }
    }

    /// <summary>Asks the store once, and for no longer than the lease still runs.</summary>
    private async Task<RenewalAnswer> AskAsync(TimeSpan remaining, CancellationToken cancellationToken)
    {
        using var overdue = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var request = _holding.RenewAsync(overdue.Token).AsTask();
        try
        {
            // The wait is bounded on its own: a store that is stuck may not heed the token.
            return await request.WaitAsync(remaining, _timeProvider, cancellationToken).ConfigureAwait(false) ? RenewalAnswer.Renewed : RenewalAnswer.Refused;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return RenewalAnswer.Failed;
        }
        catch (Exception exception)
        {
            _logger.LockRenewalFailed(exception, Name);
            await overdue.CancelAsync().ConfigureAwait(false);
            _ = request.ContinueWith(
                static late => _ = late.Exception,
                CancellationToken.None,
                TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
            return RenewalAnswer.Failed;
        }
    }

    private async Task SleepAsync(TimeSpan delay, CancellationToken cancellationToken) =>
        await Task.Delay(TimeSpan.FromMilliseconds(Math.Ceiling(delay.TotalMilliseconds)), _timeProvider, cancellationToken)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private static TimeSpan Longer(TimeSpan left, TimeSpan right) => left > right ? left : right;

    private enum RenewalAnswer
    {
        Failed,
        Refused,
        Renewed,
    }
}

/// <summary>A grant of a lock, with the store that gave it.</summary>
internal sealed record LockHolding(ILockStore Store, string Name, string Owner, long FencingToken, TimeSpan LeaseDuration)
{
    public ValueTask<bool> RenewAsync(CancellationToken cancellationToken) => Store.RenewAsync(Name, Owner, FencingToken, LeaseDuration, cancellationToken);

    public ValueTask<bool> ReleaseAsync() => Store.ReleaseAsync(Name, Owner, FencingToken);
}
