using System.CommandLine;
using Millrace.App.Output;

namespace Millrace.App.Commands;

/// <summary><c>millrace stream list</c>: streams with what they have.</summary>
internal static class StreamListCommand
{
    private const int PageSize = 500;

    public static Command Create(CliContext context)
    {
        var prefix = new Argument<string?>("PREFIX") { Description = "Only streams whose names begin with this.", Arity = ArgumentArity.ZeroOrOne };
        var command = new CliCommand("list", "List streams by name, with their partitions, records and bytes.", "millrace stream list", "millrace stream list order --json")
        {
            prefix,
        };
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, arguments.GetValue(prefix) ?? "", context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string prefix, CliContext context, CancellationToken cancellationToken)
    {
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        await using var catalog = StreamAccess.Open(backend, context);
        var columns = new Columns("STREAM", "PARTITIONS", "RECORDS", "BYTES");
        string? after = null;
        do
        {
            var page = await catalog.Streams.ListAsync(prefix, after, PageSize, cancellationToken);
            foreach (var stream in page)
            {
                var (records, bytes) = (0L, 0L);
                for (var i = 0; i < stream.Settings.Partitions; i++)
                {
                    var stats = await (await catalog.Streams.OpenPartitionAsync(stream.Name, i, cancellationToken)).GetStatsAsync(cancellationToken);
                    (records, bytes) = (records + stats.EndOffset - stats.EarliestOffset, bytes + stats.Bytes);
                }

                columns.Add(MessageText.Preview(stream.Name), MessageText.Count(stream.Settings.Partitions), MessageText.Count(records), MessageText.Count(bytes));
                if (output.IsJson)
                {
                    output.WriteObject(json =>
                    {
                        json.WriteString("stream", stream.Name);
                        json.WriteNumber("partitions", stream.Settings.Partitions);
                        json.WriteNumber("records", records);
                        json.WriteNumber("bytes", bytes);
                        json.WriteString("createdAt", stream.CreatedAt);
                    });
                }
            }

            after = page.Count == PageSize ? page[^1].Name : null;
        }
        while (after is not null);
        if (!output.IsJson)
        {
            columns.WriteTo(output);
        }

        return ExitCodes.Done;
    }
}
