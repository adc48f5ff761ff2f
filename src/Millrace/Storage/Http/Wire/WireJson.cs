using System.Text.Encodings.Web;
using System.Text.Json;

namespace Millrace.Storage.Http.Wire;

/// <summary>How JSON is written: compact, and without escapes that only a page of HTML would need, for it is never put into one.</summary>
internal static class WireJson
{
    public static readonly JsonWriterOptions WriterOptions = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    /// <summary>Ends a server's JSON answers, so that the prompt of a shell stands on a line of its own.</summary>
    public static ReadOnlySpan<byte> LineEnd => "\n"u8;
}
