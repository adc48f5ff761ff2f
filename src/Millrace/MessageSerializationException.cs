namespace Millrace;

/// <summary>
/// A body that cannot be written or read: malformed JSON, an unknown content type or encoding, a body that unpacks beyond the limit.
/// Thrown to a sender; on receipt, the message is dead-lettered at once with the reason <see cref="DeadLetterReason"/>, its bytes as they came.
/// </summary>
public sealed class MessageSerializationException : MillraceException
{
    /// <summary>The reason of dead letters that could not be read: <c>unreadable</c>.</summary>
    public const string DeadLetterReason = "unreadable";

    /// <summary>A fault that is described by <paramref name="message"/>.</summary>
    /// <param name="message">What cannot be written or read, and why.</param>
    /// <param name="contentType">The media type of the body, if it is known.</param>
    /// <param name="innerException">The serializer's own error.</param>
    public MessageSerializationException(string message, string? contentType = null, Exception? innerException = null)
        : base(message, innerException)
        => ContentType = contentType;

    /// <summary>The media type of the body; null when nobody said.</summary>
    public string? ContentType { get; }
}
