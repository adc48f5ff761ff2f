namespace Millrace.Sqlite.Queues;

/// <summary>One message of a lease.</summary>
/// <param name="Number">The message's number.</param>
/// <param name="BodyLength">Its body's bytes, so that completing it reads nothing.</param>
/// <param name="Flags">What else must be undone when it goes.</param>
internal readonly record struct LeaseEntry(long Number, int BodyLength, MessageFlags Flags);

/// <summary>
/// All messages of one lease call, which share a deadline: one row instead of one index entry a message, so that leasing and settling a hundred costs
/// little more than one, and renewing touches few rows.
/// </summary>
internal sealed class LeaseRow
{
    /// <summary>The most messages of one lease: its index takes 16 bits of a token, and the row stays within a few pages.</summary>
    public const int MaxEntries = 1024;

    public required long Queue { get; init; }

    public required long Id { get; init; }

    public required long Owner { get; init; }

    public required long Deadline { get; set; }

    public required LeaseEntry[] Entries { get; init; }

    /// <summary>One bit an entry: set while it is not settled.</summary>
    public required byte[] Open { get; init; }

    public int OpenCount { get; set; }

    public bool IsDirty { get; set; }

    public static byte[] AllOpen(int count)
    {
        var open = new byte[(count + 7) / 8];
        for (var i = 0; i < count; i++)
        {
            open[i >> 3] |= (byte)(1 << (i & 7));
        }

        return open;
    }

    public bool IsOpen(int index) => (Open[index >> 3] & (1 << (index & 7))) != 0;

    public void Close(int index)
    {
        Open[index >> 3] &= (byte)~(1 << (index & 7));
        OpenCount--;
    }

    /// <summary>Numbers as differences, lengths and flags, all as variable-length integers: three or four bytes an entry as a rule.</summary>
    public static byte[] Encode(ReadOnlySpan<LeaseEntry> entries)
    {
        var buffer = new byte[entries.Length * 20];
        var length = 0;
        var previous = 0L;
        foreach (var entry in entries)
        {
            var difference = entry.Number - previous;
            length = Write(buffer, length, (ulong)((difference << 1) ^ (difference >> 63)));
            length = Write(buffer, length, (uint)entry.BodyLength);
            length = Write(buffer, length, (uint)entry.Flags);
            previous = entry.Number;
        }

        return buffer[..length];
    }

    public static LeaseEntry[] Decode(ReadOnlySpan<byte> encoded)
    {
        var entries = new List<LeaseEntry>();
        var previous = 0L;
        while (!encoded.IsEmpty)
        {
            var zigzag = Read(ref encoded);
            var number = previous + ((long)(zigzag >> 1) ^ -(long)(zigzag & 1));
            entries.Add(new LeaseEntry(number, (int)Read(ref encoded), (MessageFlags)Read(ref encoded)));
            previous = number;
        }

        return [.. entries];
    }

    private static int Write(byte[] buffer, int at, ulong value)
    {
        while (value >= 0x80)
        {
            buffer[at++] = (byte)(value | 0x80);
            value >>= 7;
        }

        buffer[at++] = (byte)value;
        return at;
    }

    private static ulong Read(ref ReadOnlySpan<byte> encoded)
    {
        var value = 0UL;
        for (var shift = 0; ; shift += 7)
        {
            if (encoded.IsEmpty || shift > 63)
            {
                throw new StorageCorruptException("A row of the lease table ends in the middle of an entry.");
            }

            var b = encoded[0];
            encoded = encoded[1..];
            value |= (ulong)(b & 0x7f) << shift;
            if (b < 0x80)
            {
                return value;
            }
        }
    }
}
