using Millrace.Serialization;

namespace Millrace.Storage.Http;

/// <summary>One request, which may be sent more than once. Owned by its caller, who disposes the body when the call has returned.</summary>
internal readonly record struct ApiRequest(HttpMethod Method, string Path)
{
    /// <summary>The body; null for none.</summary>
    public PooledBuffer? Body { get; init; }

    public string ContentType { get; init; } = "application/json";

    /// <summary>Whether the request can be repeated although an earlier try may have been carried out.</summary>
    public bool IsRepeatable { get; init; }

    /// <summary>How long the server was asked to wait before it answers.</summary>
    public TimeSpan Wait { get; init; }

    /// <summary>The version that the state must have: <c>If-Match</c>, or <c>If-None-Match: *</c> for none at all; null for any.</summary>
    public long? ExpectedVersion { get; init; }
}
