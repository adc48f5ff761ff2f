using Microsoft.Extensions.Logging;
using Millrace.Storage;

namespace Millrace.Server.Health;

/// <summary>
/// Checks one instance, or what else has a probe. At most one probe runs at any time: requests meanwhile wait for it, up to its deadline, and a probe that hangs is not joined by a second one.
/// Safe for concurrent use.
/// </summary>
internal sealed class InstanceHealth(string instance, Func<IHealthProbe> probe, TimeSpan timeout, TimeSpan cacheTime, TimeProvider timeProvider, ILogger logger)
{
    private readonly Lock _gate = new();
    private Task<HealthCheck>? _running;
    private long _startedAt;
    private HealthCheck? _last;
    private long _lastAt;
    private bool _wasHealthy = true;

    public string Instance => instance;

    /// <summary>The outcome of a probe that is not older than the cache time, or of a new one. Returns within the timeout, and never throws but for cancellation.</summary>
    public async ValueTask<HealthCheck> CheckAsync(CancellationToken cancellationToken)
    {
        Task<HealthCheck> running;
        TimeSpan left;
        lock (_gate)
        {
            if (_last is not null && timeProvider.GetElapsedTime(_lastAt) < cacheTime)
            {
                return _last;
            }

            if (_running is null)
            {
                _startedAt = timeProvider.GetTimestamp();
                _running = RunAsync();
            }

            running = _running;
            left = timeout - timeProvider.GetElapsedTime(_startedAt);
        }

        try
        {
            return running.IsCompleted || left > TimeSpan.Zero
                ? await running.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, timeProvider, cancellationToken).ConfigureAwait(false)
                : TimeOut();
        }
        catch (TimeoutException)
        {
            return TimeOut();
        }
    }

    private async Task<HealthCheck> RunAsync()
    {
        var startedAt = timeProvider.GetTimestamp();
        HealthCheck check;
        using var deadline = new CancellationTokenSource(timeout, timeProvider);
        try
        {
            // Away from the caller: a probe that blocks its thread must not hold the others of the same request.
            var report = await Task.Run(() => probe().ProbeAsync(deadline.Token).AsTask(), CancellationToken.None).ConfigureAwait(false);
            check = report.IsHealthy
                ? HealthCheck.Healthy(report.Duration, report.Details, report.Warning)
                : HealthCheck.Unhealthy(report.Duration, HealthCheck.Failed, report.Error ?? "The probe gave no reason.", report.Details);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            check = TimedOut(startedAt);
        }
        catch (MillraceException exception)
        {
            check = HealthCheck.Unhealthy(timeProvider.GetElapsedTime(startedAt), HealthCheck.Failed, exception.Message);
        }
        catch (Exception exception)
        {
            logger.HealthProbeThrew(exception, instance);
            check = HealthCheck.Unhealthy(timeProvider.GetElapsedTime(startedAt), HealthCheck.Failed, $"The probe threw {exception.GetType().Name}; the log has more.");
        }

        lock (_gate)
        {
            _running = null;

            // What was found after the deadline is old news: those who waited have been answered, and the next one asks anew.
            if (timeProvider.GetElapsedTime(startedAt) <= timeout)
            {
                RememberLocked(check);
            }
        }

        return check;
    }

    private HealthCheck TimeOut()
    {
        lock (_gate)
        {
            var check = TimedOut(_startedAt);
            RememberLocked(check);
            return check;
        }
    }

    private HealthCheck TimedOut(long startedAt) => HealthCheck.Unhealthy(
        timeProvider.GetElapsedTime(startedAt), HealthCheck.TimedOut, $"The probe did not end within {timeout.TotalMilliseconds:0} ms.");

    private void RememberLocked(HealthCheck check)
    {
        (_last, _lastAt) = (check, timeProvider.GetTimestamp());
        if (check.IsHealthy && !_wasHealthy)
        {
            logger.CheckSucceeds(instance);
        }
        else if (!check.IsHealthy && _wasHealthy)
        {
            logger.CheckFailed(instance, check.Error!);
        }

        _wasHealthy = check.IsHealthy;
    }
}
