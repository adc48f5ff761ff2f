using System.Net;
using Millrace.Serialization;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>An answer that has been read whole. Disposing gives its buffer back.</summary>
internal sealed class ApiAnswer(HttpStatusCode status, PooledBuffer content, WireProblem? problem) : IDisposable
{
    public HttpStatusCode Status => status;

    /// <summary>What the server says is wrong; null for a success.</summary>
    public WireProblem? Problem => problem;

    /// <summary>The version in the answer's <c>ETag</c>; null if there is none.</summary>
    public long? Version { get; init; }

    public ReadOnlySpan<byte> Bytes => content[..].Span;

    /// <summary>A reader at the start of the JSON.</summary>
    public WireReader Read() => new(Bytes, isStrict: false);

    public void Dispose() => content.Dispose();
}
