namespace Millrace.Storage.FileLog;

/// <summary>Reads the frames of a log in order and checks each. It ends at the end that the log had when it was begun, or at damage. Not safe for concurrent use.</summary>
internal sealed class LogScan : IDisposable
{
    private readonly FileLog _log;
    private readonly long _end;
    private readonly FrameReader _reader = new();
    private LogSegment? _segment;
    private long _next;

    internal LogScan(FileLog log, long from, long end)
    {
        (_log, _next, _end) = (log, from, end);
        log.WriteThrough(end);
    }

    /// <summary>The position of the current frame's payload.</summary>
    public long Position => _segment!.StartPosition + _reader.Offset + LogFormat.FrameBytes;

    /// <summary>The payload of the current frame, until the next move.</summary>
    public ReadOnlySpan<byte> Payload => _reader.Payload;

    /// <summary>Why the scan ended before the end; null otherwise.</summary>
    public LogDamage? Damage { get; private set; }

    /// <summary>Goes to the next frame.</summary>
    /// <returns>False at the end, and at damage. What is trimmed while it is read is passed over: the scan goes on where the log begins then.</returns>
    public bool MoveNext()
    {
        while (Damage is null)
        {
            if (_segment is null && !OpenSegment())
            {
                return false;
            }

            switch (_reader.Next())
            {
                case FrameStatus.Frame:
                    return true;
                case FrameStatus.Bad:
                    Damage = DamageHere(_reader.Reason!);
                    return false;
                default:
                    var segment = _segment!;
                    var stopped = segment.StartPosition + _reader.Offset;
                    var expected = Math.Min(segment.EndPosition, _end);
                    if (stopped < expected)
                    {
                        Damage = DamageHere("a frame is missing");
                        return false;
                    }

                    _next = segment.EndPosition;
                    CloseSegment();
                    break;
            }
        }

        return false;
    }

    public void Dispose()
    {
        CloseSegment();
        _reader.Dispose();
    }

    private bool OpenSegment()
    {
        if (AcquireNext() is not { } segment)
        {
            return false;
        }

        if (_next >= segment.EndPosition && _next > segment.StartPosition)
        {
            // A position behind the last frame of a segment that has no successor yet.
            segment.Release();
            return false;
        }

        _segment = segment;
        var offset = Math.Max(LogFormat.HeaderBytes, _next - segment.StartPosition - LogFormat.FrameBytes);
        _reader.Open(segment.File, segment.StartPosition, offset, Math.Min(segment.EndPosition, _end) - segment.StartPosition);
        return true;
    }

    /// <summary>The segment that is read next, kept open. It may be trimmed between being found and being acquired: then the one that the log begins with.</summary>
    private LogSegment? AcquireNext()
    {
        while (true)
        {
            var start = _log.StartPosition;
            _next = Math.Max(_next, start);
            if (_next >= _end)
            {
                return null;
            }

            if (_log.FindSegment(_next) is { } segment && segment.TryAcquire())
            {
                return segment;
            }

            if (_log.StartPosition == start)
            {
                // Given up, and not trimmed: the log is closed.
                return null;
            }
        }
    }

    private void CloseSegment()
    {
        _segment?.Release();
        _segment = null;
    }

    private LogDamage DamageHere(string reason) =>
        new(_segment!.FileName, _reader.Offset, _segment.StartPosition + _reader.Offset, reason, IsTorn: false);
}
