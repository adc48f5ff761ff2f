namespace Millrace.Server.Stomp;

/// <summary>
/// Finds where each frame ends in what the broker writes, however it is cut. Line ends between frames, which are heart-beats, count as one. Nothing is checked: the broker's frames
/// are right. Not safe for concurrent use.
/// </summary>
internal sealed class FrameSplitter
{
    private const byte LineFeed = (byte)'\n';
    private const byte CarriageReturn = (byte)'\r';

    private Part _part;
    private bool _isLineEmpty;
    private int _matched;
    private long _length;
    private long _left;

    private enum Part
    {
        Between,
        Head,
        Counted,
        Terminated,
    }

    private static ReadOnlySpan<byte> Length => "content-length:"u8;

    /// <summary>Goes on to the end of the frame, or of the bytes.</summary>
    /// <param name="bytes">What follows what was given before.</param>
    /// <param name="isEnd">Whether the frame ends with what was taken.</param>
    /// <returns>How many of the bytes belong to the frame.</returns>
    public int Take(ReadOnlySpan<byte> bytes, out bool isEnd)
    {
        isEnd = false;
        if (bytes.IsEmpty)
        {
            return 0;
        }

        if (_part == Part.Between)
        {
            var beats = bytes.IndexOfAnyExcept(LineFeed, CarriageReturn);
            if (beats != 0)
            {
                isEnd = true;
                return beats < 0 ? bytes.Length : beats;
            }

            (_part, _length) = (Part.Head, -1);
            BeginLine();
        }

        var taken = _part == Part.Head ? TakeHead(bytes) : 0;
        if (_part == Part.Counted)
        {
            var body = (int)Math.Min(_left, bytes.Length - taken);
            taken += body;
            _left -= body;
            isEnd = _left == 0;
        }
        else if (_part == Part.Terminated)
        {
            var end = bytes[taken..].IndexOf((byte)0);
            isEnd = end >= 0;
            taken = isEnd ? taken + end + 1 : bytes.Length;
        }

        if (isEnd)
        {
            _part = Part.Between;
        }

        return taken;
    }

    private int TakeHead(ReadOnlySpan<byte> bytes)
    {
        var taken = 0;
        while (taken < bytes.Length)
        {
            var next = bytes[taken++];
            if (next != LineFeed)
            {
                TakeOfLine(next);
            }
            else if (!_isLineEmpty)
            {
                BeginLine();
            }
            else
            {
                // The byte after the body is its NUL.
                (_part, _left) = _length < 0 ? (Part.Terminated, 0) : (Part.Counted, _length + 1);
                break;
            }
        }

        return taken;
    }

    private void TakeOfLine(byte next)
    {
        if (next == CarriageReturn)
        {
            return;
        }

        _isLineEmpty = false;
        if (_matched == Length.Length)
        {
            _length = ((_length < 0 ? 0 : _length) * 10) + (next - '0');
        }
        else
        {
            _matched = _matched >= 0 && next == Length[_matched] ? _matched + 1 : -1;
        }
    }

    private void BeginLine() => (_isLineEmpty, _matched) = (true, 0);
}
