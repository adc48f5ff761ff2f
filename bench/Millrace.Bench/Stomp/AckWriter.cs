namespace Millrace.Bench.Stomp;

/// <summary>Acknowledges every message of a read with an ACK frame of its own, all of them in one write.</summary>
internal sealed class AckWriter
{
    private byte[] _frames = new byte[64 * 1024];

    private static ReadOnlySpan<byte> AckHeader => "\nack:"u8;

    private static ReadOnlySpan<byte> FrameStart => "ACK\nid:"u8;

    private static ReadOnlySpan<byte> FrameEnd => "\n\n\0"u8;

    /// <summary>Reads what there is, and returns how many messages that were.</summary>
    public int Acknowledge(StompConnection connection, byte[] buffer)
    {
        var messages = connection.WholeFrames(buffer);
        var count = 0;
        var length = 0;
        while (messages.Length > 0)
        {
            var end = messages.IndexOf((byte)0);
            var header = messages[..end].IndexOf(AckHeader);
            if (header < 0)
            {
                throw new StompFailureException("A MESSAGE has no header 'ack', by which it could be acknowledged.");
            }

            // As it came: what is escaped there is to be escaped here.
            var id = messages[(header + AckHeader.Length)..end];
            Append(id[..id.IndexOf((byte)'\n')], ref length);
            messages = messages[(end + 1)..];
            count++;
        }

        if (length > 0)
        {
            connection.Write(_frames.AsSpan(0, length));
        }

        return count;
    }

    private void Append(ReadOnlySpan<byte> id, ref int length)
    {
        var wanted = length + FrameStart.Length + id.Length + FrameEnd.Length;
        if (wanted > _frames.Length)
        {
            Array.Resize(ref _frames, 2 * wanted);
        }

        FrameStart.CopyTo(_frames.AsSpan(length));
        id.CopyTo(_frames.AsSpan(length + FrameStart.Length));
        FrameEnd.CopyTo(_frames.AsSpan(wanted - FrameEnd.Length));
        length = wanted;
    }
}
