namespace Millrace.Bench.Stomp;

/// <summary>How long one message takes at a steady rate that the broker can easily do.</summary>
internal static class LatencyCases
{
    private const int Thousand = 1000;
    private const double UnknownTenth = 40_000;

    /// <summary>A thousand messages a second, beside the same through the opponents.</summary>
    public static async Task<IReadOnlyList<Measurement>> ThousandAsync(BenchContext context)
    {
        var figures = new List<Measurement>();
        await using (var broker = await MeasuredBroker.StartAsync(context, "memory:"))
        {
            figures.AddRange(await LatencyProbe.RunAsync(broker, Thousand, context.CancellationToken));
        }

        foreach (var opponent in Opponent.Available(context, ActiveMq.Opponent, RabbitMq.Opponent))
        {
            await using var broker = await opponent.StartAsync(context.Folder, false, context.CancellationToken);
            var theirs = await LatencyProbe.RunAsync(broker, Thousand, context.CancellationToken);
            figures.AddRange(theirs.Select(figure => figure with { Metric = $"{opponent.Key}_{figure.Metric}" }));
        }

        return figures;
    }

    /// <summary>A tenth of what <c>memory-auto-100B</c> has done in this run, or 40,000 messages a second where it has not run.</summary>
    public static async Task<IReadOnlyList<Measurement>> TenthOfPeakAsync(BenchContext context)
    {
        var rate = context.Earlier.TryGetValue(("memory-auto-100B", "per_s"), out var peak) ? peak / 10 : UnknownTenth;
        await using var broker = await MeasuredBroker.StartAsync(context, "memory:");
        return await LatencyProbe.RunAsync(broker, rate, context.CancellationToken);
    }
}
