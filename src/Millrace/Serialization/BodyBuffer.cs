using System.Buffers;

namespace Millrace.Serialization;

/// <summary>
/// A growing pooled buffer that holds the bodies of one send. Growing moves what was written, so bodies are kept as ranges and turned into memory
/// only when the last one has been written. Not safe for concurrent use.
/// </summary>
internal sealed class BodyBuffer : IBufferWriter<byte>, IDisposable
{
    private const int InitialBytes = 512;

    private byte[] _bytes = [];

    public int WrittenBytes { get; private set; }

    public ReadOnlyMemory<byte> this[Range range] => _bytes.AsMemory(0, WrittenBytes)[range];

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _bytes.Length - WrittenBytes);
        WrittenBytes += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsMemory(WrittenBytes);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsSpan(WrittenBytes);
    }

    /// <summary>Forgets what was written after <paramref name="length"/>.</summary>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)length, (uint)WrittenBytes);
        WrittenBytes = length;
    }

    public void Dispose()
    {
        var bytes = _bytes;
        (_bytes, WrittenBytes) = ([], 0);
        if (bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private void Reserve(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        var needed = checked(WrittenBytes + Math.Max(sizeHint, 1));
        if (needed <= _bytes.Length)
        {
            return;
        }

        var doubled = (int)Math.Min(Math.Max((long)_bytes.Length * 2, InitialBytes), Array.MaxLength);
        var grown = ArrayPool<byte>.Shared.Rent(Math.Max(needed, doubled));
        _bytes.AsSpan(0, WrittenBytes).CopyTo(grown);
        if (_bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
        }

        _bytes = grown;
    }
}
