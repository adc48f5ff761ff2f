using System.Text.Json;
using Millrace.Serialization;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>Bodies of requests.</summary>
internal static class JsonBody
{
    /// <summary>What <paramref name="write"/> writes, in a buffer that the caller disposes.</summary>
    public static PooledBuffer Of(Action<Utf8JsonWriter> write)
    {
        var body = new PooledBuffer();
        using var json = new Utf8JsonWriter(body, WireJson.WriterOptions);
        write(json);
        json.Flush();
        return body;
    }
}
