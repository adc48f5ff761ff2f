using System.CommandLine;
using Millrace.App.Serving;
using Millrace.Server.Configuration;

namespace Millrace.App.Commands;

/// <summary><c>millrace serve</c>: a node that serves stores over HTTP and STOMP.</summary>
internal static class ServeCommand
{
    public static Command Create(CliContext context)
    {
        var options = new ServeOptions();
        var command = new CliCommand(
            "serve",
            "Serve a store over HTTP and STOMP, to this machine only unless told otherwise. Prints where everything is, then 'ready'; the log goes to the error stream. "
            + "Ctrl-C or SIGTERM ends it in order: running requests are answered, stores are closed. A second signal ends it at once.",
            "millrace serve",
            "millrace serve --url sqlite:./data.db --listen http://127.0.0.1:8080",
            "millrace serve --stomp stomp://127.0.0.1:61613 --stomp stomps://127.0.0.1:61614",
            "millrace serve --config /etc/millrace/millrace.json --log-format json");
        options.AddTo(command);
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, options, context, cancellationToken));
        return command;
    }

    // Being told to stop is how a server ends: no failure, also when it has not begun.
    private static async Task<int> RunAsync(ParseResult arguments, ServeOptions options, CliContext context, CancellationToken cancellationToken)
    {
        var configuration = options.Read(arguments, context);
        await RemarkAsync(configuration, context);
        if (configuration.Faults.Count > 0)
        {
            return await RefuseAsync(configuration, context);
        }

        try
        {
            await new NodeProcess(context, configuration).RunAsync(arguments, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCodes.Done;
        }

        return ExitCodes.Done;
    }

    /// <summary>Says what one should know of a configuration.</summary>
    internal static async Task RemarkAsync(ServerConfiguration configuration, CliContext context)
    {
        foreach (var remark in configuration.Remarks)
        {
            await context.Error.WriteLineAsync($"millrace: {remark}");
        }
    }

    /// <summary>Says everything that is wrong with a configuration.</summary>
    internal static async Task<int> RefuseAsync(ServerConfiguration configuration, CliContext context)
    {
        foreach (var fault in configuration.Faults)
        {
            await context.Error.WriteLineAsync($"millrace: {fault.ReplaceLineEndings(" ")}");
        }

        return ExitCodes.Usage;
    }
}
