using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Sessions;

/// <summary>The kinds of destinations.</summary>
internal enum DestinationKind
{
    /// <summary><c>/queue/NAME</c>: each message goes to one of those who consume.</summary>
    Queue,

    /// <summary><c>/topic/NAME</c>: each message goes to all who subscribe.</summary>
    Topic,

    /// <summary><c>/temp-queue/NAME</c>: a queue of this connection only, for replies.</summary>
    TemporaryQueue,

    /// <summary><c>/reply-queue/TOKEN</c>: how others send to a temporary queue.</summary>
    ReplyQueue,

    /// <summary><c>/dead/NAME</c>: the dead letters of a queue.</summary>
    DeadLetters,

    /// <summary><c>/stream/NAME</c>: a log that everyone reads from where it likes.</summary>
    Stream,
}

/// <summary>A destination: a kind and a name.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Name">The name, without its prefix.</param>
internal readonly record struct Destination(DestinationKind Kind, string Name)
{
    public const string QueuePrefix = "/queue/";
    public const string TopicPrefix = "/topic/";
    public const string TemporaryPrefix = "/temp-queue/";
    public const string ReplyPrefix = "/reply-queue/";
    public const string DeadPrefix = "/dead/";
    private const string StreamPrefix = "/stream/";

    /// <summary>Reads a destination.</summary>
    /// <exception cref="StompFaultException">It has no known prefix, or no name.</exception>
    public static Destination Parse(string text)
    {
        var kind =
            text.StartsWith(QueuePrefix, StringComparison.Ordinal) ? DestinationKind.Queue
            : text.StartsWith(TopicPrefix, StringComparison.Ordinal) ? DestinationKind.Topic
            : text.StartsWith(TemporaryPrefix, StringComparison.Ordinal) ? DestinationKind.TemporaryQueue
            : text.StartsWith(ReplyPrefix, StringComparison.Ordinal) ? DestinationKind.ReplyQueue
            : text.StartsWith(DeadPrefix, StringComparison.Ordinal) ? DestinationKind.DeadLetters
            : text.StartsWith(StreamPrefix, StringComparison.Ordinal) ? (DestinationKind?)DestinationKind.Stream
            : null;
        var name = kind is null ? "" : text[(text.IndexOf('/', 1) + 1)..];
        return kind is { } known && name.Length > 0
            ? new Destination(known, name)
            : throw new StompFaultException(
                "invalid destination",
                $"'{Shown(text)}' is no destination: they are {QueuePrefix}NAME, {TopicPrefix}NAME, {TemporaryPrefix}NAME, {ReplyPrefix}TOKEN, {DeadPrefix}NAME and {StreamPrefix}NAME.");
    }

    /// <summary>As much of a destination as an error shows.</summary>
    public static string Shown(string text)
    {
        const int ShownCharacters = 100;
        var head = text.Length <= ShownCharacters ? text : text[..ShownCharacters] + "…";
        return string.Create(head.Length, head, static (span, head) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(head[i]) || char.IsSurrogate(head[i]) ? '\uFFFD' : head[i];
            }
        });
    }
}
