using System.Text.Json;
using Millrace.Storage.Http.Wire;

namespace Millrace.Scheduling.Schedules;

/// <summary>The policies of schedules in JSON.</summary>
internal static class SchedulePolicyJson
{
    private static readonly JsonEncodedText Policy = JsonEncodedText.Encode("policy");
    private static readonly JsonEncodedText Count = JsonEncodedText.Encode("count");
    private static readonly JsonEncodedText GraceMs = JsonEncodedText.Encode("graceMs");
    private static readonly JsonEncodedText Skip = JsonEncodedText.Encode("skip");
    private static readonly JsonEncodedText FireOnce = JsonEncodedText.Encode("fireOnce");
    private static readonly JsonEncodedText FireAll = JsonEncodedText.Encode("fireAll");
    private static readonly JsonEncodedText BufferOne = JsonEncodedText.Encode("bufferOne");
    private static readonly JsonEncodedText Allow = JsonEncodedText.Encode("allow");
    private static readonly JsonEncodedText CancelRunning = JsonEncodedText.Encode("cancelRunning");

    /// <summary>Writes a field, unless the policy is the default one.</summary>
    public static void Write(Utf8JsonWriter json, JsonEncodedText field, MisfirePolicy misfire)
    {
        if (misfire.Equals(MisfirePolicy.FireOnce))
        {
            return;
        }

        json.WriteStartObject(field);
        json.WriteString(Policy, misfire.MaxFired switch { 0 => Skip, 1 => FireOnce, _ => FireAll });
        if (misfire.MaxFired > 1)
        {
            json.WriteNumber(Count, misfire.MaxFired);
        }

        if (misfire.Grace != MisfirePolicy.FireOnce.Grace)
        {
            WireValues.WriteMilliseconds(json, GraceMs, misfire.Grace);
        }

        json.WriteEndObject();
    }

    /// <summary>Writes a field, unless the policy is the default one.</summary>
    public static void Write(Utf8JsonWriter json, JsonEncodedText field, OverlapPolicy overlap)
    {
        if (overlap.Equals(OverlapPolicy.Skip))
        {
            return;
        }

        json.WriteStartObject(field);
        json.WriteString(Policy, overlap.Kind switch
        {
            OverlapKind.BufferOne => BufferOne,
            OverlapKind.Allow => Allow,
            OverlapKind.CancelRunning => CancelRunning,
            _ => Skip,
        });
        if (overlap.Kind == OverlapKind.Allow)
        {
            json.WriteNumber(Count, overlap.MaxOpen);
        }

        json.WriteEndObject();
    }

    public static MisfirePolicy ReadMisfire(ref WireReader json)
    {
        int? count = null;
        TimeSpan? grace = null;
        var (fired, isAll) = (1, false);
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Policy))
            {
                fired = json.Choice((Skip, 0), (FireOnce, 1), (FireAll, MisfirePolicy.MostFired));
                isAll = fired == MisfirePolicy.MostFired;
            }
            else if (json.Is(Count))
            {
                count = json.Number(1, MisfirePolicy.MostFired);
            }
            else if (json.Is(GraceMs))
            {
                grace = json.Milliseconds();
            }
            else
            {
                json.Unknown(Policy, Count, GraceMs);
            }
        }

        if (count is not null && !isAll)
        {
            throw new WireFormatException("The field 'count' of a misfire policy goes with the policy 'fireAll' only.");
        }

        var policy = fired switch { 0 => MisfirePolicy.Skip, 1 => MisfirePolicy.FireOnce, _ => MisfirePolicy.FireAll(count ?? MisfirePolicy.MostFired) };
        return grace is { } time ? policy with { Grace = time } : policy;
    }

    public static OverlapPolicy ReadOverlap(ref WireReader json)
    {
        int? count = null;
        var kind = OverlapKind.Skip;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Policy))
            {
                kind = json.Choice((Skip, OverlapKind.Skip), (BufferOne, OverlapKind.BufferOne), (Allow, OverlapKind.Allow), (CancelRunning, OverlapKind.CancelRunning));
            }
            else if (json.Is(Count))
            {
                count = json.Number(1, OverlapPolicy.MostOpen);
            }
            else
            {
                json.Unknown(Policy, Count);
            }
        }

        if (count is not null && kind != OverlapKind.Allow)
        {
            throw new WireFormatException("The field 'count' of an overlap policy goes with the policy 'allow' only.");
        }

        return kind switch
        {
            OverlapKind.BufferOne => OverlapPolicy.BufferOne,
            OverlapKind.CancelRunning => OverlapPolicy.CancelRunning,
            OverlapKind.Allow => OverlapPolicy.Allow(count ?? OverlapPolicy.MostOpen),
            _ => OverlapPolicy.Skip,
        };
    }
}
