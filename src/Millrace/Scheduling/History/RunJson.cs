using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Millrace.Scheduling.History;

/// <summary>
/// A run as the history has it: a JSON object with times in microseconds since 1970. Written by hand, as it is written once a run; members that say nothing are left out, and unknown ones
/// are skipped when it is read.
/// </summary>
internal static class RunJson
{
    private static readonly JsonEncodedText RunName = JsonEncodedText.Encode("run");
    private static readonly JsonEncodedText JobName = JsonEncodedText.Encode("job");
    private static readonly JsonEncodedText ScheduleName = JsonEncodedText.Encode("schedule");
    private static readonly JsonEncodedText QueueName = JsonEncodedText.Encode("queue");
    private static readonly JsonEncodedText OutcomeName = JsonEncodedText.Encode("outcome");
    private static readonly JsonEncodedText DueName = JsonEncodedText.Encode("due");
    private static readonly JsonEncodedText CountName = JsonEncodedText.Encode("count");
    private static readonly JsonEncodedText UntilName = JsonEncodedText.Encode("until");
    private static readonly JsonEncodedText StartedName = JsonEncodedText.Encode("started");
    private static readonly JsonEncodedText FinishedName = JsonEncodedText.Encode("finished");
    private static readonly JsonEncodedText TookName = JsonEncodedText.Encode("took");
    private static readonly JsonEncodedText NodeName = JsonEncodedText.Encode("node");
    private static readonly JsonEncodedText AttemptName = JsonEncodedText.Encode("attempt");
    private static readonly JsonEncodedText ErrorName = JsonEncodedText.Encode("error");
    private static readonly JsonEncodedText ResultName = JsonEncodedText.Encode("result");

    private static readonly JsonEncodedText[] Outcomes = Array.ConvertAll(
        Enum.GetValues<RunOutcome>(), static outcome => JsonEncodedText.Encode(JsonNamingPolicy.CamelCase.ConvertName(outcome.ToString())));

    public static void Write(Utf8JsonWriter writer, in RunEntry run)
    {
        writer.WriteStartObject();
        if (run.Run.TryGetUuid(out var uuid))
        {
            writer.WriteString(RunName, uuid);
        }
        else
        {
            writer.WriteString(RunName, run.Run.ToString());
        }

        WriteIfSet(writer, JobName, run.Job);
        WriteIfSet(writer, ScheduleName, run.Schedule);
        writer.WriteString(QueueName, run.Queue);
        writer.WriteString(OutcomeName, Outcomes[(int)run.Outcome]);
        writer.WriteNumber(DueName, Microseconds(run.ScheduledAt));
        if (run.More != 0)
        {
            writer.WriteNumber(CountName, run.More + 1);
        }

        if (run.ScheduledUntil is { } until)
        {
            writer.WriteNumber(UntilName, Microseconds(until));
        }

        if (run.StartedAt is { } startedAt)
        {
            writer.WriteNumber(StartedName, Microseconds(startedAt));
        }

        writer.WriteNumber(FinishedName, Microseconds(run.FinishedAt));
        if (run.Duration is { } duration)
        {
            writer.WriteNumber(TookName, duration.Ticks / TimeSpan.TicksPerMicrosecond);
        }

        writer.WriteString(NodeName, run.Node);
        if (run.Attempt != 0)
        {
            writer.WriteNumber(AttemptName, run.Attempt);
        }

        WriteIfSet(writer, ErrorName, run.Error);
        WriteIfSet(writer, ResultName, run.Result);
        writer.WriteEndObject();
    }

    /// <summary>Reads a run. False for what is none: somebody else may append to the stream.</summary>
    public static bool TryRead(ReadOnlySpan<byte> json, [NotNullWhen(true)] out RunRecord? run)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            run = Read(ref reader);
            return run is not null;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException or ArgumentOutOfRangeException)
        {
            run = null;
            return false;
        }
    }

    private static RunRecord? Read(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return null;
        }

        string? id = null, queue = null, node = null;
        RunOutcome? outcome = null;
        var run = new RunRecord { Run = "", Queue = "", Outcome = RunOutcome.Skipped, ScheduledAt = default, FinishedAt = default, Node = "" };
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString();
            reader.Read();
            switch (name)
            {
                case "run": id = reader.GetString(); break;
                case "queue": queue = reader.GetString(); break;
                case "node": node = reader.GetString(); break;
                case "outcome": outcome = OutcomeOf(reader.GetString()); break;
                case "job": run = run with { Job = reader.GetString() }; break;
                case "schedule": run = run with { Schedule = reader.GetString() }; break;
                case "due": run = run with { ScheduledAt = Time(reader.GetInt64()) }; break;
                case "count": run = run with { Count = Math.Max(1, reader.GetInt64()) }; break;
                case "until": run = run with { ScheduledUntil = Time(reader.GetInt64()) }; break;
                case "started": run = run with { StartedAt = Time(reader.GetInt64()) }; break;
                case "finished": run = run with { FinishedAt = Time(reader.GetInt64()) }; break;
                case "took": run = run with { Duration = TimeSpan.FromTicks(reader.GetInt64() * TimeSpan.TicksPerMicrosecond) }; break;
                case "attempt": run = run with { Attempt = reader.GetInt32() }; break;
                case "error": run = run with { Error = reader.GetString() }; break;
                case "result": run = run with { Result = reader.GetString() }; break;
                default: reader.Skip(); break;
            }
        }

        return id is null || outcome is null ? null : run with { Run = id, Queue = queue ?? "", Node = node ?? "", Outcome = outcome.Value };
    }

    private static void WriteIfSet(Utf8JsonWriter writer, JsonEncodedText name, string? value)
    {
        if (value is not null)
        {
            writer.WriteString(name, value);
        }
    }

    private static RunOutcome? OutcomeOf(string? text)
    {
        var index = Array.FindIndex(Outcomes, outcome => outcome.Value == text);
        return index < 0 ? null : (RunOutcome)index;
    }

    private static long Microseconds(DateTimeOffset time) => (time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;

    private static DateTimeOffset Time(long microseconds) => DateTimeOffset.UnixEpoch.AddTicks(microseconds * TimeSpan.TicksPerMicrosecond);
}
