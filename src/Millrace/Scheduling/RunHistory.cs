using System.Globalization;
using Millrace.Scheduling.History;
using Millrace.Storage;

namespace Millrace.Scheduling;

/// <summary>
/// The history of runs: every attempt with its times, node and outcome, and every occurrence that was skipped. Got from <see cref="JobClient.History"/>. A run whose worker died between
/// its end and its settlement may be in it twice. Safe for concurrent use.
/// </summary>
public sealed class RunHistory
{
    private const int MaxLimit = 1000;
    private const int PageRecords = 1000;
    private const int PageBytes = 4 * 1024 * 1024;

    private readonly RunAppender _appender;
    private readonly IRunReader? _reader;

    /// <param name="appender">Has the stream.</param>
    /// <param name="reader">Whom to ask instead of reading the stream; null: nobody.</param>
    internal RunHistory(RunAppender appender, IRunReader? reader) => (_appender, _reader) = (appender, appender.IsEnabled ? reader : null);

    /// <summary>Whether a history is kept at all.</summary>
    public bool IsEnabled => _appender.IsEnabled;

    /// <summary>A page of runs, the newest first. Looks at all that are kept until it has found enough: name a time to bound that.</summary>
    /// <exception cref="MillraceConfigurationException">No history is kept.</exception>
    public async ValueTask<RunPage> ListAsync(RunQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentOutOfRangeException.ThrowIfLessThan(query.Limit, 1, nameof(query));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(query.Limit, MaxLimit, nameof(query));
        if (_reader is not null)
        {
            return await _reader.ListAsync(query, cancellationToken).ConfigureAwait(false);
        }

        var partition = await _appender.OpenAsync(cancellationToken).ConfigureAwait(false);
        var stats = await partition.GetStatsAsync(cancellationToken).ConfigureAwait(false);
        var end = query.Continuation is { } continuation ? Math.Min(PlaceOf(continuation), stats.EndOffset) : stats.EndOffset;
        var earliest = await EarliestAsync(partition, stats, query.Since, cancellationToken).ConfigureAwait(false);
        var found = new List<RunRecord>();
        while (end > earliest)
        {
            var start = Math.Max(earliest, end - PageRecords);
            var runs = await ReadAsync(partition, start, end, cancellationToken).ConfigureAwait(false);
            for (var i = runs.Count - 1; i >= 0; i--)
            {
                if (query.Matches(runs[i].Run))
                {
                    found.Add(runs[i].Run);
                    if (found.Count == query.Limit)
                    {
                        return new RunPage(found, runs[i].Offset > earliest ? runs[i].Offset.ToString(CultureInfo.InvariantCulture) : null);
                    }
                }
            }

            end = start;
        }

        return new RunPage(found, null);
    }

    /// <summary>Counts and times of the runs that meet the conditions; its limit and continuation do not count.</summary>
    /// <exception cref="MillraceConfigurationException">No history is kept.</exception>
    public ValueTask<RunStatistics> GetStatisticsAsync(RunQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        return _reader is not null ? _reader.GetStatisticsAsync(query, cancellationToken) : GetStatisticsAsync(query, static _ => true, cancellationToken);
    }

    /// <summary>Counts and times of the runs that meet the conditions, and one more.</summary>
    internal async ValueTask<RunStatistics> GetStatisticsAsync(RunQuery query, Func<RunRecord, bool> counts, CancellationToken cancellationToken)
    {
        var partition = await _appender.OpenAsync(cancellationToken).ConfigureAwait(false);
        var stats = await partition.GetStatsAsync(cancellationToken).ConfigureAwait(false);
        var tally = new RunTally();
        var offset = await EarliestAsync(partition, stats, query.Since, cancellationToken).ConfigureAwait(false);
        while (offset < stats.EndOffset)
        {
            var end = Math.Min(stats.EndOffset, offset + PageRecords);
            foreach (var (_, run) in await ReadAsync(partition, offset, end, cancellationToken).ConfigureAwait(false))
            {
                if (query.Matches(run) && counts(run))
                {
                    tally.Add(run);
                }
            }

            offset = end;
        }

        return tally.ToStatistics();
    }

    /// <summary>Appends runs, or occurrences that were skipped. Faults are logged: the history is no reason to repeat what it tells of.</summary>
    internal ValueTask AppendAsync(RunRecord run) => _appender.AppendAsync(run);

    private static async ValueTask<long> EarliestAsync(IStreamPartition partition, StreamPartitionStats stats, DateTimeOffset? since, CancellationToken cancellationToken) =>
        since is { } time
            ? Math.Max(stats.EarliestOffset, await partition.FindOffsetAsync(time, cancellationToken).ConfigureAwait(false))
            : stats.EarliestOffset;

    /// <summary>The runs from one offset up to another. What has been trimmed meanwhile is left out.</summary>
    private static async ValueTask<List<(long Offset, RunRecord Run)>> ReadAsync(IStreamPartition partition, long start, long end, CancellationToken cancellationToken)
    {
        var runs = new List<(long, RunRecord)>();
        while (start < end)
        {
            try
            {
                using var page = await partition.ReadAsync(start, (int)(end - start), PageBytes, cancellationToken).ConfigureAwait(false);
                if (page.NextOffset <= start)
                {
                    break;
                }

                foreach (var record in page.Records.Span)
                {
                    if (RunJson.TryRead(record.Body.Span, out var run))
                    {
                        runs.Add((record.Offset, run));
                    }
                }

                start = page.NextOffset;
            }
            catch (OffsetOutOfRangeException exception)
            {
                start = exception.Earliest;
            }
        }

        return runs;
    }

    private static long PlaceOf(string continuation) =>
        long.TryParse(continuation, NumberStyles.None, CultureInfo.InvariantCulture, out var offset)
            ? offset
            : throw new ArgumentException($"'{continuation}' is no continuation of a page of runs.", nameof(continuation));
}
