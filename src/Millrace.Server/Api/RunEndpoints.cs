using Microsoft.AspNetCore.Http;
using Millrace.Scheduling;
using Millrace.Server.Security;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>The history of runs: of all, and of one schedule.</summary>
internal static class RunEndpoints
{
    private const int MaxPage = 1000;

    private static readonly TextParameter Schedule = new("schedule", "Only runs of this schedule.");
    private static readonly TextParameter Job = new("job", "Only runs of this job.");
    private static readonly TextParameter Run = new("run", "Only this run, with all of its attempts.");
    private static readonly ChoiceParameter<RunOutcome?> Outcome = new(
        "outcome", "Only those that ended so.", [("any", null), .. RunWire.Outcomes.Select(outcome => (outcome.Word, (RunOutcome?)outcome.Outcome))]);

    private static readonly TextParameter From = new("from", "Only those that ended at or after this time, such as 2026-01-31T08:30:00Z.");
    private static readonly TextParameter To = new("to", "Only those that ended before this time.");
    private static readonly TextParameter After = new("after", "Where to go on: 'next' of the page before.");
    private static readonly NumberParameter Limit = new("limit", "The most runs of a page.", 100, 1, MaxPage);

    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Get, "runs", "Runs that have ended, the newest first, a page at a time.", ListAsync)
        {
            Query = [Schedule, Job, Run, Outcome, From, To, After, Limit],
            Answer = "RunPage",
        },
        new(HttpMethods.Get, "runs/statistics", "Counts and times of the runs that the history has.", GetStatisticsOfAllAsync)
        {
            Query = [Schedule, Job, Run, Outcome, From, To],
            Answer = "RunStatistics",
        },
        new(HttpMethods.Get, "schedules/{schedule}/runs", "Runs of a schedule that have ended, and occurrences that were skipped, the newest first.", ListOfScheduleAsync)
        {
            Query = [Outcome, From, To, After, Limit],
            Answer = "RunPage",
        },
        new(HttpMethods.Get, "schedules/{schedule}/statistics", "Counts and times of the runs of a schedule that the history has.", GetStatisticsAsync)
        {
            Query = [From, To],
            Answer = "RunStatistics",
        },
    ];

    private static Task ListAsync(ApiCall call) => AnswerAsync(call, QueryOf(call) with { Schedule = ScheduleOf(call), Job = Job.Read(call), Run = Run.Read(call) });

    private static Task GetStatisticsOfAllAsync(ApiCall call) => AnswerStatisticsAsync(call, new RunQuery
    {
        Schedule = ScheduleOf(call),
        Job = Job.Read(call),
        Run = Run.Read(call),
        Outcome = Outcome.Read(call),
        Since = ScheduleEndpoints.TimeOf(call, From),
        Until = ScheduleEndpoints.TimeOf(call, To),
    });

    private static Task ListOfScheduleAsync(ApiCall call)
    {
        var schedule = ScheduleEndpoints.VisibleScheduleOf(call);
        return AnswerAsync(call, QueryOf(call) with { Schedule = schedule });
    }

    private static Task GetStatisticsAsync(ApiCall call)
    {
        var schedule = ScheduleEndpoints.VisibleScheduleOf(call);
        return AnswerStatisticsAsync(call, new RunQuery { Schedule = schedule, Since = ScheduleEndpoints.TimeOf(call, From), Until = ScheduleEndpoints.TimeOf(call, To) });
    }

    private static async Task AnswerStatisticsAsync(ApiCall call, RunQuery query)
    {
        var statistics = await HistoryOf(call).GetStatisticsAsync(query, run => IsVisible(call.Caller, run), call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            RunWire.WriteMembers(json, statistics);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task AnswerAsync(ApiCall call, RunQuery query)
    {
        var (runs, next) = await ListVisibleAsync(call, query).ConfigureAwait(false);
        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray(RunWire.Runs);
            foreach (var run in runs)
            {
                json.WriteStartObject();
                RunWire.WriteMembers(json, run);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteString(WireNames.Next, next);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    // Reads on where runs are hidden.
    private static async ValueTask<(List<RunRecord> Runs, string? Next)> ListVisibleAsync(ApiCall call, RunQuery query)
    {
        var history = HistoryOf(call);
        var visible = new List<RunRecord>();
        while (true)
        {
            var page = await history.ListAsync(query with { Limit = query.Limit - visible.Count }, call.Aborted).ConfigureAwait(false);
            visible.AddRange(page.Runs.Where(run => IsVisible(call.Caller, run)));
            if (page.Next is null || visible.Count == query.Limit)
            {
                return (visible, page.Next);
            }

            query = query with { Continuation = page.Next };
        }
    }

    private static string? ScheduleOf(ApiCall call)
    {
        var schedule = Schedule.Read(call);
        return schedule is null || ScheduleEndpoints.IsVisible(call.Caller, schedule) ? schedule : throw call.Denied(Permission.Receive, ResourceKind.Schedule, schedule);
    }

    private static RunHistory HistoryOf(ApiCall call)
    {
        // Says what is missing where a store has none.
        _ = call.Instance.Streams;
        return call.Instance.Client.Runs;
    }

    private static RunQuery QueryOf(ApiCall call) => new()
    {
        Outcome = Outcome.Read(call),
        Since = ScheduleEndpoints.TimeOf(call, From),
        Until = ScheduleEndpoints.TimeOf(call, To),
        Continuation = After.Read(call),
        Limit = (int)Limit.Read(call),
    };

    // A job that no schedule has fired is its queue's.
    private static bool IsVisible(Caller caller, RunRecord run) => run.Schedule is { } schedule
        ? ScheduleEndpoints.IsVisible(caller, schedule)
        : Enum.GetValues<Permission>().Any(permission => caller.May(permission, ResourceKind.Queue, run.Queue));
}
