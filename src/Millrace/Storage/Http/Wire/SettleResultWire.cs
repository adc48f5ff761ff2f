using System.Text.Json;

namespace Millrace.Storage.Http.Wire;

/// <summary>What became of settlements, in JSON: how many were settled, and which positions had lost their lease.</summary>
internal static class SettleResultWire
{
    public static void Write(Utf8JsonWriter json, ReadOnlySpan<SettleResult> results)
    {
        var lost = results.Count(SettleResult.LeaseLost);
        json.WriteStartObject();
        json.WriteNumber(WireNames.Settled, results.Length - lost);
        if (lost > 0)
        {
            json.WriteStartArray(WireNames.Lost);
            for (var i = 0; i < results.Length; i++)
            {
                if (results[i] == SettleResult.LeaseLost)
                {
                    json.WriteNumberValue(i);
                }
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    /// <summary>Reads results; into an empty span, nothing is kept.</summary>
    public static void Read(ref WireReader json, Span<SettleResult> results)
    {
        results.Clear();
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.Lost) && !results.IsEmpty)
            {
                json.BeginArray();
                while (json.NextElement())
                {
                    results[json.Number(0, results.Length - 1)] = SettleResult.LeaseLost;
                }
            }
            else
            {
                json.Skip();
            }
        }
    }
}
