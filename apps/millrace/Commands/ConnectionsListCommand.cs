using System.CommandLine;
using Millrace.App.Connections;
using Millrace.App.Output;
using Millrace.Server.Api;

namespace Millrace.App.Commands;

/// <summary><c>millrace connections list</c>: who is connected, and what came of it.</summary>
internal static class ConnectionsListCommand
{
    public static Command Create(CliContext context)
    {
        var command = new CliCommand(
            "list",
            "List STOMP connections, about in the order in which they came: who they are, and what they have.",
            "millrace connections list",
            "millrace connections list --server http://127.0.0.1:7070 --json");
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, CliContext context, CancellationToken cancellationToken)
    {
        await using var connections = NodeConnections.Open(arguments, context);
        using var output = context.OpenOutput(arguments);
        var columns = new Columns("ID", "USER", "PEER", "TRANSPORT", "VERSION", "CONNECTED", "SUBSCRIPTIONS", "UNACKNOWLEDGED", "SENT", "DELIVERED");
        await foreach (var connection in connections.ListAsync(cancellationToken))
        {
            if (output.IsJson)
            {
                output.WriteObject(json => ConnectionWire.WriteMembers(json, connection));
                continue;
            }

            columns.Add(
                MessageText.Preview(connection.Id),
                MessageText.Preview(connection.User),
                MessageText.Preview(connection.Peer),
                MessageText.Preview(connection.Transport),
                MessageText.Preview(connection.Version),
                MessageText.Time(connection.ConnectedAt),
                MessageText.Count(connection.Subscriptions.Count),
                MessageText.Count(connection.Subscriptions.Sum(subscription => (long)subscription.Unacknowledged)),
                MessageText.Count(connection.MessagesSent),
                MessageText.Count(connection.MessagesDelivered));
        }

        if (!output.IsJson)
        {
            columns.WriteTo(output);
        }

        return ExitCodes.Done;
    }
}
