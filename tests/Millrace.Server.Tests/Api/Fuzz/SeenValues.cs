using System.Text.Json.Nodes;

namespace Millrace.Server.Tests.Api.Fuzz;

/// <summary>Values that only the server gives, such as the ids of receivers and the tokens of leases, so that requests can be about what there is. One for each lane.</summary>
internal sealed class SeenValues
{
    private const int Kept = 32;

    private static readonly string[] Names = ["receiver", "token", "fencingToken", "version", "id", "next", "revision"];

    private readonly Dictionary<string, List<string>> _values = Names.ToDictionary(name => name, _ => new List<string>(), StringComparer.Ordinal);
    private int _next;

    /// <summary>One of the values of a field that came lately, if any came.</summary>
    public string? Pick(Random random, string name) => _values.TryGetValue(name, out var values) && values.Count > 0 ? values[random.Next(values.Count)] : null;

    /// <summary>Remembers what an answer has.</summary>
    public void Learn(JsonNode? node)
    {
        if (node is JsonArray elements)
        {
            foreach (var element in elements)
            {
                Learn(element);
            }
        }
        else if (node is JsonObject members)
        {
            foreach (var (name, value) in members)
            {
                if (value is JsonValue && _values.TryGetValue(name, out var values))
                {
                    Keep(values, value.ToString());
                }
                else
                {
                    Learn(value);
                }
            }
        }
    }

    private void Keep(List<string> values, string value)
    {
        if (values.Count < Kept)
        {
            values.Add(value);
        }
        else
        {
            values[_next++ % Kept] = value;
        }
    }
}
