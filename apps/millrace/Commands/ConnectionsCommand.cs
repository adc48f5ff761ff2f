using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace connections</c>: who is connected to a node by STOMP.</summary>
internal static class ConnectionsCommand
{
    public static Command Create(CliContext context) => new CliCommand(
        "connections",
        "List, show and close the STOMP connections of a node, for its administrators.",
        "millrace connections list",
        "millrace connections close 019c0f6d2f8a7c3e9b1d5a4f6e2c8b70 --server http://127.0.0.1:7070")
    {
        ConnectionsListCommand.Create(context),
        ConnectionsShowCommand.Create(context),
        ConnectionsCloseCommand.Create(context),
    };

    /// <summary>The argument that names one of them.</summary>
    public static Argument<string> Connection()
    {
        var connection = new Argument<string>("ID") { Description = "The connection's id, as 'millrace connections list' shows it." };
        connection.Validators.Add(result =>
        {
            if (string.IsNullOrWhiteSpace(result.Tokens[0].Value))
            {
                result.AddError("ID must not be empty: 'millrace connections list' shows the ids.");
            }
        });
        return connection;
    }
}
