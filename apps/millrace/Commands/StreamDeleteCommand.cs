using System.CommandLine;
using Millrace.App.Output;

namespace Millrace.App.Commands;

/// <summary><c>millrace stream delete</c>.</summary>
internal static class StreamDeleteCommand
{
    public static Command Create(CliContext context)
    {
        var stream = StreamAccess.Stream();
        var force = new Option<bool>("--force") { Description = "Delete the stream with the records that it has." };
        var command = new CliCommand("delete", "Delete a stream with its groups. One that has records needs --force.", "millrace stream delete orders --force")
        {
            stream, force,
        };
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, arguments.GetRequiredValue(stream), arguments.GetValue(force), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string stream, bool force, CliContext context, CancellationToken cancellationToken)
    {
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        await using var catalog = StreamAccess.Open(backend, context);
        var records = 0L;
        foreach (var partition in StreamAccess.PartitionsOf(await catalog.Streams.RequireAsync(stream, cancellationToken), null))
        {
            var stats = await (await catalog.Streams.OpenPartitionAsync(stream, partition, cancellationToken)).GetStatsAsync(cancellationToken);
            records += stats.EndOffset - stats.EarliestOffset;
        }

        if (records > 0 && !force)
        {
            throw new UsageException($"Stream '{stream}' has {MessageText.Count(records)} records. Add --force to delete them too.");
        }

        if (!await catalog.Streams.DeleteAsync(stream, cancellationToken))
        {
            throw new StreamNotFoundException(stream);
        }

        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("stream", stream);
                json.WriteNumber("deletedRecords", records);
            });
        }
        else
        {
            output.WriteLine($"Deleted stream '{stream}' with {MessageText.Count(records)} records.");
        }

        return ExitCodes.Done;
    }
}
