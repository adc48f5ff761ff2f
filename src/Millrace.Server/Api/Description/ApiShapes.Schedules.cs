using System.Text.Json;
using Microsoft.OpenApi;
using Millrace.Scheduling;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api.Description;

/// <summary>Schedules and their runs.</summary>
internal sealed partial class ApiShapes
{
    private const long LongestTimeMs = 49L * 86_400_000;
    private const long DayMs = 86_400_000;

    private IEnumerable<(string, OpenApiSchema)> OfSchedules() =>
    [
        ("ScheduleList", Answer(
            "A page of schedules.", Always(ScheduleWire.Schedules, List("In the order of their names.", Ref("Schedule"))), Always(WireNames.Next, NextPage()))),
        ("Schedule", Answer(
            "A schedule as it is now.",
            Always(WireNames.Name, Text("Its name.")),
            Always(ScheduleWire.Status, Words("Whether it is fired.", ScheduleWire.Statuses.Select(status => status.Word))),
            Always(ScheduleWire.NextDue, OrNull(Time("When it is due next; before now: it is overdue. Null when it is not fired."))),
            Always(ScheduleWire.Definition, Ref("ScheduleDefinition")),
            Always(WireNames.Version, Count("Rises when it is changed what it does, or when.")),
            Always(ScheduleWire.Source, Text("Who defined it: code:APPLICATION, file:NAME or api.")),
            Always(WireNames.CreatedAt, Time("When it was first defined.")),
            Always(ScheduleWire.OpenRuns, List("The runs that have not ended.", Text("The id of a run."))),
            Always(ScheduleWire.Fired, Count("Occurrences that were fired.")),
            Always(ScheduleWire.Succeeded, Count("Runs that succeeded.")),
            Always(ScheduleWire.Failed, Count("Runs that failed for good.")),
            Always(ScheduleWire.Cancelled, Count("Runs that were cancelled.")),
            Always(ScheduleWire.Skipped, Count("Occurrences that were skipped.")),
            Always(ScheduleWire.LastRun, OrNull(LastRun())))),
        ("ScheduleChanged", Answer(
            "What became of the definition.",
            Always(ScheduleWire.Change, Words("What has changed.", Enum.GetValues<ScheduleChange>().Select(ScheduleWire.WordOf))))),
        ("ScheduleRun", Answer("A run.", Always(ScheduleWire.Run, Text("Its id, which is the id of its message.")))),
        ("Occurrences", Answer("When a schedule is due.", Always(ScheduleWire.Occurrences, List("In order, without jitter.", Time("When."))))),
        .. OfRuns(),
        .. OfDefinitions(),
    ];

    private IEnumerable<(string, OpenApiSchema)> OfRuns() =>
    [
        ("RunPage", Answer("A page of runs.", Always(RunWire.Runs, List("The newest first.", Ref("Run"))), Always(WireNames.Next, NextPage()))),
        ("Run", Answer(
            "An attempt of a run that has ended, a plain message that was sent, or occurrences that were skipped.",
            Always(RunWire.Run, Text("The id of the run; its attempts share it.")),
            Always(RunWire.Schedule, OrNull(Text("The schedule; null for a job that was enqueued by itself."))),
            Always(RunWire.Job, OrNull(Text("The job; null for a plain message."))),
            Always(WireNames.Queue, Text("The queue.")),
            Always(ScheduleWire.Outcome, Words("How it ended.", RunWire.Outcomes.Select(outcome => outcome.Word))),
            Always(ScheduleWire.ScheduledAt, Time("When it was due; the first one, where it stands for several.")),
            Always(RunWire.ScheduledUntil, OrNull(Time("When the last of several was due; null if it is one."))),
            Always(RunWire.Count, Count("How many occurrences it stands for: 1, or many that were skipped at once for the same reason.")),
            Always(RunWire.StartedAt, OrNull(Time("When the attempt started; null if it never did."))),
            Always(ScheduleWire.FinishedAt, Time("When it ended, was sent, or was skipped.")),
            Always(RunWire.DurationMs, OrNull(Milliseconds("How long the attempt took.", long.MaxValue))),
            Always(RunWire.Node, Text("Where it ran.")),
            Always(WireNames.Attempt, Count("Which attempt it was, from 1; 0 if it never started.")),
            Always(ScheduleWire.Error, OrNull(Text("What went wrong, or why it was skipped."))),
            Always(RunWire.Result, new OpenApiSchema { Description = "What the job returned; null if nothing." }))),
        ("RunStatistics", Answer(
            "Counts and times of runs.",
            Always(ScheduleWire.Succeeded, Count("Runs that succeeded.")),
            Always(RunWire.Retried, Count("Attempts that failed and were repeated.")),
            Always(ScheduleWire.Failed, Count("Runs that failed for good.")),
            Always(ScheduleWire.Cancelled, Count("Runs that were cancelled.")),
            Always(ScheduleWire.Skipped, Count("Occurrences that were skipped.")),
            Always(RunWire.Sent, Count("Plain messages that were sent.")),
            Always(RunWire.Duration, OrNull(Times("How long attempts took; null when none has run."))),
            Always(RunWire.Lateness, OrNull(Times("How long after they were due first attempts started; null when none has."))))),
    ];

    private IEnumerable<(string, OpenApiSchema)> OfDefinitions() =>
    [
        ("ScheduleDefinition", Request(
            "What a schedule is. It has one of 'job' and 'message'.",
            Perhaps("name", Text("Its name, as in the path.", 1, ScheduleDefinition.MaxNameBytes)),
            Always(Encode("trigger"), Trigger()),
            Perhaps("job", Ref("ScheduleJob")),
            Perhaps("message", Ref("ScheduleMessage")),
            Perhaps("queue", Text($"The queue that it sends to: of a job {ScheduleDefinition.DefaultQueue} unless set; with 'message' it must be set.", 1, ResourceName.MaxBytes)),
            Perhaps("description", OrNull(Text("For people."))),
            Perhaps("start", OrNull(Time("The first time at which it may be due."))),
            Perhaps("end", OrNull(Time("The time from which it is not due any more."))),
            Perhaps("jitterMs", Milliseconds("Each occurrence is fired up to so much later.", DayMs)),
            Perhaps("maxRuns", OrNull(Whole("How many occurrences are fired in all, without those that somebody asked for.", 1, long.MaxValue))),
            Perhaps("misfire", Ref("MisfirePolicy")),
            Perhaps("overlap", Ref("OverlapPolicy")),
            Perhaps("timeoutMs", OrNull(new OpenApiSchema { Type = JsonSchemaType.Number, Minimum = "1", Maximum = Number(LongestTimeMs), Description = "How long one attempt may take." })),
            Perhaps("retry", Ref("RetryPolicy")),
            Perhaps("priority", Whole("The priority of its messages; 4 by default.", MessagePriority.Lowest, MessagePriority.Highest)),
            Perhaps("tags", new OpenApiSchema { Type = JsonSchemaType.Array, Items = Text("A word."), MaxItems = ScheduleDefinition.MostLabels, Description = "Words to find it by." }),
            Perhaps("metadata", new OpenApiSchema
            {
                Type = JsonSchemaType.Object,
                AdditionalProperties = Text("A value."),
                MaxProperties = ScheduleDefinition.MostLabels,
                Description = "Whatever a user wants to keep with it.",
            }),
            Perhaps("enabled", Flag("Whether it is fired at all; true unless set.")))),
        ("ScheduleJob", Request(
            "The job that is run.",
            Always(Encode("name"), Text("Its name.")),
            Perhaps("version", Whole("The version of its arguments; 1 by default.", 1, int.MaxValue)),
            Perhaps("arguments", new OpenApiSchema { Description = "Its arguments, as JSON." }),
            Perhaps("argumentsBase64", Base64("Its arguments, where they are not JSON.")),
            Perhaps("contentType", Text("The type of the arguments; application/json unless set.")))),
        ("ScheduleMessage", Request(
            "The message that is sent. It has one of 'body', 'text' and 'json', or no body.",
            Perhaps("body", Base64("The body.")),
            Perhaps("text", Text("The body as text.")),
            Perhaps("json", new OpenApiSchema { Description = "The body as JSON." }),
            Perhaps("contentType", OrNull(Text("The type of the body."))),
            Perhaps("headers", HeadersSchema()))),
        ("MisfirePolicy", Request(
            "What becomes of occurrences that could not be fired in time.",
            Perhaps("policy", Words("Which policy; fireOnce by default.", "skip", "fireOnce", "fireAll")),
            Perhaps("count", Whole("With fireAll: how many of them at most, one after the other unless the overlap policy is allow.", 1, MisfirePolicy.MostFired)),
            Perhaps("graceMs", new OpenApiSchema
            {
                Type = JsonSchemaType.Number,
                Minimum = Number((long)MisfirePolicy.ShortestGrace.TotalMilliseconds),
                Maximum = Number(DayMs),
                Description = "How late an occurrence may be fired without having been missed; 30,000 by default.",
            }))),
        ("OverlapPolicy", Request(
            "What becomes of an occurrence while earlier ones have not ended.",
            Perhaps("policy", Words("Which policy; skip by default.", "skip", "bufferOne", "allow", "cancelRunning")),
            Perhaps("count", Whole("With allow: how many may be open at once.", 1, OverlapPolicy.MostOpen)))),
        ("RetryPolicy", Request(
            "What follows a failure.",
            Perhaps("kind", Words("How the delay grows; exponential by default.", "exponential", "fixed", "linear", "random")),
            Perhaps("maxAttempts", Whole("Attempts in all; 10 by default.", 1, JobRetry.MostAttempts)),
            Perhaps("delayMs", Milliseconds("The first, the fixed or the least delay.", MaxDelayMs)),
            Perhaps("maxDelayMs", Milliseconds("The longest delay.", MaxDelayMs)),
            Perhaps("factor", new OpenApiSchema { Type = JsonSchemaType.Number, Minimum = "1", Description = "How fast an exponential delay grows; 2 by default." }),
            Perhaps("retryOn", List("The exceptions that are worth another attempt; all when it is empty.", Text("A name."))),
            Perhaps("failOn", List("The exceptions that are not.", Text("A name."))))),
    ];

    private static OpenApiSchema Trigger() => new()
    {
        Type = JsonSchemaType.String | JsonSchemaType.Object,
        Description = "When it is due: a text such as '0 3 * * * in Europe/Berlin', 'every 5m' or 'at 2027-01-01T00:00:00Z', or an object with one of cron (and zone), every "
            + "(and anchor), once, anyOf, or trigger (with except, start and end).",
    };

    private static OpenApiSchema Times(string description) => Answer(
        description,
        Always(RunWire.MinMs, Milliseconds("The shortest.", long.MaxValue)),
        Always(RunWire.AverageMs, Milliseconds("The mean.", long.MaxValue)),
        Always(RunWire.MaxMs, Milliseconds("The longest.", long.MaxValue)),
        Always(RunWire.P99Ms, Milliseconds("What 99 of 100 did not exceed.", long.MaxValue)));

    private static OpenApiSchema LastRun() => Answer(
        "The last run that has ended.",
        Always(ScheduleWire.ScheduledAt, Time("When it was due.")),
        Always(ScheduleWire.FinishedAt, Time("When it ended.")),
        Always(ScheduleWire.Outcome, Words("How it ended.", Enum.GetValues<RunOutcome>().Select(ScheduleWire.WordOf))),
        Always(ScheduleWire.Error, OrNull(Text("What went wrong."))));

    private static Field Perhaps(string name, IOpenApiSchema schema) => Perhaps(Encode(name), schema);

    private static JsonEncodedText Encode(string name) => JsonEncodedText.Encode(name);
}
