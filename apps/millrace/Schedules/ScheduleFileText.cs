using System.Text;

namespace Millrace.App.Schedules;

/// <summary>Files of schedules: JSON, or YAML or TOML by the ending of their name, which say the same in other words.</summary>
internal static class ScheduleFileText
{
    /// <summary>The forms, for people.</summary>
    public const string Forms = "JSON, or YAML (.yaml, .yml) or TOML (.toml)";

    /// <summary>Reads a file, and has it as JSON.</summary>
    /// <exception cref="MillraceConfigurationException">It cannot be read, or is not what its name says.</exception>
    public static byte[] ReadAsJson(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new MillraceConfigurationException($"The schedules file {path} cannot be read: {exception.Message}", exception);
        }

        var text = bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes[3..] : bytes;
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".yaml" or ".yml" => YamlJson.Convert(path, Decode(path, text)),
            ".toml" => TomlJson.Convert(path, Decode(path, text)),
            _ => text,
        };
    }

    private static string Decode(string path, byte[] text)
    {
        try
        {
            return new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(text);
        }
        catch (DecoderFallbackException exception)
        {
            throw new MillraceConfigurationException($"The schedules file {path} is not UTF-8.", exception);
        }
    }
}
