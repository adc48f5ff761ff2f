using System.Text.Json;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Storage.Http.Wire;

/// <summary>Pages of state in JSON.</summary>
internal static class StateWire
{
    public static void WritePage(Utf8JsonWriter json, StatePage page, string? next)
    {
        json.WriteStartObject();
        json.WriteNumber(Revision, page.Revision);
        json.WriteStartArray(Documents);
        foreach (var document in page.Documents)
        {
            json.WriteStartObject();
            json.WriteString(Key, document.Key);
            json.WriteNumber(WireNames.Version, document.Version);
            json.WriteBase64String(Value, document.Value.Span);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString(Next, next);
        json.WriteEndObject();
    }

    public static StatePage ReadPage(ref WireReader json)
    {
        var documents = new List<StateDocument>();
        var revision = 0L;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Revision))
            {
                revision = json.Number(0, long.MaxValue);
            }
            else if (json.Is(Documents))
            {
                json.BeginArray();
                while (json.NextElement())
                {
                    documents.Add(ReadDocument(ref json));
                }
            }
            else
            {
                json.Skip();
            }
        }

        return new StatePage(documents, revision);
    }

    private static StateDocument ReadDocument(ref WireReader json)
    {
        var (key, value, version) = ("", Array.Empty<byte>(), 0L);
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Key))
            {
                key = json.Text();
            }
            else if (json.Is(Value))
            {
                value = json.Base64();
            }
            else if (json.Is(WireNames.Version))
            {
                version = json.Number(0, long.MaxValue);
            }
            else
            {
                json.Skip();
            }
        }

        return new StateDocument(key, value, version);
    }
}
