using System.CommandLine;
using System.Globalization;
using Millrace.App.Output;

namespace Millrace.App.Commands;

/// <summary><c>millrace stream groups</c>: where the consumer groups of a stream stand.</summary>
internal static class StreamGroupsCommand
{
    public static Command Create(CliContext context)
    {
        var stream = StreamAccess.Stream();
        var group = new Option<string?>("--group", "-g") { Description = "Only this group.", HelpName = "GROUP" };
        var delete = new Option<bool>("--delete") { Description = "Forget the group and its offsets." };
        var command = new CliCommand(
            "groups",
            "Show the consumer groups of a stream: a partition a line, with the committed offset, the lag and the owner.",
            "millrace stream groups orders",
            "millrace stream groups orders --group billing --json",
            "millrace stream groups orders --group billing --delete")
        {
            stream, group, delete,
        };
        command.SetAction((arguments, cancellationToken) => arguments.GetValue(delete)
            ? DeleteAsync(arguments, arguments.GetRequiredValue(stream), arguments.GetValue(group) ?? throw new UsageException("--delete needs the --group that is meant."), context, cancellationToken)
            : RunAsync(arguments, arguments.GetRequiredValue(stream), arguments.GetValue(group), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string stream, string? only, CliContext context, CancellationToken cancellationToken)
    {
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        await using var catalog = StreamAccess.Open(backend, context);
        await catalog.Streams.RequireAsync(stream, cancellationToken);
        var groups = await catalog.Streams.ListGroupsAsync(stream, cancellationToken);
        if (only is not null && !groups.Contains(only))
        {
            throw new GroupNotFoundException(stream, only);
        }

        var columns = new Columns("GROUP", "PARTITION", "OFFSET", "END", "LAG", "OWNER");
        foreach (var group in only is null ? groups : [only])
        {
            foreach (var position in await catalog.Streams.GetGroupAsync(stream, group, cancellationToken))
            {
                columns.Add(
                    MessageText.Preview(group), Text(position.Partition), Text(position.Offset), Text(position.EndOffset), Text(position.Lag), MessageText.Preview(position.Owner));
                if (output.IsJson)
                {
                    output.WriteObject(json =>
                    {
                        json.WriteString("stream", stream);
                        json.WriteString("group", group);
                        json.WriteNumber("partition", position.Partition);
                        json.WriteNumber("offset", position.Offset);
                        json.WriteNumber("endOffset", position.EndOffset);
                        json.WriteNumber("lag", position.Lag);
                        json.WriteString("owner", position.Owner);
                        json.WriteNumber("epoch", position.Epoch);
                    });
                }
            }
        }

        if (!output.IsJson)
        {
            columns.WriteTo(output);
        }

        return ExitCodes.Done;
    }

    private static async Task<int> DeleteAsync(ParseResult arguments, string stream, string group, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.Require(group, "group");
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        await using var catalog = StreamAccess.Open(backend, context);
        await catalog.Streams.RequireAsync(stream, cancellationToken);
        if (!await catalog.Streams.DeleteGroupAsync(stream, group, cancellationToken))
        {
            throw new GroupNotFoundException(stream, group);
        }

        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("stream", stream);
                json.WriteString("deletedGroup", group);
            });
        }
        else
        {
            output.WriteLine($"Deleted group '{group}' of stream '{stream}'.");
        }

        return ExitCodes.Done;
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
