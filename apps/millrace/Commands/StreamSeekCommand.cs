using System.CommandLine;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace stream seek</c>: moves a consumer group.</summary>
internal static class StreamSeekCommand
{
    public static Command Create(CliContext context)
    {
        var stream = StreamAccess.Stream();
        var group = new Option<string>("--group", "-g") { Description = "The group that is moved.", HelpName = "GROUP", Required = true };
        var partition = StreamAccess.Partition("Only this partition; all unless set.");
        var to = StreamAccess.Point("--to", "Where to");
        to.Required = true;
        var command = new CliCommand(
            "seek",
            "Move a consumer group: its members go on from there, whatever they had committed.",
            "millrace stream seek orders --group billing --to first",
            "millrace stream seek orders --group billing --partition 2 --to 1500")
        {
            stream, group, partition, to,
        };
        command.SetAction((arguments, cancellationToken) => RunAsync(
            arguments, arguments.GetRequiredValue(stream), arguments.GetRequiredValue(group), arguments.GetValue(partition), arguments.GetValue(to)!.Value, context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        ParseResult arguments, string stream, string group, int? only, StartingPoint to, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.Require(group, "group");
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        await using var catalog = StreamAccess.Open(backend, context);
        foreach (var number in StreamAccess.PartitionsOf(await catalog.Streams.RequireAsync(stream, cancellationToken), only))
        {
            var partition = await catalog.Streams.OpenPartitionAsync(stream, number, cancellationToken);
            var end = (await partition.GetStatsAsync(cancellationToken)).EndOffset;
            var offset = await to.ResolveAsync(partition, cancellationToken);
            if (offset > end)
            {
                throw new UsageException($"Partition {number} of stream '{stream}' ends at {end}: there is no offset {offset} to move to.");
            }

            await catalog.Streams.SeekGroupAsync(stream, group, number, offset, cancellationToken);
            if (output.IsJson)
            {
                output.WriteObject(json =>
                {
                    json.WriteString("stream", stream);
                    json.WriteString("group", group);
                    json.WriteNumber("partition", number);
                    json.WriteNumber("offset", offset);
                });
            }
            else
            {
                output.WriteLine($"Moved group '{group}' to offset {offset} of partition {number}.");
            }
        }

        return ExitCodes.Done;
    }
}
