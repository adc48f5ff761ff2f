using System.Globalization;
using Millrace.Scheduling;
using Millrace.Scheduling.History;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>The history of runs, as the server shows it.</summary>
internal sealed partial class HttpStreamStore : IRunReader
{
    public async ValueTask<RunPage> ListAsync(RunQuery query, CancellationToken cancellationToken)
    {
        var path = ApiPath.Runs + QueryOf(query, query.Continuation, WireValues.Text(query.Limit));
        using var answer = await _connection.SendAsync(new ApiRequest(HttpMethod.Get, path) { IsRepeatable = true }, cancellationToken).ConfigureAwait(false);
        return AnswerReading.From(_connection, answer, static (ref json) => RunWire.ReadPage(ref json));
    }

    public async ValueTask<RunStatistics> GetStatisticsAsync(RunQuery query, CancellationToken cancellationToken)
    {
        var path = ApiPath.RunStatistics + QueryOf(query, after: null, limit: null);
        using var answer = await _connection.SendAsync(new ApiRequest(HttpMethod.Get, path) { IsRepeatable = true }, cancellationToken).ConfigureAwait(false);
        return AnswerReading.From(_connection, answer, static (ref json) => RunWire.ReadStatistics(ref json));
    }

    private static string QueryOf(RunQuery query, string? after, string? limit) => ApiPath.Query(
        ("schedule", query.Schedule),
        ("job", query.Job),
        ("run", query.Run),
        ("outcome", query.Outcome is { } outcome ? ScheduleWire.WordOf(outcome) : null),
        ("from", query.Since?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture)),
        ("to", query.Until?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture)),
        ("after", after),
        ("limit", limit));
}
