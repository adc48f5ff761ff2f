using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>
/// One receiver of a lane with the renewal of its leases: every third of the lease in one operation, repeated after a fault until the leases' own deadline, past which
/// they count as lost. Safe for concurrent use.
/// </summary>
internal sealed class ReceiverSession : IAsyncDisposable
{
    private readonly DispatchLane _lane;
    private readonly BackgroundLoop _renewal;
    private readonly Lazy<Task> _closing;
    private readonly TimeSpan _interval;
    private readonly long _leaseTicks;
    private readonly long _intervalTicks;

    public ReceiverSession(DispatchLane lane, IQueueReceiver receiver)
    {
        _lane = lane;
        Receiver = receiver;
        _interval = lane.Options.LeaseDuration / 3;
        _leaseTicks = lane.ToTicks(lane.Options.LeaseDuration);
        _intervalTicks = lane.ToTicks(_interval);
        _closing = new Lazy<Task>(() => Task.Run(CloseOnceAsync));
        _renewal = new BackgroundLoop(
            $"renewal of leases of queue '{lane.Queue}'",
            RunAsync,
            new BackgroundLoopOptions { TimeProvider = lane.TimeProvider, Logger = lane.Logger, RestartDelay = _interval / 8, MaxRestartDelay = _interval });
        if (!lane.SettleOnLease)
        {
            _renewal.Start();
        }
    }

    public IQueueReceiver Receiver { get; }

    /// <summary>Its deliveries that are neither settled nor lost. Guarded by the ledger's gate.</summary>
    public int OpenCount { get; set; }

    /// <summary>Ends the renewal and disposes the receiver, which returns what is still open, in order. Never throws; a fault is logged.</summary>
    public ValueTask DisposeAsync() => new(_closing.Value);

    private async Task CloseOnceAsync()
    {
        await _renewal.DisposeAsync().ConfigureAwait(false);
        try
        {
            await Receiver.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            // Nobody renews its leases any more, so whatever it could not return comes back when they end.
            _lane.Logger.ReceiverCloseFailed(exception, _lane.Queue);
        }
    }

    private async Task RunAsync(LoopTokens tokens)
    {
        // Of an interval, an eighth: a fault in the first renewal leaves about ten tries before the deadline.
        var backoff = new Backoff(_interval / 8, _interval / 2);
        var clock = _lane.TimeProvider;
        var next = clock.GetTimestamp() + _intervalTicks;
        Task<bool>? renewal = null;
        while (!tokens.Draining.IsCancellationRequested)
        {
            await PauseAsync(renewal, next, tokens.Draining).ConfigureAwait(false);
            if (renewal is { IsCompleted: true })
            {
                var renewed = await renewal.ConfigureAwait(false);
                renewal = null;
                if (!renewed)
                {
                    next = clock.GetTimestamp() + _lane.ToTicks(backoff.Next());
                }
                else
                {
                    backoff.Reset();
                }
            }

            var now = clock.GetTimestamp();
            _lane.ExpireLeases(this, now - _leaseTicks);
            if (renewal is null && now >= next && !tokens.Draining.IsCancellationRequested)
            {
                next = now + _intervalTicks;
                renewal = RenewAsync(now, tokens.Draining);
            }
        }

        if (renewal is not null)
        {
            await renewal.ConfigureAwait(false);
        }
    }

    /// <summary>Sleeps until something is due: the next renewal, the end of the one that runs, or the deadline of the oldest lease.</summary>
    private async Task PauseAsync(Task? renewal, long next, CancellationToken stop)
    {
        // Never longer than an interval: a lease that begins meanwhile has its deadline later than that.
        var now = _lane.TimeProvider.GetTimestamp();
        var wakeAt = renewal is null ? Math.Min(next, now + _intervalTicks) : now + _intervalTicks;
        if (_lane.Ledger.OldestBasis(this) is { } oldest)
        {
            wakeAt = Math.Min(wakeAt, oldest + _leaseTicks);
        }

        if (renewal is { IsCompleted: true })
        {
            return;
        }

        // Timers count whole milliseconds and may round down: at least one, or the loop would spin through the last.
        var delay = TimeSpan.FromMilliseconds(Math.Max(1, Math.Ceiling(_lane.TimeProvider.GetElapsedTime(now, wakeAt).TotalMilliseconds)));
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var sleep = Task.Delay(delay, _lane.TimeProvider, enough.Token);
        await Task.WhenAny(sleep, renewal ?? sleep).ConfigureAwait(false);
        await enough.CancelAsync().ConfigureAwait(false);
    }

    private async Task<bool> RenewAsync(long basis, CancellationToken cancellationToken)
    {
        var upTo = _lane.Ledger.BeginRenewal(this);
        if (upTo == 0)
        {
            return true;
        }

        try
        {
            var refused = await Receiver.RenewAsync(cancellationToken).ConfigureAwait(false);
            _lane.Renewed(this, upTo, basis, refused);
            return true;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return true;
        }
        catch (Exception exception)
        {
            _lane.Logger.RenewalFailed(exception, _lane.Queue);
            return false;
        }
    }
}
