using Millrace.Bench.Queues;
using Millrace.Storage;

namespace Millrace.Bench.Server;

/// <summary>Full cycles through the backend <c>http:</c> against a server over <c>memory:</c>.</summary>
internal static class HttpThroughputCases
{
    private const string Baseline = "bare HTTP exchanges by as many callers";

    // Two processes that were just started compile and recompile their hot paths for some seconds.
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(5);

    /// <summary>One caller, a hundred messages at a time.</summary>
    public static Task<IReadOnlyList<Measurement>> Batch100Async(BenchContext context) => MeasureAsync(callers: 1, batch: 100, context);

    /// <summary>Sixty-four callers, each one message at a time.</summary>
    public static Task<IReadOnlyList<Measurement>> SixtyFourCallersAsync(BenchContext context) => MeasureAsync(callers: 64, batch: 1, context);

    private static async Task<IReadOnlyList<Measurement>> MeasureAsync(int callers, int batch, BenchContext context)
    {
        await using var server = await ServerProcess.StartAsync("memory:", context.CancellationToken);
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(server.Url, cancellationToken: context.CancellationToken);
        var sessions = new List<QueueSession>();
        for (var i = 0; i < callers; i++)
        {
            sessions.Add(await QueueSession.OpenAsync(backend.Require<IQueueStore>(), "bench", batch));
        }

        await QueueSession.RunAsync(sessions, batch, WarmUp, context.CancellationToken);
        var (messages, seconds) = await QueueSession.RunAsync(sessions, batch, Duration, context.CancellationToken);
        foreach (var session in sessions)
        {
            await session.DisposeAsync();
        }

        var bare = await BareExchange.MeasureAsync(server.Url, callers, context.CancellationToken);
        return
        [
            Measurement.Against("per_s", messages / seconds, "messages/s", Baseline, bare),
            new Measurement("bare_exchanges_per_s", bare, "requests/s"),
            new Measurement("server_rss_mb", server.ResidentMegabytes(), "MB"),
        ];
    }
}
