using System.Text;
using System.Text.Json;

namespace Millrace.Streams;

/// <summary>Finds the key of a record in the JSON object that is its body.</summary>
internal sealed class JsonKey(string property)
{
    private readonly byte[] _property = Encoding.UTF8.GetBytes(property);

    /// <exception cref="InvalidMessageException">The body is no object, or has no such property, or no key in it.</exception>
    public string Read(ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            throw new InvalidMessageException($"The record was refused: its key is the property '{property}', but its body is no JSON object.");
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isKey = reader.ValueTextEquals(_property);
            reader.Read();
            if (isKey)
            {
                return reader.TokenType switch
                {
                    JsonTokenType.String => reader.GetString()!,
                    JsonTokenType.Number => Encoding.UTF8.GetString(reader.ValueSpan),
                    JsonTokenType.True => "true",
                    JsonTokenType.False => "false",
                    var other => throw new InvalidMessageException(
                        $"The record was refused: its key is the property '{property}', which must be a text, a number or a truth value, and is {other}."),
                };
            }

            reader.Skip();
        }

        throw new InvalidMessageException($"The record was refused: it has no property '{property}', which is its key. Names are compared as they stand in the JSON, case included.");
    }
}
