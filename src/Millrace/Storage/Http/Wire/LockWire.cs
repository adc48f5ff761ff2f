using System.Text.Json;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Storage.Http.Wire;

/// <summary>Locks in JSON.</summary>
internal static class LockWire
{
    public static void WriteRequest(Utf8JsonWriter json, string owner, long? fencingToken, TimeSpan? leaseDuration)
    {
        json.WriteStartObject();
        json.WriteString(Owner, owner);
        if (fencingToken is { } token)
        {
            json.WriteNumber(FencingToken, token);
        }

        if (leaseDuration is { } duration)
        {
            WireValues.WriteMilliseconds(json, LeaseMs, duration);
        }

        json.WriteEndObject();
    }

    /// <summary>Reads what a holder, or somebody who wants to be one, asks.</summary>
    public static (string Owner, long? FencingToken, TimeSpan? LeaseDuration) ReadRequest(ref WireReader json)
    {
        string? owner = null;
        long? token = null;
        TimeSpan? duration = null;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Owner))
            {
                owner = json.Text();
            }
            else if (json.Is(FencingToken))
            {
                token = json.Number(long.MinValue, long.MaxValue);
            }
            else if (json.Is(LeaseMs))
            {
                duration = json.Milliseconds();
            }
            else
            {
                json.Unknown(Owner, FencingToken, LeaseMs);
            }
        }

        return (owner ?? throw new WireFormatException("The field 'owner' is missing."), token, duration);
    }

    public static void WriteHolder(Utf8JsonWriter json, LockHolder holder)
    {
        json.WriteStartObject();
        json.WriteString(Owner, holder.Owner);
        json.WriteNumber(FencingToken, holder.FencingToken);
        WireValues.WriteMilliseconds(json, RemainingMs, holder.Remaining);
        json.WriteEndObject();
    }

    public static LockHolder ReadHolder(ref WireReader json)
    {
        var (owner, token, remaining) = ("", 0L, TimeSpan.Zero);
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Owner))
            {
                owner = json.Text();
            }
            else if (json.Is(FencingToken))
            {
                token = json.Number(long.MinValue, long.MaxValue);
            }
            else if (json.Is(RemainingMs))
            {
                remaining = json.Milliseconds();
            }
            else
            {
                json.Skip();
            }
        }

        return new LockHolder(owner, token, remaining);
    }
}
