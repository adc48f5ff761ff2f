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
}
