using System.Buffers;

namespace Millrace.Storage.FileLog.Streams;

/// <summary>Reads one page: bytes in as few and large reads as can be into an array that the page will own, and records as slices of it.</summary>
internal ref struct StreamPageReader
{
    private const int FewestRecords = 16;

    private readonly FileLog _log;
    private readonly StreamPageLimits _limits;
    private byte[] _bytes;
    private StreamRecord[] _records;
    private int _count;
    private int _filled;
    private int _at;
    private long _frame;
    private long _recordBytes;
    private long _next;
    private bool _isFull;

    public StreamPageReader(FileLog log, in StreamPageLimits limits)
    {
        (_log, _limits, _frame, _next) = (log, limits, limits.Position, limits.Offset);
        _bytes = ArrayPool<byte>.Shared.Rent(limits.ReadBytes);
        _records = ArrayPool<StreamRecord>.Shared.Rent(Math.Min(limits.MaxRecords, Math.Max(FewestRecords, limits.ExpectedRecords)));
    }

    /// <summary>Where the frame of the next page's first record is.</summary>
    public readonly long NextPosition => _frame;

    /// <summary>What is wrong with the frame at <see cref="NextPosition"/>, when there is no page because of it.</summary>
    public string? Damage { get; private set; }

    /// <summary>Reads the page; null when the log has been trimmed meanwhile, or its first frame is damaged.</summary>
    public StreamPage? Read()
    {
        var isWhole = false;
        try
        {
            while (!_isFull && _frame < _limits.EndPosition && Fill(LogFormat.FrameBytes))
            {
                var length = LogFormat.LengthOf(_bytes.AsSpan(_at));
                if (length <= 0)
                {
                    Damage = "a frame is missing, or has a length that cannot be";
                    break;
                }

                var bytes = LogFormat.FrameBytes + length;
                if (!Fill(bytes) || !TryDecode(bytes))
                {
                    break;
                }
            }

            isWhole = _count > 0;
            return isWhole ? new StreamPage(_records, _count, _bytes, _next, _limits.EndOffset) : null;
        }
        finally
        {
            if (!isWhole)
            {
                ArrayPool<byte>.Shared.Return(_bytes);
                ArrayPool<StreamRecord>.Shared.Return(_records, clearArray: true);
            }
        }
    }

    private bool TryDecode(int bytes)
    {
        var whole = _bytes.AsSpan(_at, bytes);
        if (!LogFormat.IsValid(whole, _frame))
        {
            Damage = "the checksum of a frame does not fit";
            return false;
        }

        var payload = whole[LogFormat.FrameBytes..];
        if (!StreamFrame.TryRead(payload, out var frame) || frame.BaseOffset > _next)
        {
            Damage = "a frame holds no records that could stand there";
            return false;
        }

        if (!TryDecode(payload, in frame))
        {
            Damage = "the records of a frame are damaged";
            return false;
        }

        if (!_isFull)
        {
            _at += bytes;
            _frame += bytes;
            _isFull = _count == _limits.MaxRecords;
        }

        return true;
    }

    private bool TryDecode(ReadOnlySpan<byte> payload, in StreamFrame frame)
    {
        var payloadAt = _at + LogFormat.FrameBytes;
        var at = frame.RecordsAt;
        var offset = frame.BaseOffset;
        for (var i = 0; i < frame.Count; i++, offset++)
        {
            if (!StreamFrame.TryReadRecord(payload, ref at, frame.BaseTime, out var parts) || (ulong)parts.Time > (ulong)DateTime.MaxValue.Ticks)
            {
                return false;
            }

            if (offset < _next)
            {
                continue;
            }

            _recordBytes += parts.Bytes;
            if (_count == _limits.MaxRecords || (_count > 0 && _recordBytes > _limits.MaxBytes))
            {
                _isFull = true;
                return true;
            }

            if (_count == _records.Length)
            {
                GrowRecords();
            }

            _records[_count++] = new StreamRecord
            {
                Offset = offset,
                Key = parts.KeyLength == 0 ? default : new ReadOnlyMemory<byte>(_bytes, payloadAt + parts.KeyAt, parts.KeyLength),
                Body = parts.BodyLength == 0 ? default : new ReadOnlyMemory<byte>(_bytes, payloadAt + parts.BodyAt, parts.BodyLength),
                Headers = parts.HeaderCount == 0 ? null : StreamFrame.ReadHeaders(payload, in parts),
                Timestamp = new DateTimeOffset(parts.Time, TimeSpan.Zero),
            };
            _next = offset + 1;
        }

        return true;
    }

    /// <summary>Has so many bytes of the current frame in the array; false when the page should end before them, or they are gone.</summary>
    private bool Fill(int bytes)
    {
        while (_filled - _at < bytes)
        {
            var from = _frame + _filled - _at;
            if (_log.FindSegment(from) is not { } segment)
            {
                return false;
            }

            if (segment.StartPosition == from)
            {
                // The frame before was the last one of its segment.
                _frame = from + LogFormat.HeaderBytes;
                continue;
            }

            if (!MakeRoom(bytes))
            {
                return false;
            }

            var count = (int)Math.Min(_bytes.Length - _filled, Math.Min(segment.EndPosition, _limits.EndPosition) - from);
            if (count <= 0)
            {
                Damage = "a frame is longer than its segment";
                return false;
            }

            if (!_log.TryReadAt(from, _bytes.AsSpan(_filled, count)))
            {
                return false;
            }

            _filled += count;
        }

        return true;
    }

    /// <summary>Room behind what was read, where records are not slices of the array yet; else the page ends.</summary>
    private bool MakeRoom(int bytes)
    {
        if (_at + bytes <= _bytes.Length)
        {
            return true;
        }

        if (_count > 0)
        {
            return false;
        }

        var rest = _bytes.AsSpan(_at, _filled - _at);
        if (bytes <= _bytes.Length)
        {
            rest.CopyTo(_bytes);
        }
        else
        {
            var larger = ArrayPool<byte>.Shared.Rent(bytes);
            rest.CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = larger;
        }

        (_at, _filled) = (0, _filled - _at);
        return true;
    }

    private void GrowRecords()
    {
        var larger = ArrayPool<StreamRecord>.Shared.Rent(_records.Length * 2);
        _records.AsSpan(0, _count).CopyTo(larger);
        ArrayPool<StreamRecord>.Shared.Return(_records, clearArray: true);
        _records = larger;
    }
}

/// <summary>What a page is read from, and how much.</summary>
/// <param name="Offset">The first record wanted.</param>
/// <param name="Position">A frame that does not begin after it.</param>
/// <param name="EndOffset">The end of what is visible.</param>
/// <param name="EndPosition">The same in the log.</param>
/// <param name="MaxRecords">The most records.</param>
/// <param name="MaxBytes">The most bytes of keys, headers and bodies.</param>
/// <param name="ReadBytes">How much to read at once.</param>
/// <param name="ExpectedRecords">How many records that is, more or less.</param>
internal readonly record struct StreamPageLimits(
    long Offset, long Position, long EndOffset, long EndPosition, int MaxRecords, int MaxBytes, int ReadBytes, int ExpectedRecords);
