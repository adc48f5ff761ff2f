using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace stream</c>: streams, their records and groups.</summary>
internal static class StreamCommand
{
    public static Command Create(CliContext context) => new CliCommand(
        "stream",
        "Create, list, fill, follow, trim and delete streams, and look after their consumer groups.",
        "millrace stream create orders --partitions 4",
        "millrace stream tail orders --from first")
    {
        StreamListCommand.Create(context),
        StreamCreateCommand.Create(context),
        StreamAppendCommand.Create(context),
        StreamTailCommand.Create(context),
        StreamGroupsCommand.Create(context),
        StreamSeekCommand.Create(context),
        StreamTrimCommand.Create(context),
        StreamDeleteCommand.Create(context),
    };
}
