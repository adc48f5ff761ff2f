using System.CommandLine;
using Millrace.App.Connections;
using Millrace.App.Output;
using Millrace.Server.Api;

namespace Millrace.App.Commands;

/// <summary><c>millrace connections show</c>: one connection in full.</summary>
internal static class ConnectionsShowCommand
{
    public static Command Create(CliContext context)
    {
        var connection = ConnectionsCommand.Connection();
        var command = new CliCommand(
            "show", "Show one STOMP connection in full, with its subscriptions.", "millrace connections show 019c0f6d2f8a7c3e9b1d5a4f6e2c8b70")
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
        var connection = await connections.GetAsync(id, cancellationToken);
        if (output.IsJson)
        {
            output.WriteObject(json => ConnectionWire.WriteMembers(json, connection));
            return ExitCodes.Done;
        }

        Line("id", MessageText.Preview(connection.Id));
        Line("user", MessageText.Preview(connection.User));
        Line("peer", MessageText.Preview(connection.Peer));
        Line("transport", MessageText.Preview(connection.Transport));
        Line("version", MessageText.Preview(connection.Version));
        Line("client id", MessageText.Preview(connection.ClientId));
        Line("connected", MessageText.Time(connection.ConnectedAt));
        Line("frames", MessageText.Count(connection.FramesReceived));
        Line("sent", $"{MessageText.Count(connection.MessagesSent)} messages");
        Line("delivered", $"{MessageText.Count(connection.MessagesDelivered)} messages");
        Line("pending", $"{MessageText.Count(connection.PendingBytes)} bytes");
        Line("transactions", MessageText.Count(connection.Transactions));
        if (connection.Subscriptions.Count == 0)
        {
            return ExitCodes.Done;
        }

        output.WriteLine("");
        var columns = new Columns("SUBSCRIPTION", "DESTINATION", "ACKNOWLEDGE", "PREFETCH", "UNACKNOWLEDGED", "DELIVERED", "DROPPED");
        foreach (var subscription in connection.Subscriptions)
        {
            columns.Add(
                MessageText.Preview(subscription.Id),
                MessageText.Preview(subscription.Destination),
                MessageText.Preview(subscription.Acknowledge),
                MessageText.Count(subscription.Prefetch),
                MessageText.Count(subscription.Unacknowledged),
                MessageText.Count(subscription.Delivered),
                MessageText.Count(subscription.Dropped));
        }

        columns.WriteTo(output);
        return ExitCodes.Done;

        void Line(string label, string text) => output.WriteLine($"{label + ":",-13} {text}");
    }
}
