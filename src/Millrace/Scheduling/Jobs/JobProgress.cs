using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;

namespace Millrace.Scheduling.Jobs;

/// <summary>Writes the progress of one attempt into the job's record: the first report at once, later ones at most every quarter of a second, the latest one in any case. Safe for concurrent use.</summary>
internal sealed class JobProgress(TrackedJob job, int attempt, TimeProvider timeProvider, ILogger logger)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    private readonly Lock _gate = new();
    private long _writtenAt;
    private bool _hasWritten;
    private bool _isWriting;
    private bool _isOver;
    private (double Fraction, string? Text)? _latest;

    /// <summary>What was reported and not written, if anything. Nothing is written after this.</summary>
    public (double Fraction, string? Text)? Close()
    {
        lock (_gate)
        {
            _isOver = true;
            return _latest;
        }
    }

    public async ValueTask ReportAsync(double fraction, string? text, CancellationToken cancellationToken)
    {
        TimeSpan wait;
        lock (_gate)
        {
            _latest = (fraction, text);
            if (_isWriting || _isOver)
            {
                return;
            }

            _isWriting = true;
            var since = timeProvider.GetElapsedTime(_writtenAt);
            wait = _hasWritten && since < Interval ? Interval - since : TimeSpan.Zero;
        }

        if (wait == TimeSpan.Zero)
        {
            await WriteAsync(cancellationToken).ConfigureAwait(false);
        }
        else
        {
            _ = WriteLaterAsync(wait);
        }
    }

    private async Task WriteLaterAsync(TimeSpan wait)
    {
        try
        {
            await Task.Delay(wait, timeProvider).ConfigureAwait(false);
            await WriteAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            // The job's end writes what counts; progress is for those who look on.
            logger.ProgressNotWritten(exception);
        }
    }

    private async ValueTask WriteAsync(CancellationToken cancellationToken)
    {
        (double Fraction, string? Text) latest;
        lock (_gate)
        {
            if (_isOver || _latest is not { } reported)
            {
                _isWriting = false;
                return;
            }

            latest = reported;
            _latest = null;
        }

        try
        {
            // An attempt that has lost its lease must not write over the next one.
            await job.ChangeAsync(
                document => document.Ended is null && document.Attempt == attempt ? document with { Progress = latest.Fraction, Text = latest.Text } : null,
                cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            bool again;
            lock (_gate)
            {
                _hasWritten = true;
                _writtenAt = timeProvider.GetTimestamp();
                _isWriting = again = _latest is not null && !_isOver;
            }

            if (again)
            {
                _ = WriteLaterAsync(Interval);
            }
        }
    }
}
