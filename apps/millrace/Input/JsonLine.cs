using System.Text.Json;

namespace Millrace.App.Input;

/// <summary>Checks one line of JSON and picks the fields that the sender named. Throws <see cref="JsonException"/> for what is no JSON.</summary>
internal static class JsonLine
{
    /// <summary>Reads a line to its end, so that the whole of it is checked.</summary>
    /// <param name="line">The line.</param>
    /// <param name="idField">The property that holds the message's id, or null.</param>
    /// <param name="keyField">The property that holds the message's key, or null.</param>
    /// <returns>The values found; null where the property is absent or null.</returns>
    /// <exception cref="JsonException">The line is not one JSON value.</exception>
    public static (string? Id, string? Key) Read(ReadOnlySpan<byte> line, string? idField, string? keyField)
    {
        var reader = new Utf8JsonReader(line);
        string? id = null, key = null;
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1)
            {
                continue;
            }

            var isId = idField is not null && reader.ValueTextEquals(idField);
            var isKey = keyField is not null && reader.ValueTextEquals(keyField);
            if (isId || isKey)
            {
                reader.Read();
                var value = Scalar(ref reader);
                id = isId ? value : id;
                key = isKey ? value : key;
            }
        }

        return (id, key);
    }

    private static string? Scalar(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.String:
                return reader.GetString();
            case JsonTokenType.Number or JsonTokenType.True or JsonTokenType.False:
                return System.Text.Encoding.UTF8.GetString(reader.ValueSpan);
            default:
                // Objects, arrays and null name nothing; the caller reports the field as missing.
                return null;
        }
    }
}
