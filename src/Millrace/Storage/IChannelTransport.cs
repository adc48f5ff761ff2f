using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Millrace.Storage;

/// <summary>
/// Live publish and subscribe by topic (laws C1–C5). Safe for concurrent use. Topics are 1 to 200 bytes of UTF-8 without control characters.
/// </summary>
public interface IChannelTransport : IAsyncDisposable
{
    /// <summary>Publishes to everyone who is subscribed.</summary>
    /// <param name="topic">The topic; literal.</param>
    /// <param name="envelope">Body, content type and headers are sent; the wishes of a queue (key, priority, delay, time to live, id) have no meaning here and are refused when set.</param>
    /// <param name="cancellationToken">Ends the call. With <see cref="SlowSubscriberPolicy.Wait"/>, also the wait.</param>
    /// <returns>The id that this instance gave the message.</returns>
    ValueTask<ChannelMessageId> PublishAsync(string topic, Envelope envelope, CancellationToken cancellationToken = default);

    /// <summary>Subscribes. When this returns, every later publish reaches the subscription (C1).</summary>
    ValueTask<IChannelSubscription> SubscribeAsync(TopicPattern pattern, SubscriptionOptions options, CancellationToken cancellationToken = default);

    /// <summary>Messages that are still kept and match the pattern, oldest first (C4). Starts with a gap marker if messages after <paramref name="after"/> are gone.</summary>
    /// <param name="pattern">The pattern.</param>
    /// <param name="after">Only those after this id; null: from the start of what is kept, without a gap marker.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    ValueTask<IReadOnlyList<ChannelMessage>> GetHistoryAsync(TopicPattern pattern, ChannelMessageId? after = null, int limit = 1000, CancellationToken cancellationToken = default);
}

/// <summary>A subscription. One reader at a time. Disposing ends a read that waits, and frees everything it held (C5).</summary>
public interface IChannelSubscription : IAsyncDisposable
{
    /// <summary>Reads what has arrived, waiting for at least one message.</summary>
    /// <returns>How many were read; 0 when the subscription has ended: disposed, or disconnected by its policy (see <see cref="Stats"/>).</returns>
    ValueTask<int> ReadAsync(Memory<ChannelMessage> into, CancellationToken cancellationToken = default);

    /// <summary>What happened to this subscription's messages so far.</summary>
    SubscriptionStats Stats { get; }
}

/// <summary>The counters of a subscription (C3).</summary>
/// <param name="Delivered">Messages handed to the reader.</param>
/// <param name="Dropped">Messages dropped because the buffer was full.</param>
/// <param name="Buffered">Messages that wait to be read.</param>
/// <param name="Disconnected">Whether the policy has ended the subscription.</param>
public readonly record struct SubscriptionStats(long Delivered, long Dropped, int Buffered, bool Disconnected);

/// <summary>What happens to a message when a subscriber's buffer is full (C3).</summary>
public enum SlowSubscriberPolicy
{
    /// <summary>The oldest buffered messages are dropped, as many as it takes.</summary>
    DropOldest,

    /// <summary>The new message is dropped.</summary>
    DropNewest,

    /// <summary>The subscription ends after what is buffered has been read.</summary>
    Disconnect,

    /// <summary>The publisher waits up to <see cref="SubscriptionOptions.WaitDeadline"/>, then the new message is dropped. In-process transports only; others refuse it.</summary>
    Wait,
}

/// <summary>How to subscribe. Immutable.</summary>
public sealed record SubscriptionOptions
{
    /// <summary>Defaults throughout.</summary>
    public static SubscriptionOptions Default { get; } = new();

    /// <summary>The most messages that wait to be read; 1,024 unless set.</summary>
    public int Capacity { get; init; } = 1024;

    /// <summary>
    /// The most bytes of bodies that wait to be read; 16 MiB unless set. A message that is larger by itself is still taken while nothing else waits. What is replayed from the
    /// history counts neither here nor in <see cref="Capacity"/>, because the history holds it anyway.
    /// </summary>
    public long MaxBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>What happens when they are more; the oldest is dropped unless set.</summary>
    public SlowSubscriberPolicy WhenFull { get; init; }

    /// <summary>For <see cref="SlowSubscriberPolicy.Wait"/>: the longest wait of one publish, 1 s unless set.</summary>
    public TimeSpan WaitDeadline { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Replay what came after this id before anything live (C4); null: live messages only.</summary>
    public ChannelMessageId? ResumeAfter { get; init; }

    /// <summary>Throws if a value is out of range.</summary>
    public void Validate()
    {
        if (Capacity < 1)
        {
            throw new MillraceConfigurationException($"A subscription's capacity must be at least 1, not {Capacity}.");
        }

        if (MaxBytes < 1)
        {
            throw new MillraceConfigurationException($"A subscription's bound in bytes must be at least 1, not {MaxBytes}.");
        }

        if (WaitDeadline < TimeSpan.Zero)
        {
            throw new MillraceConfigurationException($"A subscription's wait deadline must not be negative: {WaitDeadline}.");
        }
    }
}

/// <summary>A message of a channel, or the marker of a gap before the next one. Immutable; shared by all its subscribers.</summary>
public sealed class ChannelMessage
{
    /// <summary>The id. For a gap: that of the last message before what is kept, so that resuming after it continues.</summary>
    public required ChannelMessageId Id { get; init; }

    /// <summary>The topic; empty for a gap.</summary>
    public required string Topic { get; init; }

    /// <summary>The body; empty for a gap.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The media type of the body, or null.</summary>
    public string? ContentType { get; init; }

    /// <summary>The headers.</summary>
    public MessageHeaders Headers { get; init; } = MessageHeaders.Empty;

    /// <summary>When it was published, by the transport's clock.</summary>
    public DateTimeOffset PublishedAt { get; init; }

    /// <summary>True for a marker that messages are missing here: what was asked for is no longer kept, or a connection was cut (C1, C4).</summary>
    public bool IsGap { get; init; }
}

/// <summary>The id of a channel message: orders the messages of one channel instance (C4). Its text form is two decimal numbers, <c>major-minor</c>.</summary>
/// <param name="Major">The more significant part: a time or an incarnation.</param>
/// <param name="Minor">The less significant part.</param>
public readonly record struct ChannelMessageId(long Major, long Minor) : IComparable<ChannelMessageId>, IParsable<ChannelMessageId>
{
    /// <inheritdoc/>
    public int CompareTo(ChannelMessageId other) => Major != other.Major ? Major.CompareTo(other.Major) : Minor.CompareTo(other.Minor);

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Major}-{Minor}");

    /// <summary>Reads <c>major-minor</c>.</summary>
    /// <exception cref="FormatException">The text is no id.</exception>
    public static ChannelMessageId Parse(string s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out var id) ? id : throw new FormatException("A channel message id is two decimal numbers with a hyphen between, such as 1700000000000-7.");

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out ChannelMessageId result)
    {
        result = default;
        var hyphen = s?.IndexOf('-', StringComparison.Ordinal) ?? -1;
        if (hyphen <= 0
            || !long.TryParse(s.AsSpan(0, hyphen), NumberStyles.None, CultureInfo.InvariantCulture, out var major)
            || !long.TryParse(s.AsSpan(hyphen + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var minor))
        {
            return false;
        }

        result = new ChannelMessageId(major, minor);
        return true;
    }

    /// <summary>Earlier.</summary>
    public static bool operator <(ChannelMessageId left, ChannelMessageId right) => left.CompareTo(right) < 0;

    /// <summary>Later.</summary>
    public static bool operator >(ChannelMessageId left, ChannelMessageId right) => left.CompareTo(right) > 0;

    /// <summary>Not later.</summary>
    public static bool operator <=(ChannelMessageId left, ChannelMessageId right) => left.CompareTo(right) <= 0;

    /// <summary>Not earlier.</summary>
    public static bool operator >=(ChannelMessageId left, ChannelMessageId right) => left.CompareTo(right) >= 0;
}
