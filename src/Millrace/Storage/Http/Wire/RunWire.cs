using System.Buffers.Text;
using System.Text;
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
    public static readonly JsonEncodedText Progress = JsonEncodedText.Encode("progress");
    public static readonly JsonEncodedText ProgressText = JsonEncodedText.Encode("progressText");
    public static readonly JsonEncodedText Retried = JsonEncodedText.Encode("retried");
    public static readonly JsonEncodedText Duration = JsonEncodedText.Encode("duration");
    public static readonly JsonEncodedText Lateness = JsonEncodedText.Encode("lateness");
    public static readonly JsonEncodedText MinMs = JsonEncodedText.Encode("minMs");
    public static readonly JsonEncodedText AverageMs = JsonEncodedText.Encode("averageMs");
    public static readonly JsonEncodedText MaxMs = JsonEncodedText.Encode("maxMs");
    public static readonly JsonEncodedText P99Ms = JsonEncodedText.Encode("p99Ms");

    /// <summary>The words of <see cref="RunOutcome"/>, as they stand in JSON and on the command line.</summary>
    public static readonly (string Word, RunOutcome Outcome)[] Outcomes = [.. Enum.GetValues<RunOutcome>().Select(outcome => (ScheduleWire.WordOf(outcome), outcome))];

    private static readonly (JsonEncodedText Word, RunOutcome Outcome)[] OutcomeWords = Array.ConvertAll(Outcomes, outcome => (JsonEncodedText.Encode(outcome.Word), outcome.Outcome));

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
        if (run.Progress is { } progress)
        {
            json.WriteNumber(Progress, progress);
        }

        if (run.ProgressText is { } text)
        {
            json.WriteString(ProgressText, text);
        }
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

    public static RunPage ReadPage(ref WireReader json)
    {
        var runs = new List<RunRecord>();
        string? next = null;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Runs))
            {
                json.BeginArray();
                while (json.NextElement())
                {
                    runs.Add(Read(ref json));
                }
            }
            else if (json.Is(WireNames.Next))
            {
                next = json.OptionalText();
            }
            else
            {
                json.Skip();
            }
        }

        return new RunPage(runs, next);
    }

    public static RunStatistics ReadStatistics(ref WireReader json)
    {
        var statistics = new RunStatistics();
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(ScheduleWire.Succeeded))
            {
                statistics = statistics with { Succeeded = json.Number(0, long.MaxValue) };
            }
            else if (json.Is(Retried))
            {
                statistics = statistics with { Retried = json.Number(0, long.MaxValue) };
            }
            else if (json.Is(ScheduleWire.Failed))
            {
                statistics = statistics with { Failed = json.Number(0, long.MaxValue) };
            }
            else if (json.Is(ScheduleWire.Cancelled))
            {
                statistics = statistics with { Cancelled = json.Number(0, long.MaxValue) };
            }
            else if (json.Is(ScheduleWire.Skipped))
            {
                statistics = statistics with { Skipped = json.Number(0, long.MaxValue) };
            }
            else if (json.Is(Duration))
            {
                statistics = statistics with { Duration = ReadTimes(ref json) };
            }
            else if (json.Is(Lateness))
            {
                statistics = statistics with { Lateness = ReadTimes(ref json) };
            }
            else
            {
                json.Skip();
            }
        }

        return statistics;
    }

    private static RunRecord Read(ref WireReader json)
    {
        var run = new RunRecord { Run = "", Queue = "", Outcome = RunOutcome.Skipped, ScheduledAt = default, FinishedAt = default, Node = "" };
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Run))
            {
                run = run with { Run = json.Text() };
            }
            else if (json.Is(Schedule))
            {
                run = run with { Schedule = json.OptionalText() };
            }
            else if (json.Is(Job))
            {
                run = run with { Job = json.OptionalText() };
            }
            else if (json.Is(WireNames.Queue))
            {
                run = run with { Queue = json.Text() };
            }
            else if (json.Is(ScheduleWire.Outcome))
            {
                run = run with { Outcome = json.Choice<RunOutcome>(OutcomeWords) };
            }
            else if (json.Is(WireNames.Attempt))
            {
                run = run with { Attempt = json.Number(0, int.MaxValue) };
            }
            else if (json.Is(Node))
            {
                run = run with { Node = json.Text() };
            }
            else if (json.Is(ScheduleWire.Error))
            {
                run = run with { Error = json.OptionalText() };
            }
            else if (json.Is(Result))
            {
                run = run with { Result = json.IsNull() ? null : Encoding.UTF8.GetString(json.Raw()) };
            }
            else if (!ReadTime(ref json, ref run) && !ReadProgress(ref json, ref run))
            {
                json.Skip();
            }
        }

        return run;
    }

    private static bool ReadTime(ref WireReader json, ref RunRecord run)
    {
        if (json.Is(ScheduleWire.ScheduledAt))
        {
            run = run with { ScheduledAt = json.Time() };
        }
        else if (json.Is(StartedAt))
        {
            run = run with { StartedAt = json.IsNull() ? null : json.Time() };
        }
        else if (json.Is(ScheduleWire.FinishedAt))
        {
            run = run with { FinishedAt = json.Time() };
        }
        else if (json.Is(DurationMs))
        {
            run = run with { Duration = json.IsNull() ? null : json.Milliseconds() };
        }
        else
        {
            return false;
        }

        return true;
    }

    private static bool ReadProgress(ref WireReader json, ref RunRecord run)
    {
        if (json.Is(Progress))
        {
            run = run with { Progress = Utf8Parser.TryParse(json.Raw(), out double fraction, out _) ? fraction : null };
        }
        else if (json.Is(ProgressText))
        {
            run = run with { ProgressText = json.OptionalText() };
        }
        else
        {
            return false;
        }

        return true;
    }

    private static RunTimes? ReadTimes(ref WireReader json)
    {
        if (json.IsNull())
        {
            return null;
        }

        var times = new RunTimes(default, default, default, default);
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(MinMs))
            {
                times = times with { Min = json.Milliseconds() };
            }
            else if (json.Is(AverageMs))
            {
                times = times with { Average = json.Milliseconds() };
            }
            else if (json.Is(MaxMs))
            {
                times = times with { Max = json.Milliseconds() };
            }
            else if (json.Is(P99Ms))
            {
                times = times with { P99 = json.Milliseconds() };
            }
            else
            {
                json.Skip();
            }
        }

        return times;
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
