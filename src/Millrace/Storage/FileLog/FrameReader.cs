using System.Buffers;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog;

/// <summary>Reads the frames of one segment in order, in large pieces, and checks each. Not safe for concurrent use.</summary>
internal sealed class FrameReader : IDisposable
{
    /// <summary>Fits the second-level cache of a processor core, where the checksum and the decoder find it again.</summary>
    private const int ReadBytes = 256 * 1024;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(ReadBytes);
    private IStorageFile? _file;
    private long _start;
    private long _limit;
    private long _offset;
    private int _first;
    private int _count;
    private int _frameBytes;

    /// <summary>The offset in the file of the current frame; after the last one, where the next would be.</summary>
    public long Offset => _offset;

    /// <summary>The payload of the current frame, until the next move.</summary>
    public ReadOnlySpan<byte> Payload => _buffer.AsSpan(_first + LogFormat.FrameBytes, _frameBytes - LogFormat.FrameBytes);

    /// <summary>What is wrong at <see cref="Offset"/>, after <see cref="FrameStatus.Bad"/>.</summary>
    public string? Reason { get; private set; }

    /// <summary>Begins with another file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="start">The position of its first byte.</param>
    /// <param name="offset">Where the first frame stands.</param>
    /// <param name="limit">Up to which offset it may hold frames.</param>
    public void Open(IStorageFile file, long start, long offset, long limit) =>
        (_file, _start, _offset, _limit, _first, _count, _frameBytes) = (file, start, offset, limit, 0, 0, 0);

    /// <summary>Goes to the next frame.</summary>
    public FrameStatus Next()
    {
        _offset += _frameBytes;
        _first += _frameBytes;
        _count -= _frameBytes;
        _frameBytes = 0;
        if (_limit - _offset < LogFormat.FrameBytes || !Fill(LogFormat.FrameBytes))
        {
            return FrameStatus.End;
        }

        var length = LogFormat.LengthOf(_buffer.AsSpan(_first));
        if (length == 0)
        {
            return FrameStatus.End;
        }

        if (length < 0 || length > _limit - _offset - LogFormat.FrameBytes)
        {
            return Bad("a frame has a length that cannot be");
        }

        if (!Fill(LogFormat.FrameBytes + length))
        {
            return Bad("the file ends in a frame");
        }

        if (!LogFormat.IsValid(_buffer.AsSpan(_first, LogFormat.FrameBytes + length), _start + _offset))
        {
            return Bad("the checksum of a frame does not fit");
        }

        _frameBytes = LogFormat.FrameBytes + length;
        return FrameStatus.Frame;
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
    }

    private FrameStatus Bad(string reason)
    {
        Reason = reason;
        return FrameStatus.Bad;
    }

    /// <summary>Makes sure that so many bytes from the offset on are in the buffer; false where the file ends before.</summary>
    private bool Fill(int bytes)
    {
        if (_count >= bytes)
        {
            return true;
        }

        if (bytes > _buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(bytes);
            _buffer.AsSpan(_first, _count).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }
        else if (_first > 0)
        {
            _buffer.AsSpan(_first, _count).CopyTo(_buffer);
        }

        _first = 0;
        var wanted = (int)Math.Min(_buffer.Length, _limit - _offset);
        while (_count < wanted)
        {
            var read = _file!.Read(_buffer.AsSpan(_count, wanted - _count), _offset + _count);
            if (read <= 0)
            {
                break;
            }

            _count += read;
        }

        return _count >= bytes;
    }
}

/// <summary>What stands where a frame could be.</summary>
internal enum FrameStatus
{
    /// <summary>A frame.</summary>
    Frame,

    /// <summary>No frame was written there.</summary>
    End,

    /// <summary>Something that is no whole frame.</summary>
    Bad,
}
