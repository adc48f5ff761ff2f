using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Millrace.App.Output;
using Millrace.Client;
using Millrace.Scheduling;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.App.Commands;

/// <summary><c>millrace schedule history</c>: what came of schedules and jobs.</summary>
internal static class ScheduleHistoryCommand
{
    private const int DefaultLimit = 50;
    private const int PageSize = 500;

    private static readonly string Words = string.Join(", ", RunWire.Outcomes.Select(outcome => outcome.Word));

    public static Command Create(CliContext context)
    {
        var schedule = new Argument<string?>("SCHEDULE")
        {
            Description = "Only runs of this schedule; those of all, and of jobs without one, unless set.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var job = new Option<string?>("--job") { Description = "Only runs of this job.", HelpName = "NAME" };
        var run = new Option<string?>("--run") { Description = "Only this run, with all of its attempts.", HelpName = "ID" };
        var outcome = new Option<RunOutcome?>("--outcome") { Description = $"Only those that ended so: {Words}.", HelpName = "OUTCOME", CustomParser = ParseOutcome };
        var since = DurationText.Option("--since", "Only those that ended so long ago at most, such as 1h.");
        var statistics = new Option<bool>("--statistics") { Description = "Print counts and times instead of runs." };
        var limit = Arguments.Limit(DefaultLimit);
        var command = new CliCommand(
            "history",
            "List runs that have ended, messages that were sent, and occurrences that were skipped, the newest first, in UTC. Of a plain message nobody knows whether it was handled.",
            "millrace schedule history nightly",
            "millrace schedule history --outcome failed --since 1d --json",
            "millrace schedule history nightly --statistics")
        {
            schedule, job, run, outcome, since, statistics, limit,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            var query = new RunQuery
            {
                Schedule = arguments.GetValue(schedule),
                Job = arguments.GetValue(job),
                Run = arguments.GetValue(run),
                Outcome = arguments.GetValue(outcome),
                Since = arguments.GetValue(since) is { } age ? context.TimeProvider.GetUtcNow() - age : null,
            };
            return RunAsync(arguments, query, arguments.GetValue(statistics) ? null : arguments.GetValue(limit), context, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, RunQuery query, int? limit, CliContext context, CancellationToken cancellationToken)
    {
        await using var mill = await ScheduleAccess.OpenAsync(arguments, context, cancellationToken);
        using var output = context.OpenOutput(arguments);

        // Says what is missing where a store has none.
        _ = mill.Require<IStreamStore>();
        if (limit is { } most)
        {
            await ListAsync(mill, query, most, output, cancellationToken);
        }
        else
        {
            Summarize(await mill.Runs.GetStatisticsAsync(query, cancellationToken), output);
        }

        return ExitCodes.Done;
    }

    private static async Task ListAsync(MillraceClient mill, RunQuery query, int limit, OutputWriter output, CancellationToken cancellationToken)
    {
        var columns = new Columns("FINISHED", "SCHEDULE", "JOB", "OUTCOME", "ATTEMPT", "DUE", "TOOK", "NODE", "ERROR");
        do
        {
            var page = await mill.Runs.ListAsync(query with { Limit = Math.Min(limit, PageSize) }, cancellationToken);
            foreach (var run in page.Runs)
            {
                columns.Add(
                    MessageText.Time(run.FinishedAt),
                    MessageText.Preview(run.Schedule),
                    MessageText.Preview(run.Job),
                    ScheduleWire.WordOf(run.Outcome),
                    run.Attempt.ToString(CultureInfo.InvariantCulture),
                    MessageText.Time(run.ScheduledAt),
                    MessageText.Duration(run.Duration),
                    MessageText.Preview(run.Node),
                    run.Count == 1 ? MessageText.Preview(run.Error) : $"{run.Error}, {MessageText.Count(run.Count)} until {MessageText.Time(run.ScheduledUntil)}");
                if (output.IsJson)
                {
                    output.WriteObject(json => RunWire.WriteMembers(json, run));
                }
            }

            limit -= page.Runs.Count;
            query = query with { Continuation = page.Next };
        }
        while (query.Continuation is not null && limit > 0);
        if (!output.IsJson)
        {
            columns.WriteTo(output);
        }
    }

    private static void Summarize(RunStatistics statistics, OutputWriter output)
    {
        if (output.IsJson)
        {
            output.WriteObject(json => RunWire.WriteMembers(json, statistics));
            return;
        }

        output.WriteLine($"succeeded: {MessageText.Count(statistics.Succeeded)}");
        output.WriteLine($"retried:   {MessageText.Count(statistics.Retried)}");
        output.WriteLine($"failed:    {MessageText.Count(statistics.Failed)}");
        output.WriteLine($"cancelled: {MessageText.Count(statistics.Cancelled)}");
        output.WriteLine($"skipped:   {MessageText.Count(statistics.Skipped)}");
        output.WriteLine($"sent:      {MessageText.Count(statistics.Sent)}");
        output.WriteLine($"took:      {TextOf(statistics.Duration)}");
        output.WriteLine($"late:      {TextOf(statistics.Lateness)}");
    }

    private static string TextOf(RunTimes? times) => times is null
        ? "-"
        : $"{MessageText.Duration(times.Min)} to {MessageText.Duration(times.Max)}, {MessageText.Duration(times.Average)} on average, 99 of 100 within {MessageText.Duration(times.P99)}";

    private static RunOutcome? ParseOutcome(ArgumentResult result)
    {
        foreach (var (word, outcome) in RunWire.Outcomes)
        {
            if (word == result.Tokens[0].Value)
            {
                return outcome;
            }
        }

        result.AddError($"--outcome takes {Words}, not '{result.Tokens[0].Value}'.");
        return null;
    }
}
