using System.CommandLine;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace stream trim</c>.</summary>
internal static class StreamTrimCommand
{
    public static Command Create(CliContext context)
    {
        var stream = StreamAccess.Stream();
        var partition = StreamAccess.Partition("Only this partition; all unless set.");
        var before = StreamAccess.Point("--before", "The first record that is kept");
        before.Required = true;
        var command = new CliCommand(
            "trim",
            "Remove the oldest records of a stream.",
            "millrace stream trim orders --before 2026-01-31T00:00:00Z",
            "millrace stream trim orders --partition 0 --before 1000")
        {
            stream, partition, before,
        };
        command.SetAction((arguments, cancellationToken) =>
            RunAsync(arguments, arguments.GetRequiredValue(stream), arguments.GetValue(partition), arguments.GetValue(before)!.Value, context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string stream, int? only, StartingPoint before, CliContext context, CancellationToken cancellationToken)
    {
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        await using var catalog = StreamAccess.Open(backend, context);
        var removed = 0L;
        foreach (var number in StreamAccess.PartitionsOf(await catalog.Streams.RequireAsync(stream, cancellationToken), only))
        {
            var partition = await catalog.Streams.OpenPartitionAsync(stream, number, cancellationToken);
            var stats = await partition.GetStatsAsync(cancellationToken);
            var offset = await before.ResolveAsync(partition, cancellationToken);
            if (offset > stats.EndOffset)
            {
                throw new UsageException($"Partition {number} of stream '{stream}' ends at {stats.EndOffset}: there is no offset {offset} to trim to.");
            }

            await partition.TrimAsync(offset, cancellationToken);
            var earliest = (await partition.GetStatsAsync(cancellationToken)).EarliestOffset;
            removed += earliest - stats.EarliestOffset;
            if (output.IsJson)
            {
                output.WriteObject(json =>
                {
                    json.WriteString("stream", stream);
                    json.WriteNumber("partition", number);
                    json.WriteNumber("earliestOffset", earliest);
                    json.WriteNumber("removed", earliest - stats.EarliestOffset);
                });
            }
        }

        if (!output.IsJson)
        {
            output.WriteLine($"Removed {MessageText.Count(removed)} records of stream '{stream}'.");
        }

        return ExitCodes.Done;
    }
}
