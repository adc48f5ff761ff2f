namespace Millrace.Bench.Server;

/// <summary>What a server costs that has nothing to do.</summary>
internal static class IdleCase
{
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(3);

    /// <summary>On the embedded default engine: from process start to ready, and the memory after a rest.</summary>
    public static async Task<IReadOnlyList<Measurement>> MeasureAsync(BenchContext context)
    {
        await using var server = await ServerProcess.StartAsync($"sqlite:{Path.Combine(context.Folder, "idle.db")}", context.CancellationToken);
        await Task.Delay(Rest, TimeProvider.System, context.CancellationToken);
        return [new Measurement("start_ms", server.StartMs, "ms"), new Measurement("rss_mb", server.ResidentMegabytes(), "MB")];
    }
}
