using System.Text.Json;
using Millrace.Storage.Http.Wire;

namespace Millrace.Scheduling.Schedules;

/// <summary>Cursors in JSON, with times in milliseconds since 1970; what is zero or missing is left out.</summary>
internal static class CursorJson
{
    private const int MaxErrorLength = 200;

    private static readonly JsonEncodedText Version = JsonEncodedText.Encode("version");
    private static readonly JsonEncodedText Cursor = JsonEncodedText.Encode("cursor");
    private static readonly JsonEncodedText Open = JsonEncodedText.Encode("open");
    private static readonly JsonEncodedText Id = JsonEncodedText.Encode("id");
    private static readonly JsonEncodedText Due = JsonEncodedText.Encode("due");
    private static readonly JsonEncodedText Queue = JsonEncodedText.Encode("queue");
    private static readonly JsonEncodedText Pending = JsonEncodedText.Encode("pending");
    private static readonly JsonEncodedText InTurn = JsonEncodedText.Encode("inTurn");
    private static readonly JsonEncodedText Fired = JsonEncodedText.Encode("fired");
    private static readonly JsonEncodedText AskedFor = JsonEncodedText.Encode("askedFor");
    private static readonly JsonEncodedText Succeeded = JsonEncodedText.Encode("succeeded");
    private static readonly JsonEncodedText Failed = JsonEncodedText.Encode("failed");
    private static readonly JsonEncodedText Cancelled = JsonEncodedText.Encode("cancelled");
    private static readonly JsonEncodedText Skipped = JsonEncodedText.Encode("skipped");
    private static readonly JsonEncodedText Last = JsonEncodedText.Encode("last");
    private static readonly JsonEncodedText Finished = JsonEncodedText.Encode("finished");
    private static readonly JsonEncodedText Outcome = JsonEncodedText.Encode("outcome");
    private static readonly JsonEncodedText Error = JsonEncodedText.Encode("error");

    public static void Write(Utf8JsonWriter json, CursorDocument cursor)
    {
        json.WriteStartObject();
        json.WriteNumber(Version, cursor.Version);
        json.WriteNumber(Cursor, cursor.Cursor.ToUnixTimeMilliseconds());
        if (cursor.Open.Count > 0)
        {
            json.WriteStartArray(Open);
            foreach (var open in cursor.Open)
            {
                WriteOpen(json, open);
            }

            json.WriteEndArray();
        }

        WriteCount(json, Fired, cursor.Fired);
        WriteCount(json, AskedFor, cursor.AskedFor);
        WriteCount(json, Succeeded, cursor.Succeeded);
        WriteCount(json, Failed, cursor.Failed);
        WriteCount(json, Cancelled, cursor.Cancelled);
        WriteCount(json, Skipped, cursor.Skipped);
        if (cursor.Last is { } last)
        {
            json.WriteStartObject(Last);
            json.WriteNumber(Due, last.ScheduledAt.ToUnixTimeMilliseconds());
            json.WriteNumber(Finished, last.FinishedAt.ToUnixTimeMilliseconds());
            json.WriteNumber(Outcome, (int)last.Outcome);
            if (last.Error is { } error)
            {
                json.WriteString(Error, error.Length <= MaxErrorLength ? error : error[..MaxErrorLength]);
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    public static CursorDocument Read(ref WireReader json)
    {
        var cursor = CursorDocument.Empty;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Version))
            {
                cursor = cursor with { Version = json.Number(0, long.MaxValue) };
            }
            else if (json.Is(Cursor))
            {
                cursor = cursor with { Cursor = ScheduleDocuments.ReadTime(ref json) };
            }
            else if (json.Is(Open))
            {
                cursor = cursor with { Open = ReadOpen(ref json) };
            }
            else if (json.Is(Last))
            {
                cursor = cursor with { Last = ReadLast(ref json) };
            }
            else if (!ReadCount(ref json, ref cursor))
            {
                json.Skip();
            }
        }

        return cursor;
    }

    private static void WriteOpen(Utf8JsonWriter json, OpenOccurrence open)
    {
        json.WriteStartObject();
        json.WriteString(Id, open.Id);
        json.WriteNumber(Due, open.Due.ToUnixTimeMilliseconds());
        if (open.Queue != ScheduleDefinition.DefaultQueue)
        {
            json.WriteString(Queue, open.Queue);
        }

        ScheduleDocuments.WriteTime(json, Pending, open.PendingSince);
        if (open.IsInTurn)
        {
            json.WriteBoolean(InTurn, true);
        }

        json.WriteEndObject();
    }

    private static void WriteCount(Utf8JsonWriter json, JsonEncodedText field, long count)
    {
        if (count != 0)
        {
            json.WriteNumber(field, count);
        }
    }

    private static bool ReadCount(ref WireReader json, ref CursorDocument cursor)
    {
        if (json.Is(Fired))
        {
            cursor = cursor with { Fired = json.Number(0, long.MaxValue) };
        }
        else if (json.Is(AskedFor))
        {
            cursor = cursor with { AskedFor = json.Number(0, long.MaxValue) };
        }
        else if (json.Is(Succeeded))
        {
            cursor = cursor with { Succeeded = json.Number(0, long.MaxValue) };
        }
        else if (json.Is(Failed))
        {
            cursor = cursor with { Failed = json.Number(0, long.MaxValue) };
        }
        else if (json.Is(Cancelled))
        {
            cursor = cursor with { Cancelled = json.Number(0, long.MaxValue) };
        }
        else if (json.Is(Skipped))
        {
            cursor = cursor with { Skipped = json.Number(0, long.MaxValue) };
        }
        else
        {
            return false;
        }

        return true;
    }

    private static List<OpenOccurrence> ReadOpen(ref WireReader json)
    {
        var open = new List<OpenOccurrence>();
        json.BeginArray();
        while (json.NextElement())
        {
            var (id, due, queue) = ("", default(DateTimeOffset), ScheduleDefinition.DefaultQueue);
            DateTimeOffset? pending = null;
            var isInTurn = false;
            json.BeginObject();
            while (json.NextField())
            {
                if (json.Is(Id))
                {
                    id = json.Text();
                }
                else if (json.Is(Due))
                {
                    due = ScheduleDocuments.ReadTime(ref json);
                }
                else if (json.Is(Queue))
                {
                    queue = json.Text();
                }
                else if (json.Is(Pending))
                {
                    pending = ScheduleDocuments.ReadTime(ref json);
                }
                else if (json.Is(InTurn))
                {
                    isInTurn = json.Boolean();
                }
                else
                {
                    json.Skip();
                }
            }

            open.Add(new OpenOccurrence(id, due, queue, pending, isInTurn));
        }

        return open;
    }

    private static LastRun ReadLast(ref WireReader json)
    {
        var (due, finished, outcome) = (default(DateTimeOffset), default(DateTimeOffset), RunOutcome.Succeeded);
        string? error = null;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Due))
            {
                due = ScheduleDocuments.ReadTime(ref json);
            }
            else if (json.Is(Finished))
            {
                finished = ScheduleDocuments.ReadTime(ref json);
            }
            else if (json.Is(Outcome))
            {
                outcome = (RunOutcome)json.Number(0, (int)RunOutcome.Sent);
            }
            else if (json.Is(Error))
            {
                error = json.Text();
            }
            else
            {
                json.Skip();
            }
        }

        return new LastRun(due, finished, outcome, error);
    }
}
