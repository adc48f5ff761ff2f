using Millrace.Storage;

namespace Millrace.App.Migration;

/// <summary>Messages as the target is given them, and how they are told apart.</summary>
internal static class MessageCopy
{
    /// <summary>An envelope that makes the same message again, with what is left of its times.</summary>
    public static Envelope Of(Message message, DateTimeOffset now, DateTimeOffset? dueAt = null) => Bare(message) with
    {
        Delay = dueAt > now ? dueAt.Value - now : TimeSpan.Zero,

        // One that has expired meanwhile is for the target to drop or to dead-letter, as its queue says.
        TimeToLive = message.ExpiresAt is not { } expires ? null : expires - now is { Ticks: > 0 } rest ? rest : TimeSpan.FromMilliseconds(1),
    };

    /// <summary>An envelope of a dead letter, whose times are over.</summary>
    public static Envelope OfDead(Message message) => Bare(message);

    /// <summary>Whether two messages are one and the same in two stores.</summary>
    public static bool IsSame(Message left, Message right) =>
        left.Id == right.Id
        && left.Priority == right.Priority
        && left.Key == right.Key
        && left.ContentType == right.ContentType
        && left.Headers.AsSpan().SequenceEqual(right.Headers.AsSpan())
        && left.Body.Span.SequenceEqual(right.Body.Span);

    /// <summary>Whether two dead letters are one and the same in two stores, which count attempts each for itself.</summary>
    public static bool IsSameDead(Message left, Message right) =>
        IsSame(left, right) && left.DeadLetter?.Reason == right.DeadLetter?.Reason && left.DeadLetter?.LastError == right.DeadLetter?.LastError;

    /// <summary>How many messages of a queue make a batch: fewer when they are large.</summary>
    public static int BatchSize(QueueStats stats)
    {
        const int MostMessages = 500;
        const long MostBytes = 4 * 1024 * 1024;
        var messages = Math.Max(1, stats.Ready + stats.Scheduled + stats.Leased);
        return (int)Math.Clamp(MostBytes / Math.Max(1, stats.Bytes / messages), 1, MostMessages);
    }

    private static Envelope Bare(Message message) => new(message.Body)
    {
        Id = message.Id,
        Headers = message.Headers,
        ContentType = message.ContentType,
        Key = message.Key,
        Priority = message.Priority,
    };
}
