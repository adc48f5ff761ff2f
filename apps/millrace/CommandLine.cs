using System.CommandLine;
using System.CommandLine.Invocation;
using Millrace.App.Commands;

namespace Millrace.App;

/// <summary>The command line: parse, run one command, turn every fault into one sentence and an exit code.</summary>
internal static class CommandLine
{
    private const string CommandName = "millrace";

    public static async Task<int> RunAsync(IReadOnlyList<string> args, CliContext context, CancellationToken cancellationToken)
    {
        try
        {
            // A message may begin with '@', which the parser would take for a file of arguments.
            var parsed = CreateRoot(context).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (parsed.Action is ParseErrorAction)
            {
                var path = string.Join(' ', parsed.CommandResult.Command.PathFromRoot());
                await context.Error.WriteLineAsync($"millrace: {OneLine(DescribeError(parsed))} See '{path} --help'.");
                return ExitCodes.Usage;
            }

            var output = new StringWriter();
            var configuration = new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
                Output = output,
                Error = context.Error,
            };
            var code = await parsed.InvokeAsync(configuration, cancellationToken);
            var help = output.ToString();
            if (help.Length > 0)
            {
                await using var writer = new StreamWriter(context.Output, leaveOpen: true);
                await writer.WriteAsync(help);
            }

            return code;
        }
        catch (ClosedOutputException)
        {
            return ExitCodes.ClosedOutput;
        }
        catch (MillraceException exception)
        {
            return await FailAsync(context, ExitCodes.Of(exception), exception.Message);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return await FailAsync(context, ExitCodes.Failed, exception.Message);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return await FailAsync(context, ExitCodes.Failed, $"This is a fault in millrace ({exception.GetType().Name}): {exception.Message}");
        }
    }

    public static RootCommand CreateRoot(CliContext context)
    {
        var root = new RootCommand("Millrace: queues with leases, retries and dead letters, on the store that a URL names.")
        {
            CliContext.UrlOption,
            CliContext.ServerOption,
            CliContext.JsonOption,
            SendCommand.Create(context),
            WorkCommand.Create(context),
            ReceiveCommand.Create(context),
            StatsCommand.Create(context),
            TopCommand.Create(context),
            BenchCommand.Create(context),
            BrowseCommand.Create(context),
            DeadCommand.Create(context),
            QueueCommand.Create(context),
            StreamCommand.Create(context),
            ScheduleCommand.Create(context),
            ConnectionsCommand.Create(context),
            BindCommand.Create(context),
            UnbindCommand.Create(context),
            BindingsCommand.Create(context),
            PublishCommand.Create(context),
            ServeCommand.Create(context),
            MigrateCommand.Create(context),
            ConfigCommand.Create(context),
            UserCommand.Create(context),
        };
        root.HelpName = CommandName;
        HelpWithExamples.InstallOn(root);
        return root;
    }

    private static async Task<int> FailAsync(CliContext context, int code, string message)
    {
        await context.Error.WriteLineAsync($"millrace: {OneLine(message)}");
        return code;
    }

    // A word that nobody knows explains more than what is missing because of it.
    private static string DescribeError(ParseResult parsed)
    {
        var message = parsed.UnmatchedTokens.Count > 0
            ? $"'{parsed.UnmatchedTokens[0]}' is no command, argument or option here."
            : parsed.Errors[0].Message.TrimEnd();
        return message.EndsWith('.') ? message : message + ".";
    }

    // Whatever an engine or the parser put into its message.
    private static string OneLine(string message) => string.Join(' ', message.Split((char[])['\r', '\n', '\t', ' '], StringSplitOptions.RemoveEmptyEntries));

    private static Stack<string> PathFromRoot(this Command command)
    {
        var path = new Stack<string>();
        for (var current = command; current is not null; current = current.Parents.OfType<Command>().FirstOrDefault())
        {
            path.Push(current is RootCommand ? CommandName : current.Name);
        }

        return path;
    }
}
