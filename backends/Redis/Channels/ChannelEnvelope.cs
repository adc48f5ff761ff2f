using System.Buffers.Text;
using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Channels;

/// <summary>
/// A channel's message as bytes: 1 and the content type, or 0 for none; headers; and the body, which is the rest. What is published has the message's id and a blank before it.
/// </summary>
internal static class ChannelEnvelope
{
    private const int MaxIdBytes = 41;

    /// <summary>Adds an envelope as an argument.</summary>
    public static void AddTo(RedisCommand call, in Envelope envelope)
    {
        var type = envelope.ContentType is { } text ? PackedWriter.SizeOfText(text) : 0;
        var writer = new PackedWriter(call.Reserve(1 + type + PackedWriter.SizeOfHeaders(envelope.Headers) + envelope.Body.Length));
        writer.WriteLength(envelope.ContentType is null ? 0 : 1);
        if (envelope.ContentType is not null)
        {
            writer.WriteText(envelope.ContentType);
        }

        writer.WriteHeaders(envelope.Headers);
        writer.WriteBytes(envelope.Body.Span);
    }

    /// <summary>Reads what was published; null where it is no message of ours.</summary>
    public static ChannelMessage? ReadPublished(string topic, ReadOnlyMemory<byte> payload)
    {
        var blank = payload.Span[..Math.Min(payload.Length, MaxIdBytes)].IndexOf((byte)' ');
        return blank > 0 && TryReadId(payload.Span[..blank], out var id) ? Read(id, topic, payload[(blank + 1)..]) : null;
    }

    /// <summary>Reads what is kept in the history.</summary>
    public static ChannelMessage ReadKept(RedisReply entry)
    {
        var fields = entry.Items[1].Items;
        return Read(ToId(entry.Items[0]), fields[1].ToText()!, fields[5].Bytes);
    }

    public static ChannelMessageId ToId(RedisReply reply) =>
        TryReadId(reply.Bytes.Span, out var id) ? id : throw new StorageCorruptException("The history of channels in Redis has an id that is none: something else has written it.");

    private static ChannelMessage Read(ChannelMessageId id, string topic, ReadOnlyMemory<byte> bytes)
    {
        var reader = new PackedReader(bytes, () => $"The message {id} of a channel");
        return new ChannelMessage
        {
            Id = id,
            Topic = topic,
            PublishedAt = DateTimeOffset.FromUnixTimeMilliseconds(id.Major),
            ContentType = reader.ReadLength() == 0 ? null : reader.ReadText(),
            Headers = reader.ReadHeaders() ?? MessageHeaders.Empty,
            Body = reader.Rest,
        };
    }

    private static bool TryReadId(ReadOnlySpan<byte> text, out ChannelMessageId id)
    {
        id = default;
        if (!Utf8Parser.TryParse(text, out long major, out var digits) || digits + 1 >= text.Length || text[digits] != (byte)'-'
            || !Utf8Parser.TryParse(text[(digits + 1)..], out long minor, out var more) || digits + 1 + more != text.Length)
        {
            return false;
        }

        id = new ChannelMessageId(major, minor);
        return true;
    }
}
