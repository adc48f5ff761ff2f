using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace Millrace.Stomp.Codec;

/// <summary>
/// Writes MESSAGE frames for one connection. What is the same from message to message is encoded once: the start of a subscription's frames, and headers that messages share
/// because their sender repeated them. Not safe for concurrent use.
/// </summary>
internal sealed class MessageFrame(StompVersion version)
{
    // Fixed parts, numbers and line ends of a head, beside what is counted exactly.
    private const int UsualHeadBytes = 256;
    private const int LargestJoinedBody = 1024;

    private MessageHeaders? _lastHeaders;
    private string? _lastContentType;
    private byte[] _lastBlock = [];

    /// <summary>The bytes with which every MESSAGE of a subscription begins.</summary>
    /// <param name="subscription">Its id; null for clients of 1.0 that gave none.</param>
    /// <param name="destination">Its destination; null when that differs from message to message.</param>
    /// <param name="version">The connection's version.</param>
    public static byte[] StartOf(string? subscription, string? destination, StompVersion version)
    {
        var start = new ArrayBufferWriter<byte>();
        start.Write("MESSAGE\n"u8);
        if (subscription is not null)
        {
            WriteHeader(start, "subscription", subscription, version);
        }

        if (destination is not null)
        {
            WriteHeader(start, "destination", destination, version);
        }

        start.Write("message-id:"u8);
        return start.WrittenSpan.ToArray();
    }

    /// <summary>Writes a frame.</summary>
    public void Write(IBufferWriter<byte> output, in MessageParts parts)
    {
        var block = BlockOf(parts.Headers, parts.ContentType);
        var extra = parts.Extra;
        var text = parts.Id.TryGetUuid(out var uuid) ? null : Escaped(parts.TextId ?? parts.Id.ToString(), version);
        var body = parts.Body.Span;
        var join = body.Length <= LargestJoinedBody;
        var span = output.GetSpan(UsualHeadBytes + parts.Start.Length + (text?.Length ?? 0) + block.Length + extra.Length + (join ? body.Length : 0));
        var length = Put(span, 0, parts.Start);
        if (text is null)
        {
            uuid.TryFormat(span[length..], out var written);
            length += written;
        }
        else
        {
            length = Put(span, length, text);
        }

        length = Put(span, length, "\n"u8);
        if (parts.AckNumber >= 0)
        {
            length = PutNumber(span, Put(span, length, "ack:"u8), parts.AckSubscription, (byte)'-');
            length = PutNumber(span, length, parts.AckNumber, (byte)'\n');
        }

        if (parts.IsRedelivered)
        {
            length = Put(span, length, "redelivered:true\n"u8);
        }

        if (parts.Priority != MessagePriority.Default)
        {
            length = PutNumber(span, Put(span, length, "priority:"u8), parts.Priority, (byte)'\n');
        }

        if (parts.ExpiresAt is { } expires)
        {
            length = PutNumber(span, Put(span, length, "expires:"u8), expires.ToUnixTimeMilliseconds(), (byte)'\n');
        }

        length = Put(span, length, block);
        length = Put(span, length, extra);
        length = PutNumber(span, Put(span, length, "content-length:"u8), body.Length, (byte)'\n');
        span[length++] = (byte)'\n';
        if (join)
        {
            length = Put(span, length, body);
            span[length++] = 0;
            output.Advance(length);
            return;
        }

        output.Advance(length);
        output.Write(body);
        output.Write("\0"u8);
    }

    /// <summary>Header lines as bytes.</summary>
    public static byte[] Encode(StompVersion version, params ReadOnlySpan<(string Name, string Value)> headers)
    {
        var block = new ArrayBufferWriter<byte>();
        foreach (var (name, value) in headers)
        {
            WriteHeader(block, name, value, version);
        }

        return block.WrittenSpan.ToArray();
    }

    private ReadOnlySpan<byte> BlockOf(MessageHeaders headers, string? contentType)
    {
        if (ReferenceEquals(headers, _lastHeaders) && ReferenceEquals(contentType, _lastContentType))
        {
            return _lastBlock;
        }

        var block = new ArrayBufferWriter<byte>();
        if (contentType is not null)
        {
            WriteHeader(block, "content-type", contentType, version);
        }

        foreach (var (name, value) in headers.AsSpan())
        {
            if (!ReservedHeaders.IsOfBroker(name))
            {
                WriteHeader(block, name, value, version);
            }
        }

        (_lastHeaders, _lastContentType, _lastBlock) = (headers, contentType, block.WrittenSpan.ToArray());
        return _lastBlock;
    }

    private static void WriteHeader(ArrayBufferWriter<byte> output, string name, string value, StompVersion version)
    {
        if (version == StompVersion.V10 && name.Contains(':', StringComparison.Ordinal))
        {
            // 1.0 cannot write such a name, and would read it as another one.
            return;
        }

        output.Write(Escaped(name, version));
        output.Write(":"u8);
        output.Write(Escaped(value, version));
        output.Write("\n"u8);
    }

    private static byte[] Escaped(string text, StompVersion version)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        if (HeaderEscape.IsPlain(utf8, version))
        {
            return utf8;
        }

        var escaped = new byte[2 * utf8.Length];
        return escaped[..HeaderEscape.Write(utf8, version, escaped)];
    }

    private static int Put(Span<byte> span, int at, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(span[at..]);
        return at + bytes.Length;
    }

    private static int PutNumber(Span<byte> span, int at, long number, byte end)
    {
        Utf8Formatter.TryFormat(number, span[at..], out var written);
        span[at + written] = end;
        return at + written + 1;
    }
}

/// <summary>What a MESSAGE frame is made of.</summary>
internal ref struct MessageParts
{
    /// <summary>See <see cref="MessageFrame.StartOf"/>.</summary>
    public ReadOnlySpan<byte> Start;

    /// <summary>The message's id, unless <see cref="TextId"/> is set.</summary>
    public MessageId Id;

    /// <summary>An id that is no message's, as that of a channel message.</summary>
    public string? TextId;

    /// <summary>For the <c>ack</c> header: the number of the subscription.</summary>
    public int AckSubscription;

    /// <summary>For the <c>ack</c> header: the number of the delivery; -1 for none.</summary>
    public long AckNumber;

    /// <summary>Whether the message may have been delivered before.</summary>
    public bool IsRedelivered;

    /// <summary>0 to 9.</summary>
    public int Priority;

    /// <summary>When the message expires, if it does.</summary>
    public DateTimeOffset? ExpiresAt;

    /// <summary>The media type of the body.</summary>
    public string? ContentType;

    /// <summary>The headers of the sender.</summary>
    public MessageHeaders Headers;

    /// <summary>More header lines, encoded.</summary>
    public ReadOnlySpan<byte> Extra;

    /// <summary>The body.</summary>
    public ReadOnlyMemory<byte> Body;
}
