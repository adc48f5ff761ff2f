using System.Text.Json;
using Tomlyn;
using Tomlyn.Model;

namespace Millrace.App.Schedules;

/// <summary>TOML as JSON; times become texts.</summary>
internal static class TomlJson
{
    /// <exception cref="MillraceConfigurationException">It is no TOML; says where.</exception>
    public static byte[] Convert(string path, string text)
    {
        try
        {
            using var stream = new MemoryStream();
            using (var json = new Utf8JsonWriter(stream))
            {
                Write(json, TomlSerializer.Deserialize<TomlTable>(text)!);
            }

            return stream.ToArray();
        }
        catch (TomlException exception)
        {
            throw new MillraceConfigurationException($"The schedules file {path} is no TOML that can be read: {exception.Message.TrimEnd('.')}.", exception);
        }
    }

    private static void Write(Utf8JsonWriter json, object? value)
    {
        switch (value)
        {
            case TomlTable table:
                json.WriteStartObject();
                foreach (var (name, member) in table)
                {
                    json.WritePropertyName(name);
                    Write(json, member);
                }

                json.WriteEndObject();
                break;
            case TomlTableArray tables:
                WriteAll(json, tables);
                break;
            case TomlArray array:
                WriteAll(json, array);
                break;
            case bool flag:
                json.WriteBooleanValue(flag);
                break;
            case long whole:
                json.WriteNumberValue(whole);
                break;
            case double number when double.IsFinite(number):
                json.WriteNumberValue(number);
                break;
            default:
                json.WriteStringValue(value?.ToString());
                break;
        }
    }

    private static void WriteAll(Utf8JsonWriter json, IEnumerable<object?> values)
    {
        json.WriteStartArray();
        foreach (var value in values)
        {
            Write(json, value);
        }

        json.WriteEndArray();
    }
}
