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
/// EOL    = LF, or CR LF
/// </code>
/// The body has as many bytes as the header <c>content-length</c> says, or ends at the first NUL. In version 1.1 a CR before the LF of a header line belongs to the value; 1.0
/// does not say, and there it goes with the blanks around values. What the grammars forbid but nothing can take for something else is read as it stands: a colon in a value, a
/// CR inside a line, empty values in 1.0.
/// How a stream of bytes is cut into pieces makes no difference to what is read from it, nor to the fault that it ends with: each is decided by the bytes up to where it stands.
/// </remarks>
internal sealed class StompParser(StompOptions options) : IDisposable
{
    /// <summary>What the window holds as a rule; a frame that is larger makes it grow.</summary>
    public const int UsualWindowBytes = 64 * 1024;

    // The window doubles, and an array ends at 2 GiB.
    private const int LargestBodyBytes = 1024 * 1024 * 1024;

    // What a large frame has made the window grow to is given back above this, if little is left in it.
    private const int LargestKeptWindowBytes = 1024 * 1024;

    // A longer head is not likely to be repeated, and costs more to keep.
    private const int LongestKeptHead = 1024;

    private const int NoLength = -1;
    private const int InvalidLength = -2;

    private const string Malformed = "malformed frame";
    private const string TooLarge = "frame too large";

    // Made for the first SEND: most of the connections that are idle never had one.
    private byte[]? _keptHead;
    private int _keptHeadLength;
    private int _keptBodyLength;
    private bool _keptHeadIsInFrame;

    private byte[] _window = [];
    private int _start;
    private int _end;

    // Of the frame that has begun, all counted from its first byte: the next line, the end of the head (0 while it is not known), where to look on for what ends a line or the body.
    private bool _hasBegun;
    private int _nextLine;
    private int _headLength;
    private int _bodyLength;
    private int _bodyLimit;
    private int _scanned;

    /// <summary>The version that was agreed on. Set before the frame after the CONNECT is read.</summary>
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
        var left = _end - _start;
        if (left == 0)
        {
            ReplaceWindow([]);
        }
        else if (_window.Length > LargestKeptWindowBytes && left <= _window.Length / 4)
        {
            ReplaceWindow(ArrayPool<byte>.Shared.Rent(left));
        }
        else if (_start > 0)
        {
            _window.AsSpan(_start, left).CopyTo(_window);
            (_start, _end) = (0, left);
        }
    }

    /// <summary>Reads the next frame. The object is the same each time: what is known of a frame that is not complete stands in it.</summary>
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

    private ReadOnlySpan<byte> Ahead => _window.AsSpan(_start, _end - _start);

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

        // Doubled, so that a frame of many pieces is not copied for each; never more, as a length is a promise that costs its sender nothing.
        var size = Math.Max((long)_end + bytes, Math.Min(2L * _window.Length, Array.MaxLength));
        ReplaceWindow(ArrayPool<byte>.Shared.Rent(checked((int)size)));
    }

    private void ReplaceWindow(byte[] window)
    {
        Ahead.CopyTo(window);
        (_start, _end) = (0, _end - _start);
        if (_window.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_window);
        }

        _window = window;
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
        if (_keptHeadIsInFrame && Ahead.StartsWith(_keptHead.AsSpan(0, _keptHeadLength)))
        {
            // Where its headers stand is in the frame; only the window they stand in may be another.
            frame.RepeatsHead = true;
            _headLength = _scanned = _keptHeadLength;
            _bodyLength = _keptBodyLength;
            _bodyLimit = Math.Min(options.MaxBodyBytes, LargestBodyBytes);
            return;
        }

        _nextLine = _headLength = _scanned = 0;
        _bodyLength = NoLength;
        _keptHeadIsInFrame = false;
        frame.Reset();
    }

    private bool TryReadHead(StompFrame frame)
    {
        var ahead = Ahead;
        if (frame.Command == StompCommand.Unknown && !TryReadCommand(frame, ahead))
        {
            return false;
        }

        while (true)
        {
            // What comes first decides, so that a fault does not depend on how much of the line was there when it was looked at.
            var found = ahead[_scanned..].IndexOfAny((byte)'\n', (byte)0);
            var end = found < 0 ? ahead.Length : _scanned + found;
            var line = WithoutReturn(frame, ahead[_nextLine..end]);
            if (line.Length > options.MaxHeaderLineBytes)
            {
                return Fail(frame, TooLarge, $"A line of the headers has more than {options.MaxHeaderLineBytes:N0} bytes.");
            }

            if (_nextLine + line.Length > options.MaxHeaderBytes)
            {
                return Fail(frame, TooLarge, $"The headers have more than {options.MaxHeaderBytes:N0} bytes.");
            }

            if (found < 0)
            {
                _scanned = end;
                return false;
            }

            if (ahead[end] == 0)
            {
                return FailUnended(frame);
            }

            var lineStart = _nextLine;
            _nextLine = _scanned = end + 1;
            if (line.IsEmpty || (line.Length == 1 && line[0] == '\r'))
            {
                return EndHead(frame, ahead[.._nextLine]);
            }

            if (!TryReadHeader(frame, line, lineStart))
            {
                return false;
            }
        }
    }

    private bool TryReadCommand(StompFrame frame, ReadOnlySpan<byte> ahead)
    {
        const int LongestLine = StompCommands.LongestBytes + 2;
        var line = ahead[..Math.Min(ahead.Length, LongestLine)];
        var end = line.IndexOfAny((byte)'\n', (byte)0);
        if (end < 0)
        {
            return line.Length == LongestLine && FailCommand(frame, line);
        }

        var command = line[..end];
        frame.Command = StompCommands.Find(command is [.. var rest, (byte)'\r'] ? rest : command);
        if (frame.Command == StompCommand.Unknown)
        {
            return FailCommand(frame, command);
        }

        if (line[end] == 0)
        {
            return FailUnended(frame);
        }

        frame.TrimsValues = Version == StompVersion.V10;
        _nextLine = _scanned = end + 1;
        return true;
    }

    private bool TryReadHeader(StompFrame frame, ReadOnlySpan<byte> line, int lineStart)
    {
        var colon = line.IndexOf((byte)':');
        if (colon <= 0)
        {
            // What a CONNECT holds may be a secret.
            var shown = IsConnect(frame) ? "" : $": '{Shown(line)}'";
            return Fail(frame, Malformed, $"Header line {frame.HeaderCount + 1} of the {StompCommands.TextOf(frame.Command)} frame has no {(colon < 0 ? "colon" : "name")}{shown}.");
        }

        if (frame.HeaderCount == options.MaxHeaders)
        {
            return Fail(frame, TooLarge, $"The {StompCommands.TextOf(frame.Command)} frame has more than {options.MaxHeaders:N0} headers.");
        }

        frame.Add(line[..colon], lineStart, lineStart + colon + 1, line.Length - colon - 1);
        return true;
    }

    private bool EndHead(StompFrame frame, ReadOnlySpan<byte> head)
    {
        _headLength = head.Length;
        frame.Head = _window.AsMemory(_start, _headLength);
        frame.TrimsValues |= IsConnect(frame) && !frame.Has(KnownHeader.AcceptVersion);

        // One look at the whole head, as most have no escapes.
        if (Version != StompVersion.V10 && !StompCommands.IsUnescaped(frame.Command) && head.Contains((byte)'\\') && frame.FindEscapes(Version) is { } unknown)
        {
            return Fail(frame, Malformed, $"STOMP {StompVersions.TextOf(Version)} has no escape '{unknown}' in headers.");
        }

        // Here and not in the session, so that nobody who is not connected makes the window grow.
        if (Version == StompVersion.None && !IsConnect(frame))
        {
            return Fail(frame, "not connected", $"The first frame must be CONNECT or STOMP, not {StompCommands.TextOf(frame.Command)}.");
        }

        _bodyLimit = BodyLimitOf(frame);
        _bodyLength = DeclaredLengthOf(frame);
        if (_bodyLength == InvalidLength)
        {
            return Fail(frame, Malformed, $"The content-length '{Shown(frame.GetRaw(KnownHeader.ContentLength))}' is not a number of bytes.");
        }

        if (_bodyLength > _bodyLimit)
        {
            return FailBody(frame);
        }

        if (frame.Command == StompCommand.Send && _headLength <= LongestKeptHead)
        {
            _keptHead ??= new byte[LongestKeptHead];
            head.CopyTo(_keptHead);
            _keptHeadLength = _headLength;
            _keptBodyLength = _bodyLength;
            _keptHeadIsInFrame = true;
        }

        return true;
    }

    private ParseStatus TryReadBody(StompFrame frame)
    {
        var ahead = Ahead;
        var length = _bodyLength;
        if (length == NoLength)
        {
            var end = ahead[_scanned..].IndexOf((byte)0);
            _scanned = end < 0 ? ahead.Length : _scanned + end;
            length = _scanned - _headLength;
            if (length > _bodyLimit)
            {
                FailBody(frame);
                return ParseStatus.Fault;
            }

            if (end < 0)
            {
                return ParseStatus.Incomplete;
            }
        }
        else if (ahead.Length <= _headLength + length)
        {
            return ParseStatus.Incomplete;
        }
        else if (ahead[_headLength + length] != 0)
        {
            Fail(frame, Malformed, $"No NUL follows the {length:N0} bytes of body that content-length says.");
            return ParseStatus.Fault;
        }

        frame.Head = _window.AsMemory(_start, _headLength);
        frame.Body = _window.AsMemory(_start + _headLength, length);
        _start += _headLength + length + 1;
        _hasBegun = false;
        return ParseStatus.Frame;
    }

    private static int DeclaredLengthOf(StompFrame frame)
    {
        if (!frame.Has(KnownHeader.ContentLength))
        {
            return NoLength;
        }

        var text = frame.GetRaw(KnownHeader.ContentLength);
        if (text.IsEmpty || text.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            return InvalidLength;
        }

        return Utf8Parser.TryParse(text, out int length, out var read) && read == text.Length ? length : int.MaxValue;
    }

    // 1.0 lets any frame have a body, which means nothing but in those three. A client that knows a later version says so in its CONNECT.
    private int BodyLimitOf(StompFrame frame)
    {
        if (StompCommands.MayHaveBody(frame.Command))
        {
            return Math.Min(options.MaxBodyBytes, LargestBodyBytes);
        }

        var isByVersion10 = Version == StompVersion.V10 || (Version == StompVersion.None && !frame.Has(KnownHeader.AcceptVersion));
        return isByVersion10 ? Math.Min(options.MaxBodyBytes, options.MaxHeaderBytes) : 0;
    }

    private static bool IsConnect(StompFrame frame) => frame.Command is StompCommand.Connect or StompCommand.Stomp;

    // CONNECT comes from clients of all versions.
    private ReadOnlySpan<byte> WithoutReturn(StompFrame frame, ReadOnlySpan<byte> line) =>
        line is [.. var rest, (byte)'\r'] && (Version != StompVersion.V11 || IsConnect(frame)) ? rest : line;

    private bool FailCommand(StompFrame frame, ReadOnlySpan<byte> line) => Fail(frame, "unknown command", $"'{Shown(line)}' is no command of STOMP.");

    private bool FailUnended(StompFrame frame) => Fail(frame, Malformed, "The frame ended before the blank line that follows its headers.");

    private bool FailBody(StompFrame frame) => _bodyLimit == 0
        ? Fail(frame, Malformed, $"A {StompCommands.TextOf(frame.Command)} frame has no body.")
        : Fail(frame, TooLarge, $"The body has more than {_bodyLimit:N0} bytes.");

    private bool Fail(StompFrame frame, string summary, string detail)
    {
        // The window may have moved since the headers were read.
        frame.Head = _window.AsMemory(_start, _headLength > 0 ? _headLength : _nextLine);
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
