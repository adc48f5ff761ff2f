using System.Buffers;

namespace Millrace.Serialization;

/// <summary>
/// A growing buffer from the array pool, for the bodies of one send or the text of one request. Growing moves what was written, so parts are kept as ranges and turned into memory
/// only when the last one has been written. Disposing gives the array back. Not safe for concurrent use.
/// </summary>
internal sealed class PooledBuffer : IBufferWriter<byte>, IDisposable
{
    private const int InitialBytes = 512;

    private byte[] _bytes = [];
    private bool _isAbandoned;

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

    /// <summary>Somebody may go on reading the bytes: the array is left to the collector instead of being given back.</summary>
    public void Abandon() => _isAbandoned = true;

    public void Dispose()
    {
        var bytes = _bytes;
        (_bytes, WrittenBytes) = ([], 0);
        if (bytes.Length > 0 && !_isAbandoned)
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
