using System.CommandLine;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace stats</c>: the counts of one queue or of all.</summary>
internal static class StatsCommand
{
    public static Command Create(CliContext context)
    {
        var queue = new Argument<string?>("QUEUE") { Description = "One queue, with all its counters; otherwise all queues.", Arity = ArgumentArity.ZeroOrOne };
        var command = new CliCommand("stats", "Show how many messages wait, are due later, are being worked and are dead.", "millrace stats", "millrace stats orders --json")
        {
            queue,
        };
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, arguments.GetValue(queue), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string? queue, CliContext context, CancellationToken cancellationToken)
    {
        if (queue is not null)
        {
            ResourceName.RequireQueue(queue);
        }

        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var admin = backend.Require<IQueueAdmin>();
        if (queue is not null)
        {
            var stats = await admin.GetStatsAsync(queue, cancellationToken);
            if (output.IsJson)
            {
                WriteJson(output, queue, stats);
            }
            else
            {
                WriteCounters(output, queue, stats);
            }

            return ExitCodes.Done;
        }

        var columns = new Columns("QUEUE", "READY", "SCHEDULED", "LEASED", "DEAD", "BYTES", "OLDEST");
        var queues = Arguments.ListQueuesAsync(admin, "", cancellationToken);
        var damaged = new List<StorageCorruptException>();
        await foreach (var (name, stats, _) in QueueReadings.ReadAsync(admin, queues, context.TimeProvider, damaged, cancellationToken))
        {
            if (output.IsJson)
            {
                WriteJson(output, name, stats);
            }
            else
            {
                columns.Add(
                    name,
                    MessageText.Count(stats.Ready),
                    MessageText.Count(stats.Scheduled),
                    MessageText.Count(stats.Leased),
                    MessageText.Count(stats.Dead),
                    MessageText.Count(stats.Bytes),
                    MessageText.Duration(stats.OldestReadyAge));
            }
        }

        if (!output.IsJson)
        {
            columns.WriteTo(output);
        }

        foreach (var fault in damaged)
        {
            await context.Error.WriteLineAsync($"millrace: {fault.Message}");
        }

        return damaged.Count == 0 ? ExitCodes.Done : ExitCodes.Damaged;
    }

    private static void WriteCounters(OutputWriter output, string queue, QueueStats stats)
    {
        var columns = new Columns("QUEUE", queue);
        foreach (var (name, value) in Counters(stats))
        {
            columns.Add(name, MessageText.Count(value));
        }

        columns.Add("oldestReadyAge", MessageText.Duration(stats.OldestReadyAge));
        columns.WriteTo(output);
    }

    private static void WriteJson(OutputWriter output, string queue, QueueStats stats) => output.WriteObject(json =>
    {
        json.WriteString("queue", queue);
        foreach (var (name, value) in Counters(stats))
        {
            json.WriteNumber(name, value);
        }

        if (stats.OldestReadyAge is { } age)
        {
            json.WriteNumber("oldestReadyAgeMs", (long)age.TotalMilliseconds);
        }
        else
        {
            json.WriteNull("oldestReadyAgeMs");
        }
    });

    private static (string Name, long Value)[] Counters(QueueStats stats) =>
    [
        ("ready", stats.Ready),
        ("scheduled", stats.Scheduled),
        ("leased", stats.Leased),
        ("dead", stats.Dead),
        ("bytes", stats.Bytes),
        ("enqueued", stats.Enqueued),
        ("completed", stats.Completed),
        ("duplicates", stats.Duplicates),
        ("expired", stats.Expired),
        ("dropped", stats.Dropped),
        ("deadLettered", stats.DeadLettered),
        ("dedupEvictions", stats.DedupEvictions),
    ];
}
