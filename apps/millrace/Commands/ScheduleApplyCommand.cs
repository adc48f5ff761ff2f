using System.CommandLine;
using Millrace.App.Output;
using Millrace.App.Schedules;
using Millrace.Storage.Http.Wire;

namespace Millrace.App.Commands;

/// <summary><c>millrace schedule apply</c>: the schedules of a file.</summary>
internal static class ScheduleApplyCommand
{
    public static Command Create(CliContext context)
    {
        var file = new Argument<string>("FILE") { Description = $"The file: {ScheduleFileText.Forms}." };
        var keep = new Option<bool>("--keep") { Description = "Leave schedules that the file defined before and does not any more; otherwise they are fired no more." };
        var name = new Option<string?>("--name")
        {
            Description = "By what name the store knows the file: what the file of this name defined before and this one does not is fired no more. The file's own unless set, so two files of one name need it.",
            HelpName = "NAME",
        };
        var command = new CliCommand(
            "apply",
            "Define the schedules of a file. One that is not valid is refused by itself, and makes the exit code 2. What is the same as before goes on as if nothing had happened.",
            "millrace schedule apply schedules.yaml",
            "millrace schedule apply schedules.json --keep --json")
        {
            file, name, keep,
        };
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, arguments.GetRequiredValue(file), arguments.GetValue(name), arguments.GetValue(keep), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string file, string? name, bool keeps, CliContext context, CancellationToken cancellationToken)
    {
        await using var mill = await ScheduleAccess.OpenAsync(arguments, context, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var applied = await ScheduleFileSource.ApplyAsync(mill.Schedules, file, name, keeps, cancellationToken);
        foreach (var result in applied.Results)
        {
            Report(output, result.Name, result.Error is null ? ScheduleWire.WordOf(result.Change) : "refused", result.Error?.Message);
        }

        foreach (var orphan in applied.Orphans)
        {
            Report(output, orphan, "orphaned", null);
        }

        return applied.Results.All(result => result.Error is null) ? ExitCodes.Done : ExitCodes.Usage;
    }

    private static void Report(OutputWriter output, string schedule, string change, string? error)
    {
        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("schedule", schedule);
                json.WriteString("change", change);
                json.WriteString("error", error);
            });
        }
        else
        {
            output.WriteLine($"{change,-10} {schedule}{(error is null ? "" : ": " + error)}");
        }
    }
}
