namespace Millrace.Hosting;

/// <summary>
/// A time that ends a wait for an <see cref="AsyncSignal"/>. Timers of the system count in milliseconds of a coarser clock than timestamps and may fire early: the loop that waits
/// looks at the clock again, and arms anew for what is left. Of one waiting loop; not safe for concurrent use.
/// </summary>
internal sealed class WakingDeadline(TimeProvider clock, long startedAt, TimeSpan timeout, AsyncSignal wake) : IDisposable
{
    private ITimer? _timer;
    private volatile bool _isArmed;

    /// <summary>Whether the time is over; never with an infinite one.</summary>
    public bool IsOver => timeout != Timeout.InfiniteTimeSpan && clock.GetElapsedTime(startedAt) >= timeout;

    /// <summary>Makes sure that the signal is set when the time is over. Before each wait.</summary>
    /// <returns>False when it is over: then there is nothing to wait for.</returns>
    public bool Arm()
    {
        if (timeout == Timeout.InfiniteTimeSpan)
        {
            return true;
        }

        if (!_isArmed && !IsOver)
        {
            _isArmed = true;
            _timer ??= clock.CreateTimer(static deadline => ((WakingDeadline)deadline!).Fire(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            var left = Math.Ceiling((timeout - clock.GetElapsedTime(startedAt)).TotalMilliseconds);
            _timer.Change(TimeSpan.FromMilliseconds(Math.Max(0, left)), Timeout.InfiniteTimeSpan);
        }

        // After arming: a clock that went on meanwhile would have the timer late by as much.
        return !IsOver;
    }

    /// <inheritdoc/>
    public void Dispose() => _timer?.Dispose();

    private void Fire()
    {
        _isArmed = false;
        wake.Set();
    }
}
