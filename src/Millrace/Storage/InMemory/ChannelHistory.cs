namespace Millrace.Storage.InMemory;

/// <summary>
/// The latest messages of a channel (law C4), bounded by count, bytes of bodies and age. Guarded by the gate of its transport.
/// </summary>
internal sealed class ChannelHistory(int maxCount, long maxBytes, long timeToLive)
{
    private readonly Queue<(ChannelMessage Message, long PublishedAt)> _kept = new();
    private long _bytes;

    /// <summary>Messages that are kept.</summary>
    public int Count => _kept.Count;

    /// <summary>The number of the last message that is no longer kept, or never was; 0 when there is none.</summary>
    public long LastGone { get; private set; }

    /// <summary>When the oldest message leaves by its age; <see cref="MonotonicClock.Never"/> when nothing is kept.</summary>
    public long NextExpiry => _kept.TryPeek(out var oldest) ? MonotonicClock.Add(oldest.PublishedAt, timeToLive) : MonotonicClock.Never;

    public void Add(ChannelMessage message, long now)
    {
        _kept.Enqueue((message, now));
        _bytes += message.Body.Length;
        Trim(now);
    }

    /// <summary>Lets go of what is too old or too much.</summary>
    public void Trim(long now)
    {
        while (_kept.TryPeek(out var oldest)
            && (_kept.Count > maxCount || _bytes > maxBytes || MonotonicClock.Add(oldest.PublishedAt, timeToLive) <= now))
        {
            _kept.Dequeue();
            _bytes -= oldest.Message.Body.Length;
            LastGone = oldest.Message.Id.Minor;
        }
    }

    /// <summary>Messages that match, oldest first, after a gap marker if messages after <paramref name="after"/> are gone.</summary>
    /// <param name="pattern">The pattern.</param>
    /// <param name="after">Only those after this id; null: all, without a marker.</param>
    /// <param name="incarnation">The transport's own incarnation: an id of another one is of a history that is gone altogether.</param>
    /// <param name="limit">At most so many, the marker included.</param>
    public List<ChannelMessage> Read(TopicPattern pattern, ChannelMessageId? after, long incarnation, int limit)
    {
        var read = new List<ChannelMessage>();
        var start = after is { } id && id.Major == incarnation ? id.Minor : 0;
        if (after is { } known && (known.Major != incarnation || known.Minor < LastGone))
        {
            read.Add(new ChannelMessage { Id = new ChannelMessageId(incarnation, LastGone), Topic = "", IsGap = true });
        }

        foreach (var (message, _) in _kept)
        {
            if (read.Count >= limit)
            {
                break;
            }

            if (message.Id.Minor > start && pattern.Matches(message.Topic))
            {
                read.Add(message);
            }
        }

        return read;
    }
}
