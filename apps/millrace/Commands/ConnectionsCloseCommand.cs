using System.CommandLine;
using Millrace.App.Connections;

namespace Millrace.App.Commands;

/// <summary><c>millrace connections close</c>.</summary>
internal static class ConnectionsCloseCommand
{
    public static Command Create(CliContext context)
    {
        var connection = ConnectionsCommand.Connection();
        var command = new CliCommand(
            "close",
            "Close a STOMP connection. Its client is told so by an ERROR frame, and may connect again; what it has not acknowledged goes back at once.",
            "millrace connections close 019c0f6d2f8a7c3e9b1d5a4f6e2c8b70")
        {
            connection,
        };
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, arguments.GetRequiredValue(connection), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string id, CliContext context, CancellationToken cancellationToken)
    {
        await using var connections = NodeConnections.Open(arguments, context);
        using var output = context.OpenOutput(arguments);
        await connections.CloseAsync(id, cancellationToken);
        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("connection", id);
                json.WriteBoolean("closed", true);
            });
        }
        else
        {
            output.WriteLine($"Closed connection '{id}'.");
        }

        return ExitCodes.Done;
    }
}
