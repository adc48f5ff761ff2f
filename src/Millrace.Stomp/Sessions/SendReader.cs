using System.Buffers.Text;
using System.Globalization;
using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Sessions;

/// <summary>Reads what a SEND frame wishes for its message. Touched by its session only.</summary>
internal sealed class SendReader(SessionContext session, TemporaryQueues temporaryQueues)
{
    private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal);
    private readonly List<KeyValuePair<string, string>> _headers = [];

    /// <summary>The envelope, without its body.</summary>
    /// <exception cref="StompFaultException">A header has a value that it cannot have.</exception>
    public Envelope Read(StompFrame frame)
    {
        var envelope = default(Envelope);
        _headers.Clear();
        for (var i = 0; i < frame.HeaderCount; i++)
        {
            if (frame.IsRepeatedKnown(i))
            {
                continue;
            }

            switch (frame.KnownAt(i))
            {
                case KnownHeader.Destination or KnownHeader.ContentLength or KnownHeader.Receipt or KnownHeader.Transaction:
                case KnownHeader.Ack or KnownHeader.MessageId or KnownHeader.Subscription or KnownHeader.Redelivered:
                    // Of the frame itself, or written by the broker in the frames that it sends.
                    break;
                case KnownHeader.ContentType:
                    envelope = envelope with { ContentType = NullIfEmpty(frame.ValueAt(i)) };
                    break;
                case KnownHeader.Priority:
                    envelope = envelope with { Priority = (int)Math.Min(ReadNumber(frame, i), MessagePriority.Highest) };
                    break;
                case KnownHeader.Expires:
                    envelope = envelope with { TimeToLive = ReadExpiry(frame, i) ?? envelope.TimeToLive };
                    break;
                case KnownHeader.TimeToLive:
                    envelope = envelope with { TimeToLive = ReadDuration(frame, i) is var time && time > TimeSpan.Zero ? time : envelope.TimeToLive };
                    break;
                case KnownHeader.Delay:
                    envelope = envelope with { Delay = ReadDuration(frame, i) };
                    break;
                case KnownHeader.Persistent:
                    envelope = envelope with { Durability = frame.RawValueAt(i).SequenceEqual("false"u8) ? MessageDurability.None : MessageDurability.Default };
                    Keep(frame, i);
                    break;
                case KnownHeader.MessageKey:
                    envelope = envelope with { Key = NullIfEmpty(frame.ValueAt(i)) };
                    Keep(frame, i);
                    break;
                case KnownHeader.SenderId:
                    envelope = envelope with { Id = frame.ValueAt(i) };
                    Keep(frame, i);
                    break;
                case KnownHeader.ReplyTo:
                    _headers.Add(new("reply-to", temporaryQueues.Rewrite(frame.ValueAt(i))));
                    break;
                default:
                    Keep(frame, i);
                    break;
            }
        }

        return envelope with { Headers = _headers.Count == 0 ? null : MessageHeaders.Create(_headers) };
    }

    /// <summary>Reads a time in milliseconds.</summary>
    public static TimeSpan ReadDuration(StompFrame frame, int index)
    {
        var milliseconds = ReadNumber(frame, index);
        return milliseconds <= TimeSpan.MaxValue.TotalMilliseconds / 2
            ? TimeSpan.FromMilliseconds(milliseconds)
            : throw new StompFaultException("malformed frame", $"The header {frame.NameAt(index)} is {milliseconds} ms, which is longer than any time.");
    }

    private TimeSpan? ReadExpiry(StompFrame frame, int index)
    {
        // Milliseconds since 1970 as with other brokers; 0 is never.
        var instant = ReadNumber(frame, index);
        if (instant == 0)
        {
            return null;
        }

        var left = instant - session.Resources.TimeProvider.GetUtcNow().ToUnixTimeMilliseconds();

        // What has expired on its way is stored for the shortest time that there is, so that it counts as expired where its queue counts.
        var longest = session.Resources.Queues?.Capabilities.MaxDelay ?? TimeSpan.FromMilliseconds(left);
        return left <= 0 ? TimeSpan.FromTicks(1) : left < longest.TotalMilliseconds ? TimeSpan.FromMilliseconds(left) : longest;
    }

    private static long ReadNumber(StompFrame frame, int index)
    {
        var raw = frame.RawValueAt(index);
        return Utf8Parser.TryParse(raw, out long number, out var read) && read == raw.Length && number >= 0
            ? number
            : throw new StompFaultException("malformed frame", string.Create(
                CultureInfo.InvariantCulture, $"The header {frame.NameAt(index)} must be a whole number of 0 or more, not '{Destination.Shown(frame.ValueAt(index))}'."));
    }

    private void Keep(StompFrame frame, int index)
    {
        var name = frame.NameAt(index);
        if (name.Length == 0)
        {
            throw new StompFaultException("malformed frame", "A header has no name.");
        }

        _headers.Add(new(Known(name), frame.ValueAt(index)));
    }

    // Clients use the same few names for ever: messages share one text of each.
    private string Known(string name)
    {
        const int MostNames = 64;
        if (_names.TryGetValue(name, out var known))
        {
            return known;
        }

        if (_names.Count < MostNames)
        {
            _names[name] = name;
        }

        return name;
    }

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
