using System.Text.Json;
using Millrace.Scheduling;
using Millrace.Scheduling.Schedules;

namespace Millrace.Storage.Http.Wire;

/// <summary>Schedules as they are now in JSON: in the HTTP API, and in what the command line prints. Definitions are written by <see cref="ScheduleJson"/>.</summary>
internal static class ScheduleWire
{
    public static readonly JsonEncodedText Schedules = JsonEncodedText.Encode("schedules");
    public static readonly JsonEncodedText Definition = JsonEncodedText.Encode("definition");
    public static readonly JsonEncodedText Source = JsonEncodedText.Encode("source");
    public static readonly JsonEncodedText Status = JsonEncodedText.Encode("status");
    public static readonly JsonEncodedText NextDue = JsonEncodedText.Encode("nextDue");
    public static readonly JsonEncodedText OpenRuns = JsonEncodedText.Encode("openRuns");
    public static readonly JsonEncodedText Fired = JsonEncodedText.Encode("fired");
    public static readonly JsonEncodedText Succeeded = JsonEncodedText.Encode("succeeded");
    public static readonly JsonEncodedText Failed = JsonEncodedText.Encode("failed");
    public static readonly JsonEncodedText Cancelled = JsonEncodedText.Encode("cancelled");
    public static readonly JsonEncodedText Skipped = JsonEncodedText.Encode("skipped");
    public static readonly JsonEncodedText LastRun = JsonEncodedText.Encode("lastRun");
    public static readonly JsonEncodedText ScheduledAt = JsonEncodedText.Encode("scheduledAt");
    public static readonly JsonEncodedText FinishedAt = JsonEncodedText.Encode("finishedAt");
    public static readonly JsonEncodedText Outcome = JsonEncodedText.Encode("outcome");
    public static readonly JsonEncodedText Error = JsonEncodedText.Encode("error");
    public static readonly JsonEncodedText Change = JsonEncodedText.Encode("change");
    public static readonly JsonEncodedText Run = JsonEncodedText.Encode("run");
    public static readonly JsonEncodedText Occurrences = JsonEncodedText.Encode("occurrences");

    /// <summary>The words of <see cref="ScheduleStatus"/>, as they stand in JSON and on the command line.</summary>
    public static readonly (string Word, ScheduleStatus Status)[] Statuses = [.. Enum.GetValues<ScheduleStatus>().Select(status => (WordOf(status), status))];

    public static void WriteInfo(Utf8JsonWriter json, ScheduleInfo info)
    {
        json.WriteStartObject();
        WriteMembers(json, info);
        json.WriteEndObject();
    }

    /// <summary>The members of <see cref="WriteInfo"/>, within an object.</summary>
    public static void WriteMembers(Utf8JsonWriter json, ScheduleInfo info)
    {
        json.WriteString(WireNames.Name, info.Definition.Name);
        json.WriteString(Status, WordOf(info.Status));
        WriteTime(json, NextDue, info.NextDue);
        json.WritePropertyName(Definition);
        ScheduleJson.Write(json, info.Definition);
        json.WriteNumber(WireNames.Version, info.Version);
        json.WriteString(Source, info.Source);
        json.WriteString(WireNames.CreatedAt, info.CreatedAt);
        json.WriteStartArray(OpenRuns);
        foreach (var run in info.OpenRuns)
        {
            json.WriteStringValue(run);
        }

        json.WriteEndArray();
        json.WriteNumber(Fired, info.Fired);
        json.WriteNumber(Succeeded, info.Succeeded);
        json.WriteNumber(Failed, info.Failed);
        json.WriteNumber(Cancelled, info.Cancelled);
        json.WriteNumber(Skipped, info.Skipped);
        WriteLast(json, info);
    }

    /// <summary>A value of an enum as a word that begins with a small letter.</summary>
    public static string WordOf<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    /// <summary>A time, or null.</summary>
    public static void WriteTime(Utf8JsonWriter json, JsonEncodedText name, DateTimeOffset? time)
    {
        if (time is { } value)
        {
            json.WriteString(name, value);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    private static void WriteLast(Utf8JsonWriter json, ScheduleInfo info)
    {
        if (info.LastOutcome is not { } outcome)
        {
            json.WriteNull(LastRun);
            return;
        }

        json.WriteStartObject(LastRun);
        WriteTime(json, ScheduledAt, info.LastScheduledAt);
        WriteTime(json, FinishedAt, info.LastFinishedAt);
        json.WriteString(Outcome, WordOf(outcome));
        json.WriteString(Error, info.LastError);
        json.WriteEndObject();
    }
}
