using Millrace.Bench.Files;
using Millrace.Bench.Queues;

namespace Millrace.Bench.Stomp;

/// <summary>As many messages as the broker takes.</summary>
internal static class LoadCases
{
    // All three brokers compile or recompile their hot paths for some seconds.
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(6);

    /// <summary>Four producers and four consumers of one queue, in memory.</summary>
    public static Task<IReadOnlyList<Measurement>> MemoryAuto100BytesAsync(BenchContext context) =>
        MeasureAsync(context, "memory:", new LoadPlan(), ActiveMq.Opponent, RabbitMq.Opponent);

    /// <summary>The same with longer bodies.</summary>
    public static Task<IReadOnlyList<Measurement>> MemoryAuto1KibibyteAsync(BenchContext context) =>
        MeasureAsync(context, "memory:", new LoadPlan { BodyBytes = 1024 }, ActiveMq.Opponent, RabbitMq.Opponent);

    /// <summary>The consumers acknowledge every message by itself.</summary>
    public static Task<IReadOnlyList<Measurement>> MemoryIndividual100BytesAsync(BenchContext context) =>
        MeasureAsync(context, "memory:", new LoadPlan { Acknowledgement = "client-individual" }, ActiveMq.Opponent, RabbitMq.Opponent);

    /// <summary>Persistent messages on a durable queue in SQLite, with a receipt for every hundredth.</summary>
    public static Task<IReadOnlyList<Measurement>> SqliteReceipts100BytesAsync(BenchContext context) => ReceiptsAsync(context, QueueArea.SqliteUrl(context, "full"));

    /// <summary>The same on a durable queue in files.</summary>
    public static Task<IReadOnlyList<Measurement>> FileReceipts100BytesAsync(BenchContext context) => ReceiptsAsync(context, FileArea.Url(context, "durability=full"));

    private static async Task<IReadOnlyList<Measurement>> ReceiptsAsync(BenchContext context, string url)
    {
        var plan = new LoadPlan { Persistent = true, ReceiptEvery = 100 };
        var measured = await MeasureAsync(context, url, plan, RabbitMq.Opponent, ActiveMq.Opponent);
        return [.. measured, DiskBaseline.Measure(context.Folder)];
    }

    /// <summary>Each producer sends the next message when it has the receipt of the one before.</summary>
    public static Task<IReadOnlyList<Measurement>> Sync4Async(BenchContext context) =>
        MeasureAsync(context, "memory:", new LoadPlan { ReceiptEvery = 1, AwaitsReceipts = true }, ActiveMq.Opponent, RabbitMq.Opponent);

    /// <summary>One producer, fifty subscribers of a topic.</summary>
    /// <remarks>The producer is at most 256 messages ahead of the slowest of them, so that no broker has a reason to drop any.</remarks>
    public static Task<IReadOnlyList<Measurement>> Topic50Async(BenchContext context) =>
        MeasureAsync(
            context, "memory:", new LoadPlan { Destination = "/topic/bench", Producers = 1, Consumers = 50, Window = 256 }, ActiveMq.Opponent, RabbitMq.Opponent);

    /// <summary>Ours first, then the opponents, each alone on the machine; the ratio is to the first of them.</summary>
    private static async Task<IReadOnlyList<Measurement>> MeasureAsync(BenchContext context, string storeUrl, LoadPlan plan, params Opponent[] opponents)
    {
        var unit = plan.IsTopic ? "deliveries/s" : "messages/s";
        LoadResult own;
        await using (var broker = await MeasuredBroker.StartAsync(context, storeUrl))
        {
            own = await LoadGenerator.RunAsync(broker, plan, WarmUp, Duration, context.CancellationToken);
        }

        var figures = new List<Measurement> { new("per_s", own.PerSecond, unit) };
        AddCosts(figures, "", own);
        foreach (var opponent in Opponent.Available(context, opponents))
        {
            LoadResult theirs;
            await using (var broker = await opponent.StartAsync(context.Folder, plan.Persistent, context.CancellationToken))
            {
                theirs = await LoadGenerator.RunAsync(broker, plan, WarmUp, Duration, context.CancellationToken);
            }

            if (opponent == opponents[0])
            {
                figures[0] = Measurement.Against("per_s", own.PerSecond, unit, opponent.Name, theirs.PerSecond);
            }

            figures.Add(new Measurement($"{opponent.Key}_per_s", theirs.PerSecond, unit));
            AddCosts(figures, $"{opponent.Key}_", theirs);
        }

        return figures;
    }

    private static void AddCosts(List<Measurement> figures, string prefix, LoadResult result)
    {
        figures.Add(new Measurement($"{prefix}client_cpu_us_per_message", result.ClientMicroseconds, "us"));
        if (result.BrokerMicroseconds is { } broker)
        {
            figures.Add(new Measurement($"{prefix}broker_cpu_us_per_message", broker, "us"));
        }
    }
}
