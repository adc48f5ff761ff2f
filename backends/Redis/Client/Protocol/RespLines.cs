namespace Millrace.Redis.Client.Protocol;

/// <summary>Cuts lines out of bytes as they come; keeps the part of a line whose end has not come yet. Not safe for concurrent use.</summary>
internal sealed class RespLines(int maxBytes)
{
    private byte[] _part = new byte[64];
    private int _length;

    /// <summary>Whether it holds a part of a line.</summary>
    public bool HasPart => _length > 0;

    /// <summary>The next line without its CR LF, valid until the next call. False: everything was taken, and the line has not ended.</summary>
    public bool TryRead(ref ReadOnlySpan<byte> bytes, out ReadOnlySpan<byte> line)
    {
        var end = bytes.IndexOf((byte)'\n');
        if (end < 0)
        {
            Keep(bytes);
            bytes = [];
            line = [];
            return false;
        }

        if (_length == 0)
        {
            line = bytes[..end];
        }
        else
        {
            Keep(bytes[..end]);
            line = _part.AsSpan(0, _length);
            _length = 0;
        }

        bytes = bytes[(end + 1)..];
        if (line.Length > maxBytes)
        {
            throw TooLong();
        }

        if (!line.EndsWith((byte)'\r') || line[..^1].Contains((byte)'\r'))
        {
            throw new RespException("A line that does not end in CR LF.");
        }

        line = line[..^1];
        return true;
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (_length + bytes.Length > maxBytes)
        {
            throw TooLong();
        }

        if (_length + bytes.Length > _part.Length)
        {
            Array.Resize(ref _part, Math.Max(_length + bytes.Length, _part.Length * 2));
        }

        bytes.CopyTo(_part.AsSpan(_length));
        _length += bytes.Length;
    }

    private RespException TooLong() => new($"A line of more than {maxBytes} bytes.");
}
