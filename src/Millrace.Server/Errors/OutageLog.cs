using Microsoft.Extensions.Logging;
using Millrace.Hosting;

namespace Millrace.Server.Errors;

/// <summary>
/// What the stores of one instance could not do for requests, in the log. Of each kind (a problem's code) the first is told at once, then at most once a minute how many more there were,
/// and once that it is over; each of those between has a line at debug. It is over when no request has met it for a while and the stores' own probe succeeds, so that neither a quiet hour nor a
/// request that needed no store ends it. Safe for concurrent use. Disposing tells what has not been told.
/// </summary>
/// <param name="instance">The instance.</param>
/// <param name="isHealthyAsync">Probes its stores.</param>
/// <param name="timeProvider">The clock.</param>
/// <param name="logger">Where all of it is written.</param>
internal sealed class OutageLog(string instance, Func<CancellationToken, ValueTask<bool>> isHealthyAsync, TimeProvider timeProvider, ILogger logger) : IAsyncDisposable
{
    /// <summary>How often is told that there were more.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    /// <summary>How long no request has met it when it can be over; also how often that is looked at.</summary>
    public static readonly TimeSpan QuietTime = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Outage> _outages = new(StringComparer.Ordinal);
    private BackgroundLoop? _watch;
    private bool _isDisposed;

    /// <summary>A request was answered with a problem that was the stores'.</summary>
    public void Report(FailedRequest request)
    {
        bool isFirst;
        lock (_gate)
        {
            var now = timeProvider.GetTimestamp();
            isFirst = !_outages.TryGetValue(request.Code, out var outage);
            if (outage is null)
            {
                _outages[request.Code] = outage = new Outage(now);
                WatchLocked();
            }
            else
            {
                outage.LeftOut++;
            }

            (outage.Last, outage.LastAt) = (request, now);
            outage.Count++;
        }

        logger.BackendFailed(isFirst ? LogLevel.Warning : LogLevel.Debug, request.Method, request.Id, request.Status, request.Code, request.Reason);
    }

    public async ValueTask DisposeAsync()
    {
        BackgroundLoop? watch;
        lock (_gate)
        {
            _isDisposed = true;
            watch = _watch;
        }

        if (watch is not null)
        {
            await watch.DisposeAsync().ConfigureAwait(false);
        }

        TellWhatWasLeftOut(TimeSpan.Zero);
    }

    private void WatchLocked()
    {
        if (_watch is not null || _isDisposed)
        {
            return;
        }

        // From now on, not from when the loop gets its turn.
        var timer = new PeriodicTimer(QuietTime, timeProvider);
        _watch = new BackgroundLoop($"log of outages of '{instance}'", tokens => WatchAsync(timer, tokens), new BackgroundLoopOptions { TimeProvider = timeProvider, Logger = logger });
        _watch.Start();
    }

    private async Task WatchAsync(PeriodicTimer timer, LoopTokens tokens)
    {
        using var ending = tokens.Draining.UnsafeRegister(static timer => ((PeriodicTimer)timer!).Dispose(), timer);
        while (await timer.WaitForNextTickAsync(CancellationToken.None).ConfigureAwait(false))
        {
            TellWhatWasLeftOut(Interval);
            if (ListQuiet().Count > 0 && await isHealthyAsync(tokens.Draining).ConfigureAwait(false))
            {
                TellWhatIsOver();
            }
        }
    }

    private void TellWhatWasLeftOut(TimeSpan interval)
    {
        List<(FailedRequest Last, long Count, TimeSpan Time)> told = [];
        lock (_gate)
        {
            foreach (var outage in _outages.Values)
            {
                if (outage.LeftOut > 0 && timeProvider.GetElapsedTime(outage.ToldAt) is var time && time >= interval)
                {
                    told.Add((outage.Last, outage.LeftOut, time));
                    (outage.LeftOut, outage.ToldAt) = (0, timeProvider.GetTimestamp());
                }
            }
        }

        foreach (var (last, count, time) in told)
        {
            logger.BackendFailedMore(count, instance, last.Status, last.Code, time.TotalSeconds, last.Method, last.Id, last.Reason);
        }
    }

    private void TellWhatIsOver()
    {
        List<Outage> over;
        lock (_gate)
        {
            // Those that are quiet still: requests went on while the probe was made.
            over = ListQuietLocked();
            foreach (var outage in over)
            {
                _outages.Remove(outage.Last.Code);
            }
        }

        foreach (var outage in over)
        {
            var time = timeProvider.GetElapsedTime(outage.FirstAt, outage.LastAt);
            logger.BackendFailureOver(instance, outage.Last.Status, outage.Last.Code, outage.Count, time.TotalSeconds, outage.LeftOut);
        }
    }

    private List<Outage> ListQuiet()
    {
        lock (_gate)
        {
            return ListQuietLocked();
        }
    }

    private List<Outage> ListQuietLocked() => [.. _outages.Values.Where(outage => timeProvider.GetElapsedTime(outage.LastAt) >= QuietTime)];

    private sealed class Outage(long firstAt)
    {
        public long FirstAt { get; } = firstAt;

        public long LastAt { get; set; }

        public long ToldAt { get; set; } = firstAt;

        public FailedRequest Last { get; set; } = null!;

        public long Count { get; set; }

        /// <summary>How many of them no line above debug has told yet.</summary>
        public long LeftOut { get; set; }
    }
}

/// <summary>A request that was answered with a problem that was the stores'.</summary>
/// <param name="Method">Of HTTP.</param>
/// <param name="Id">The request's, as the log has it.</param>
/// <param name="Status">Of the answer.</param>
/// <param name="Code">The problem's.</param>
/// <param name="Reason">What the store says.</param>
internal sealed record FailedRequest(string Method, string Id, int Status, string Code, string Reason);
