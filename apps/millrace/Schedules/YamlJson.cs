using System.Buffers;
using System.Globalization;
using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Millrace.App.Schedules;

/// <summary>YAML as JSON: plain words are what the core schema of YAML 1.2 says, quoted ones are texts.</summary>
internal static class YamlJson
{
    private const int MaxDepth = 60;

    // What aliases make of a small file has an end.
    private const int MaxJsonBytes = 64 * 1024 * 1024;

    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.eE+-");

    /// <exception cref="MillraceConfigurationException">It is no YAML, or no one document of it; says where.</exception>
    public static byte[] Convert(string path, string text)
    {
        try
        {
            var yaml = new YamlStream();
            yaml.Load(new StringReader(text));
            if (yaml.Documents.Count != 1)
            {
                throw new MillraceConfigurationException($"The schedules file {path} has {yaml.Documents.Count} documents of YAML instead of one.");
            }

            using var stream = new MemoryStream();
            using (var json = new Utf8JsonWriter(stream))
            {
                Write(json, yaml.Documents[0].RootNode, path, 0);
            }

            return stream.ToArray();
        }
        catch (YamlException exception)
        {
            throw Fault(path, exception.Start, exception.Message, exception);
        }
    }

    private static void Write(Utf8JsonWriter json, YamlNode node, string path, int depth)
    {
        if (depth > MaxDepth || json.BytesCommitted + json.BytesPending > MaxJsonBytes)
        {
            throw Fault(path, node.Start, "it is too deep or too large");
        }

        switch (node)
        {
            case YamlMappingNode mapping:
                json.WriteStartObject();
                foreach (var (key, value) in mapping.Children)
                {
                    json.WritePropertyName(key is YamlScalarNode { Value: { } name } ? name : throw Fault(path, key.Start, "the name of a field is one word or text"));
                    Write(json, value, path, depth + 1);
                }

                json.WriteEndObject();
                break;
            case YamlSequenceNode sequence:
                json.WriteStartArray();
                foreach (var child in sequence.Children)
                {
                    Write(json, child, path, depth + 1);
                }

                json.WriteEndArray();
                break;
            case YamlScalarNode scalar:
                WriteScalar(json, scalar);
                break;
            default:
                throw Fault(path, node.Start, "it is not understood");
        }
    }

    private static void WriteScalar(Utf8JsonWriter json, YamlScalarNode scalar)
    {
        var text = scalar.Value ?? "";
        if (scalar.Style is not (ScalarStyle.Plain or ScalarStyle.Any))
        {
            json.WriteStringValue(text);
        }
        else if (text is "" or "~" or "null" or "Null" or "NULL")
        {
            json.WriteNullValue();
        }
        else if (text is "true" or "True" or "TRUE" or "false" or "False" or "FALSE")
        {
            json.WriteBooleanValue(text[0] is 't' or 'T');
        }
        else if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole))
        {
            json.WriteNumberValue(whole);
        }
        else if (IsNumber(text) && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number))
        {
            json.WriteNumberValue(number);
        }
        else
        {
            json.WriteStringValue(text);
        }
    }

    private static bool IsNumber(string text) => text.AsSpan().ContainsAnyInRange('0', '9') && !text.AsSpan().ContainsAnyExcept(NumberCharacters);

    private static MillraceConfigurationException Fault(string path, Mark at, string what, Exception? innerException = null) => new(
        string.Create(CultureInfo.InvariantCulture, $"The schedules file {path} is no YAML that can be read, line {at.Line}, column {at.Column}: {what.TrimEnd('.')}."),
        innerException);
}
