using System.Text.Json;

namespace Millrace.Storage.Http.Wire;

/// <summary>What became of a batch, in JSON: the ids in order, and which positions were repeats.</summary>
internal static class EnqueueResultWire
{
    public static void Write(Utf8JsonWriter json, ReadOnlySpan<EnqueueResult> results)
    {
        json.WriteStartObject();
        json.WriteStartArray(WireNames.Ids);
        var duplicates = 0;
        foreach (ref readonly var result in results)
        {
            if (result.Id.TryGetUuid(out var uuid))
            {
                json.WriteStringValue(uuid);
            }
            else
            {
                json.WriteStringValue(result.Id.ToString());
            }

            duplicates += result.Outcome == EnqueueOutcome.Duplicate ? 1 : 0;
        }

        json.WriteEndArray();
        if (duplicates > 0)
        {
            json.WriteStartArray(WireNames.Duplicates);
            for (var i = 0; i < results.Length; i++)
            {
                if (results[i].Outcome == EnqueueOutcome.Duplicate)
                {
                    json.WriteNumberValue(i);
                }
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    /// <summary>Reads results; into an empty span, nothing is kept.</summary>
    public static void Read(ref WireReader json, Span<EnqueueResult> results)
    {
        json.BeginObject();
        while (json.NextField())
        {
            if (results.IsEmpty)
            {
                json.Skip();
            }
            else if (json.Is(WireNames.Ids))
            {
                var count = 0;
                json.BeginArray();
                while (json.NextElement())
                {
                    var id = new MessageId(json.Text());
                    if (count < results.Length)
                    {
                        results[count++] = new EnqueueResult(id, EnqueueOutcome.Stored);
                    }
                }
            }
            else if (json.Is(WireNames.Duplicates))
            {
                json.BeginArray();
                while (json.NextElement())
                {
                    var position = json.Number(0, results.Length - 1);
                    results[position] = results[position] with { Outcome = EnqueueOutcome.Duplicate };
                }
            }
            else
            {
                json.Skip();
            }
        }
    }
}
