using System.Text.Json;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Storage.Http.Wire;

/// <summary>Settlements in JSON.</summary>
internal static class SettlementWire
{
    public static void Write(Utf8JsonWriter json, in Settlement settlement)
    {
        json.WriteStartObject();
        WireValues.WriteToken(json, Token, settlement.Token);
        switch (settlement.Kind)
        {
            case SettlementKind.Release:
                json.WriteString(WireNames.Action, Release);
                if (settlement.Delay != TimeSpan.Zero)
                {
                    WireValues.WriteMilliseconds(json, DelayMs, settlement.Delay);
                }

                if (settlement.Uncounted)
                {
                    json.WriteBoolean(Count, false);
                }

                break;
            case SettlementKind.DeadLetter:
                json.WriteString(WireNames.Action, DeadLetterAction);
                json.WriteString(Reason, settlement.Reason);
                break;
            default:
                json.WriteString(WireNames.Action, Complete);
                break;
        }

        MessageWire.WriteOptional(json, Error, settlement.Error);
        json.WriteEndObject();
    }

    /// <summary>Reads a settlement; one without an action completes.</summary>
    public static Settlement Read(ref WireReader json)
    {
        LeaseToken? token = null;
        var kind = SettlementKind.Complete;
        TimeSpan? delay = null;
        bool? count = null;
        string? reason = null;
        string? error = null;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Token))
            {
                token = json.Token();
            }
            else if (json.Is(WireNames.Action))
            {
                kind = json.Choice((Complete, SettlementKind.Complete), (Release, SettlementKind.Release), (DeadLetterAction, SettlementKind.DeadLetter));
            }
            else if (json.Is(DelayMs))
            {
                delay = json.Milliseconds();
            }
            else if (json.Is(Count))
            {
                count = json.Boolean();
            }
            else if (json.Is(Reason))
            {
                reason = json.Text();
            }
            else if (json.Is(Error))
            {
                error = json.OptionalText();
            }
            else
            {
                json.Unknown(Token, WireNames.Action, DelayMs, Count, Reason, Error);
            }
        }

        return Make(token ?? throw new WireFormatException("A settlement needs the field 'token'."), kind, delay, count, reason, error);
    }

    private static Settlement Make(LeaseToken token, SettlementKind kind, TimeSpan? delay, bool? count, string? reason, string? error)
    {
        var stray = kind != SettlementKind.Release && delay is not null ? "delayMs"
            : kind != SettlementKind.Release && count is not null ? "count"
            : kind != SettlementKind.DeadLetter && reason is not null ? "reason"
            : kind == SettlementKind.Complete && error is not null ? "error"
            : null;
        if (stray is not null)
        {
            throw new WireFormatException($"The field '{stray}' means nothing to a settlement with this action.");
        }

        return kind switch
        {
            SettlementKind.Release => delay < TimeSpan.Zero
                ? throw new WireFormatException("The field 'delayMs' must not be negative.")
                : Settlement.Release(token, delay ?? TimeSpan.Zero, count ?? true, error),
            SettlementKind.DeadLetter => string.IsNullOrEmpty(reason)
                ? throw new WireFormatException("A settlement with the action 'dead-letter' needs the field 'reason'.")
                : Settlement.DeadLetter(token, reason, error),
            _ => Settlement.Complete(token),
        };
    }
}
