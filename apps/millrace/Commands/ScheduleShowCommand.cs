using System.CommandLine;
using System.Text;
using System.Text.Json;
using Millrace.App.Output;
using Millrace.Scheduling;
using Millrace.Scheduling.Schedules;
using Millrace.Storage.Http.Wire;

namespace Millrace.App.Commands;

/// <summary><c>millrace schedule show</c>: one schedule in full.</summary>
internal static class ScheduleShowCommand
{
    public static Command Create(CliContext context)
    {
        var schedule = ScheduleAccess.Schedule();
        var command = new CliCommand("show", "Show one schedule in full: what it is, when it is due next, and what came of it.", "millrace schedule show nightly")
        {
            schedule,
        };
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, arguments.GetRequiredValue(schedule), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string schedule, CliContext context, CancellationToken cancellationToken)
    {
        await using var mill = await ScheduleAccess.OpenAsync(arguments, context, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var info = await mill.Schedules.RequireAsync(schedule, cancellationToken);
        if (output.IsJson)
        {
            output.WriteObject(json => ScheduleWire.WriteMembers(json, info));
            return ExitCodes.Done;
        }

        Line("name", info.Definition.Name);
        Line("status", ScheduleWire.WordOf(info.Status));
        Line("next due", MessageText.Time(info.NextDue));
        Line("trigger", info.Definition.Trigger.ToString());
        Line("queue", info.Definition.Queue);
        Line("version", MessageText.Count(info.Version));
        Line("source", info.Source);
        Line("created", MessageText.Time(info.CreatedAt));
        Line("fired", $"{MessageText.Count(info.Fired)}, of which {MessageText.Count(info.OpenRuns.Count)} have not ended");
        Line("ended", $"{MessageText.Count(info.Succeeded)} succeeded, {MessageText.Count(info.Failed)} failed, {MessageText.Count(info.Cancelled)} cancelled");
        Line("skipped", MessageText.Count(info.Skipped));
        Line("last run", LastOf(info));
        foreach (var run in info.OpenRuns)
        {
            Line("open", run);
        }

        output.WriteLine("");
        output.WriteLine(DefinitionOf(info.Definition));
        return ExitCodes.Done;

        void Line(string label, string text) => output.WriteLine($"{label + ":",-10} {text}");
    }

    private static string LastOf(ScheduleInfo info)
    {
        var error = info.LastError is { } text ? ": " + MessageText.Preview(text) : "";
        return info.LastOutcome is { } outcome
            ? $"due {MessageText.Time(info.LastScheduledAt)}, {ScheduleWire.WordOf(outcome)} at {MessageText.Time(info.LastFinishedAt)}{error}"
            : "-";
    }

    // As a file of schedules has it.
    private static string DefinitionOf(ScheduleDefinition definition)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = WireJson.WriterOptions.Encoder }))
        {
            ScheduleJson.Write(json, definition);
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
