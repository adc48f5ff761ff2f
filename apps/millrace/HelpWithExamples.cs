using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Globalization;

namespace Millrace.App;

/// <summary>A command that shows examples in its help.</summary>
internal sealed class CliCommand(string name, string description, params string[] examples) : Command(name, description)
{
    /// <summary>Command lines, each runnable as it stands.</summary>
    public IReadOnlyList<string> Examples { get; } = examples;
}

/// <summary>The parser's own help, with examples after it, and with the exit codes on the first page.</summary>
internal sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
{
    private static readonly string[] RootExamples =
    [
        "millrace send orders '{\"sku\": 7}'",
        "millrace work orders --exec './handle-order.sh' --concurrency 4",
        "millrace stats",
        "millrace dead redrive orders --all",
    ];

    public static void InstallOn(RootCommand root)
    {
        var option = root.Options.OfType<HelpOption>().Single();
        option.Action = new HelpWithExamples((HelpAction)option.Action!);
    }

    /// <summary>Help for an incomplete command line is help, not an error.</summary>
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        help.Invoke(parseResult);
        var output = parseResult.InvocationConfiguration.Output;
        var command = parseResult.CommandResult.Command;
        var examples = command is CliCommand described ? described.Examples : command is RootCommand ? RootExamples : [];
        if (examples.Count > 0)
        {
            output.WriteLine("Examples:");
            foreach (var example in examples)
            {
                output.WriteLine("  " + example);
            }

            output.WriteLine();
        }

        if (command is RootCommand)
        {
            output.WriteLine("Exit codes:");
            foreach (var (code, meaning) in ExitCodes.Meanings)
            {
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {code,-4} {meaning}"));
            }

            output.WriteLine();
        }

        return ExitCodes.Done;
    }
}
