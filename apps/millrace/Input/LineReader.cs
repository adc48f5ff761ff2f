namespace Millrace.App.Input;

/// <summary>Splits a stream into lines (LF or CRLF) of bounded length, counting them. Not safe for concurrent use.</summary>
internal sealed class LineReader(Stream stream, int maxLineBytes)
{
    private const int ReadBytes = 64 * 1024;

    private byte[] _buffer = new byte[ReadBytes];
    private int _start;
    private int _scanned;
    private int _end;
    private bool _ended;

    /// <summary>The number of the line that was read last, from 1.</summary>
    public long LineNumber { get; private set; }

    /// <summary>How many bytes have been read from the stream.</summary>
    public long BytesRead { get; private set; }

    /// <summary>Whether the stream is at its end and all lines have been given out.</summary>
    public bool IsAtEnd => _ended && _start == _end;

    /// <summary>The next line, if it has arrived whole. Valid until the next call of <see cref="FillAsync"/>.</summary>
    public bool TryRead(out ReadOnlyMemory<byte> line)
    {
        line = default;
        var newline = _buffer.AsSpan(_scanned, _end - _scanned).IndexOf((byte)'\n');
        if (newline < 0 && !(_ended && _start < _end))
        {
            _scanned = _end;
            return false;
        }

        var stop = newline < 0 ? _end : _scanned + newline;
        var length = stop - _start;
        if (length > 0 && _buffer[stop - 1] == '\r')
        {
            length--;
        }

        LineNumber++;
        RequireLength(length, LineNumber);
        line = _buffer.AsMemory(_start, length);
        _start = newline < 0 ? _end : stop + 1;
        _scanned = _start;
        return true;
    }

    /// <summary>Waits for more of the stream.</summary>
    public async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        RequireLength(_end - _start, LineNumber + 1);
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _scanned -= _start;
            _end -= _start;
            _start = 0;
        }

        if (_end == _buffer.Length)
        {
            Array.Resize(ref _buffer, _buffer.Length * 2);
        }

        // A read of a terminal or pipe cannot be interrupted: the wait for it can, and the process ends then.
        var read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken).AsTask().WaitAsync(cancellationToken);
        _ended = read == 0;
        _end += read;
        BytesRead += read;
    }

    // One byte more than the limit is let through for the carriage return that may still be dropped.
    private void RequireLength(int length, long lineNumber)
    {
        if (length > maxLineBytes + 1)
        {
            throw new InvalidMessageException($"Line {lineNumber:N0} is longer than {maxLineBytes:N0} bytes, the limit of a message's body.");
        }
    }
}
