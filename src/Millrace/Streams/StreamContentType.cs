using Millrace.Serialization;

namespace Millrace.Streams;

/// <summary>How a record says what its body is: the header <c>content-type</c>, left out for JSON and for raw bytes, which are what most records are.</summary>
internal static class StreamContentType
{
    public const string Header = "content-type";

    private const string Bytes = "application/octet-stream";

    public static bool IsJson(string contentType) =>
        contentType.StartsWith(JsonMessageSerializer.MediaType, StringComparison.OrdinalIgnoreCase) || contentType.EndsWith("+json", StringComparison.OrdinalIgnoreCase);

    public static MessageHeaders HeadersOf(IMessageSerializer serializer) =>
        IsJson(serializer.ContentType) || serializer.ContentType == Bytes ? MessageHeaders.Empty : MessageHeaders.Of((Header, serializer.ContentType));
}
