namespace Millrace.Tests.Storage.FileLog;

/// <summary>A file of <see cref="SimulatedFileSystem"/>: what it holds, what of that is flushed, and what was changed since.</summary>
internal sealed class SimulatedFile
{
    private static long _count;

    private readonly List<(long Position, byte[]? Bytes)> _pending = [];
    private byte[] _durable = [];

    /// <summary>No other file has it.</summary>
    public long Number { get; } = Interlocked.Increment(ref _count);

    public byte[] Current { get; private set; } = [];

    public long Length => Current.Length;

    public void Write(byte[] bytes, long position)
    {
        Current = Written(Current, position, bytes);
        _pending.Add((position, bytes));
    }

    public void SetLength(long bytes)
    {
        Current = Resized(Current, bytes);
        _pending.Add((bytes, null));
    }

    public int Read(Span<byte> into, long position)
    {
        var count = (int)Math.Clamp(Current.Length - position, 0, into.Length);
        Current.AsSpan((int)Math.Min(position, Current.Length), count).CopyTo(into);
        return count;
    }

    public void Flush()
    {
        _durable = [.. Current];
        _pending.Clear();
    }

    /// <summary>The file after a power cut: of each change since the last flush, any of its sectors.</summary>
    public SimulatedFile Survive(Random random)
    {
        var content = (byte[])[.. _durable];
        foreach (var (position, bytes) in _pending)
        {
            if (bytes is null)
            {
                content = random.Next(2) == 0 ? content : Resized(content, position);
                continue;
            }

            var keepsAll = random.Next(3) == 0;
            for (var at = 0; at < bytes.Length;)
            {
                var end = (int)Math.Min(bytes.Length, (((position + at) / SimulatedFileSystem.SectorBytes) + 1) * SimulatedFileSystem.SectorBytes - position);
                if (keepsAll || random.Next(2) == 0)
                {
                    content = Written(content, position + at, bytes[at..end]);
                }

                at = end;
            }
        }

        return new SimulatedFile { _durable = content, Current = [.. content] };
    }

    private static byte[] Written(byte[] content, long position, byte[] bytes)
    {
        var end = position + bytes.Length;
        var grown = end > content.Length ? Resized(content, end) : content;
        bytes.CopyTo(grown, position);
        return grown;
    }

    private static byte[] Resized(byte[] content, long length)
    {
        Array.Resize(ref content, (int)length);
        return content;
    }
}
