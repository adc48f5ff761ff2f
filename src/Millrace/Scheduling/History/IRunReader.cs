namespace Millrace.Scheduling.History;

/// <summary>A store that lists runs itself: a server, which shows all whom it lets see the schedules, not only those who may read the stream that the history is. Safe for concurrent use.</summary>
internal interface IRunReader
{
    ValueTask<RunPage> ListAsync(RunQuery query, CancellationToken cancellationToken);

    ValueTask<RunStatistics> GetStatisticsAsync(RunQuery query, CancellationToken cancellationToken);
}
