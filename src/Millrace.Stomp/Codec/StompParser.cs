using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace Millrace.Stomp.Codec;

/// <summary>How an attempt to read a frame ended.</summary>
internal enum ParseStatus
{
    /// <summary>A frame was read.</summary>
    Frame,

    /// <summary>More bytes are needed.</summary>
    Incomplete,

    /// <summary>The bytes are no STOMP; see <see cref="StompParser.Fault"/>. Nothing more can be read.</summary>
    Fault,
}

/// <summary>
/// Reads frames from bytes that come in pieces of any size. Does no I/O: bytes are appended, frames are read, and what they were read from is given up. Not safe for concurrent use.
/// </summary>
/// <remarks>
/// <code>
/// frame  = command EOL *(name ":" value EOL) EOL *OCTET NUL *EOL
/// EOL    = LF, or CR LF in version 1.2 and before a version is agreed on
/// </code>
/// The body has as many bytes as the header <c>content-length</c> says, or ends at the first NUL. In versions 1.0 and 1.1 a CR before LF belongs to the header's value; on
/// command and blank lines, where it could mean nothing else, it is read as part of the line's end.
/// </remarks>
internal sealed class StompParser(StompOptions options) : IDisposable
{
    /// <summary>What the window holds as a rule; a frame that is larger makes it grow.</summary>
    public const int UsualWindowBytes = 64 * 1024;

    // A longer head is not likely to be repeated, and costs more to keep.
    private const int LongestKeptHead = 1024;

    private readonly byte[] _keptHead = new byte[LongestKeptHead];
    private int _keptHeadLength;
    private bool _keptHeadIsInFrame;

    private byte[] _window = [];
    private int _start;
    private int _end;

    // Of the frame that has begun, all counted from its first byte: the next line, the end of the head (0 while it is not known), where to look on for the NUL.
    private bool _hasBegun;
    private int _nextLine;
    private int _headLength;
    private int _bodyLength;
    private int _scanned;

    /// <summary>The version that was agreed on.</summary>
    public StompVersion Version { get; set; }

    /// <summary>Bytes that have not been read as frames yet.</summary>
    public int Buffered => _end - _start;

    /// <summary>Whether a frame has begun and is not complete.</summary>
    public bool IsInFrame => _hasBegun && Buffered > 0;

    /// <summary>Bytes that the frame that has begun takes in all as far as is known, or that it has so far.</summary>
    public long FrameBytes => _headLength > 0 && _bodyLength >= 0 ? (long)_headLength + _bodyLength + 1 : Buffered;

    /// <summary>How many bytes can be appended while the frames that were read stay as they are.</summary>
    public int Room => _window.Length - _end;

    /// <summary>Why reading has failed.</summary>
    public StompFault? Fault { get; private set; }

    /// <summary>Takes bytes over. If they are more than <see cref="Room"/>, frames that were read before must not be used any more.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        MakeRoom(bytes.Length);
        bytes.CopyTo(_window.AsSpan(_end));
        _end += bytes.Length;
    }

    /// <summary>Moves what is left to the front, and gives the window back when nothing is. Frames that were read before must not be used any more.</summary>
    public void Compact()
    {
        if (_start == _end)
        {
            _start = _end = 0;
            if (_window.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(_window);
                _window = [];
            }
        }
        else if (_start > 0)
        {
            _window.AsSpan(_start, _end - _start).CopyTo(_window);
            (_start, _end) = (0, _end - _start);
        }
    }

    /// <summary>Reads the next frame.</summary>
    public ParseStatus TryRead(StompFrame frame)
    {
        if (Fault is not null)
        {
            return ParseStatus.Fault;
        }

        if (!_hasBegun)
        {
            SkipLineEnds();

            // A CR at the very end may be half of a line end.
            if (_start == _end || (_start + 1 == _end && _window[_start] == '\r'))
            {
                return ParseStatus.Incomplete;
            }

            Begin(frame);
        }

        if (_headLength == 0 && !TryReadHead(frame))
        {
            return Fault is null ? ParseStatus.Incomplete : ParseStatus.Fault;
        }

        return TryReadBody(frame);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _start = _end;
        Compact();
    }

    /// <summary>Makes room for bytes that will be appended. If they are more than <see cref="Room"/>, frames that were read before must not be used any more.</summary>
    public void MakeRoom(int bytes)
    {
        if (_window.Length - _end >= bytes)
        {
            return;
        }

        Compact();
        if (_window.Length - _end >= bytes)
        {
            return;
        }

        // Doubled, so that a body without a length is not copied for each piece; a known length is taken at once by the pieces that come.
        var size = Math.Max(_end + bytes, Math.Min(2L * _window.Length, int.MaxValue / 2));
        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(size, Array.MaxLength));
        _window.AsSpan(0, _end).CopyTo(larger);
        if (_window.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_window);
        }

        _window = larger;
    }

    private void SkipLineEnds()
    {
        var at = _start;
        while (at < _end)
        {
            if (_window[at] == '\n')
            {
                at++;
            }
            else if (_window[at] == '\r' && at + 1 < _end && _window[at + 1] == '\n')
            {
                at += 2;
            }
            else
            {
                break;
            }
        }

        _start = at;
    }

    private void Begin(StompFrame frame)
    {
        _hasBegun = true;
        _nextLine = 0;
        _headLength = 0;
        _bodyLength = -1;
        _scanned = 0;
        var ahead = _window.AsSpan(_start, _end - _start);
        if (_keptHeadIsInFrame && ahead.StartsWith(_keptHead.AsSpan(0, _keptHeadLength)))
        {
            frame.RepeatsHead = true;
            _headLength = _keptHeadLength;
            _bodyLength = DeclaredLengthOf(frame);
            return;
        }

        _keptHeadIsInFrame = false;
        frame.Reset();
    }

    private bool TryReadHead(StompFrame frame)
    {
        while (true)
        {
            var ahead = _window.AsSpan(_start, _end - _start);
            var feed = ahead[_scanned..].IndexOf((byte)'\n');
            var length = (feed < 0 ? ahead.Length : _scanned + feed) - _nextLine;
            if (length > options.MaxHeaderLineBytes || _nextLine + length > options.MaxHeaderBytes)
            {
                return Fail(frame, "frame too large", length > options.MaxHeaderLineBytes
                    ? $"A line of the headers has more than {options.MaxHeaderLineBytes:N0} bytes."
                    : $"The headers have more than {options.MaxHeaderBytes:N0} bytes.");
            }

            if ((feed < 0 ? ahead[_scanned..] : ahead.Slice(_scanned, feed)).Contains((byte)0))
            {
                return Fail(frame, "malformed frame", "The frame ended before the blank line that follows its headers.");
            }

            if (feed < 0)
            {
                _scanned = ahead.Length;
                return frame.Command == StompCommand.Unknown && length > StompCommands.LongestBytes + 1 && FailCommand(frame, ahead[.._scanned]);
            }

            var lineStart = _nextLine;
            _nextLine = _scanned = _scanned + feed + 1;
            var line = ahead.Slice(lineStart, length);
            if (frame.Command == StompCommand.Unknown)
            {
                if (!TryReadCommand(frame, line))
                {
                    return false;
                }
            }
            else if (line.IsEmpty || (line.Length == 1 && line[0] == '\r'))
            {
                return EndHead(frame, ahead);
            }
            else if (!TryReadHeader(frame, line, lineStart))
            {
                return false;
            }
        }
    }

    private bool TryReadCommand(StompFrame frame, ReadOnlySpan<byte> line)
    {
        frame.Command = StompCommands.Find(WithoutReturn(line));
        return frame.Command != StompCommand.Unknown || FailCommand(frame, line);
    }

    private bool TryReadHeader(StompFrame frame, ReadOnlySpan<byte> line, int lineStart)
    {
        var isUnescaped = StompCommands.IsUnescaped(frame.Command) || Version is StompVersion.V10;
        if (Version is StompVersion.V12 or StompVersion.None || StompCommands.IsUnescaped(frame.Command))
        {
            line = WithoutReturn(line);
        }

        var colon = line.IndexOf((byte)':');
        if (colon <= 0)
        {
            return Fail(frame, "malformed frame", $"A header line of the {frame.Command} frame has no {(colon < 0 ? "colon" : "name")}: '{Shown(line)}'.");
        }

        if (frame.HeaderCount == options.MaxHeaders)
        {
            return Fail(frame, "frame too large", $"The {frame.Command} frame has more than {options.MaxHeaders:N0} headers.");
        }

        var isEscaped = !isUnescaped && line.Contains((byte)'\\');
        if (isEscaped && (HeaderEscape.FindUnknown(line[..colon], Version) ?? HeaderEscape.FindUnknown(line[(colon + 1)..], Version)) is { } unknown)
        {
            return Fail(frame, "malformed frame", $"STOMP {StompVersions.TextOf(Version)} has no escape '{unknown}' in headers.");
        }

        frame.Add(line[..colon], lineStart, lineStart + colon + 1, line.Length - colon - 1, isEscaped);
        return true;
    }

    private bool EndHead(StompFrame frame, ReadOnlySpan<byte> ahead)
    {
        _headLength = _nextLine;
        frame.Head = _window.AsMemory(_start, _headLength);
        frame.TrimsValues = Version == StompVersion.V10
            || (frame.Command is StompCommand.Connect or StompCommand.Stomp && !frame.Has(KnownHeader.AcceptVersion));
        _bodyLength = DeclaredLengthOf(frame);
        _scanned = _headLength;
        if (_bodyLength == InvalidLength)
        {
            return Fail(frame, "malformed frame", $"The content-length '{Shown(frame.GetRaw(KnownHeader.ContentLength))}' is not a number of bytes.");
        }

        if (_bodyLength > options.MaxBodyBytes)
        {
            return Fail(frame, "frame too large", $"The body has {_bodyLength:N0} bytes, and the limit is {options.MaxBodyBytes:N0}.");
        }

        if (frame.Command == StompCommand.Send && _headLength <= LongestKeptHead)
        {
            ahead[.._headLength].CopyTo(_keptHead);
            _keptHeadLength = _headLength;
            _keptHeadIsInFrame = true;
        }

        return true;
    }

    private ParseStatus TryReadBody(StompFrame frame)
    {
        var ahead = _window.AsSpan(_start, _end - _start);
        int length;
        if (_bodyLength >= 0)
        {
            length = _bodyLength;
            if (ahead.Length <= _headLength + length)
            {
                return ParseStatus.Incomplete;
            }

            if (ahead[_headLength + length] != 0)
            {
                Fail(frame, "malformed frame", $"No NUL follows the {length:N0} bytes of body that content-length says.");
                return ParseStatus.Fault;
            }
        }
        else
        {
            _scanned = Math.Max(_scanned, _headLength);
            var end = ahead[_scanned..].IndexOf((byte)0);
            length = (end < 0 ? ahead.Length : _scanned + end) - _headLength;
            _scanned = end < 0 ? ahead.Length : _scanned;
            if (length > options.MaxBodyBytes)
            {
                Fail(frame, "frame too large", $"The body has more than {options.MaxBodyBytes:N0} bytes.");
                return ParseStatus.Fault;
            }

            if (end < 0)
            {
                return ParseStatus.Incomplete;
            }
        }

        if (length > 0 && Version >= StompVersion.V11 && !StompCommands.MayHaveBody(frame.Command))
        {
            Fail(frame, "malformed frame", $"A {frame.Command} frame has no body.");
            return ParseStatus.Fault;
        }

        frame.Head = _window.AsMemory(_start, _headLength);
        frame.Body = _window.AsMemory(_start + _headLength, length);
        _start += _headLength + length + 1;
        _hasBegun = false;
        return ParseStatus.Frame;
    }

    private const int NoLength = -1;
    private const int InvalidLength = -2;

    private static int DeclaredLengthOf(StompFrame frame)
    {
        if (!frame.Has(KnownHeader.ContentLength))
        {
            return NoLength;
        }

        var text = frame.GetRaw(KnownHeader.ContentLength);
        foreach (var digit in text)
        {
            if (digit is < (byte)'0' or > (byte)'9')
            {
                return InvalidLength;
            }
        }

        return text.IsEmpty ? InvalidLength : Utf8Parser.TryParse(text, out int length, out var read) && read == text.Length ? length : int.MaxValue;
    }

    private static ReadOnlySpan<byte> WithoutReturn(ReadOnlySpan<byte> line) => line is [.. var rest, (byte)'\r'] ? rest : line;

    private bool FailCommand(StompFrame frame, ReadOnlySpan<byte> line) => Fail(frame, "unknown command", $"'{Shown(line)}' is no command of STOMP.");

    private bool Fail(StompFrame frame, string summary, string detail)
    {
        if (_headLength == 0 && _nextLine > 0)
        {
            frame.Head = _window.AsMemory(_start, Math.Min(_nextLine, _end - _start));
        }

        var receipt = frame.Has(KnownHeader.Receipt) ? Encoding.UTF8.GetString(frame.GetRaw(KnownHeader.Receipt)) : null;
        Fault = new StompFault(summary, detail, receipt);
        return false;
    }

    // Of hostile bytes only some, and none that could end a line or move a cursor.
    private static string Shown(ReadOnlySpan<byte> bytes)
    {
        const int ShownBytes = 40;
        Span<char> text = stackalloc char[Math.Min(bytes.Length, ShownBytes)];
        for (var i = 0; i < text.Length; i++)
        {
            text[i] = bytes[i] is >= 0x20 and < 0x7f ? (char)bytes[i] : '\uFFFD';
        }

        return new string(text);
    }
}
