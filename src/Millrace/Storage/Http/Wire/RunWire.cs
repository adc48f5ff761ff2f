using System.Text.Json;
using Millrace.Scheduling;

namespace Millrace.Storage.Http.Wire;

/// <summary>The history of runs in JSON: in the HTTP API, and in what the command line prints.</summary>
internal static class RunWire
{
    public static readonly JsonEncodedText Runs = JsonEncodedText.Encode("runs");
    public static readonly JsonEncodedText Run = JsonEncodedText.Encode("run");
    public static readonly JsonEncodedText Job = JsonEncodedText.Encode("job");
    public static readonly JsonEncodedText Schedule = JsonEncodedText.Encode("schedule");
    public static readonly JsonEncodedText ScheduledUntil = JsonEncodedText.Encode("scheduledUntil");
    public static readonly JsonEncodedText Count = JsonEncodedText.Encode("count");
    public static readonly JsonEncodedText Sent = JsonEncodedText.Encode("sent");
    public static readonly JsonEncodedText StartedAt = JsonEncodedText.Encode("startedAt");
    public static readonly JsonEncodedText DurationMs = JsonEncodedText.Encode("durationMs");
    public static readonly JsonEncodedText Node = JsonEncodedText.Encode("node");
    public static readonly JsonEncodedText Result = JsonEncodedText.Encode("result");
    public static readonly JsonEncodedText Retried = JsonEncodedText.Encode("retried");
    public static readonly JsonEncodedText Duration = JsonEncodedText.Encode("duration");
    public static readonly JsonEncodedText Lateness = JsonEncodedText.Encode("lateness");
    public static readonly JsonEncodedText MinMs = JsonEncodedText.Encode("minMs");
    public static readonly JsonEncodedText AverageMs = JsonEncodedText.Encode("averageMs");
    public static readonly JsonEncodedText MaxMs = JsonEncodedText.Encode("maxMs");
    public static readonly JsonEncodedText P99Ms = JsonEncodedText.Encode("p99Ms");

    /// <summary>The words of <see cref="RunOutcome"/>, as they stand in JSON and on the command line.</summary>
    public static readonly (string Word, RunOutcome Outcome)[] Outcomes = [.. Enum.GetValues<RunOutcome>().Select(outcome => (ScheduleWire.WordOf(outcome), outcome))];

    /// <summary>The members of a run, within an object.</summary>
    public static void WriteMembers(Utf8JsonWriter json, RunRecord run)
    {
        json.WriteString(Run, run.Run);
        json.WriteString(Schedule, run.Schedule);
        json.WriteString(Job, run.Job);
        json.WriteString(WireNames.Queue, run.Queue);
        json.WriteString(ScheduleWire.Outcome, ScheduleWire.WordOf(run.Outcome));
        json.WriteString(ScheduleWire.ScheduledAt, run.ScheduledAt);
        ScheduleWire.WriteTime(json, ScheduledUntil, run.ScheduledUntil);
        json.WriteNumber(Count, run.Count);
        ScheduleWire.WriteTime(json, StartedAt, run.StartedAt);
        json.WriteString(ScheduleWire.FinishedAt, run.FinishedAt);
        if (run.Duration is { } duration)
        {
            WireValues.WriteMilliseconds(json, DurationMs, duration);
        }
        else
        {
            json.WriteNull(DurationMs);
        }

        json.WriteString(Node, run.Node);
        json.WriteNumber(WireNames.Attempt, run.Attempt);
        json.WriteString(ScheduleWire.Error, run.Error);
        WriteResult(json, run.Result);
    }

    /// <summary>The members of statistics, within an object.</summary>
    public static void WriteMembers(Utf8JsonWriter json, RunStatistics statistics)
    {
        json.WriteNumber(ScheduleWire.Succeeded, statistics.Succeeded);
        json.WriteNumber(Retried, statistics.Retried);
        json.WriteNumber(ScheduleWire.Failed, statistics.Failed);
        json.WriteNumber(ScheduleWire.Cancelled, statistics.Cancelled);
        json.WriteNumber(ScheduleWire.Skipped, statistics.Skipped);
        json.WriteNumber(Sent, statistics.Sent);
        WriteTimes(json, Duration, statistics.Duration);
        WriteTimes(json, Lateness, statistics.Lateness);
    }

    private static void WriteTimes(Utf8JsonWriter json, JsonEncodedText name, RunTimes? times)
    {
        if (times is null)
        {
            json.WriteNull(name);
            return;
        }

        json.WriteStartObject(name);
        WireValues.WriteMilliseconds(json, MinMs, times.Min);
        WireValues.WriteMilliseconds(json, AverageMs, times.Average);
        WireValues.WriteMilliseconds(json, MaxMs, times.Max);
        WireValues.WriteMilliseconds(json, P99Ms, times.P99);
        json.WriteEndObject();
    }

    // The history is a stream, to which others may have written what is none.
    private static void WriteResult(Utf8JsonWriter json, string? result)
    {
        if (result is null)
        {
            json.WriteNull(Result);
            return;
        }

        try
        {
            using var document = JsonDocument.Parse(result);
            json.WritePropertyName(Result);
            document.RootElement.WriteTo(json);
        }
        catch (JsonException)
        {
            json.WriteString(Result, result);
        }
    }
}
