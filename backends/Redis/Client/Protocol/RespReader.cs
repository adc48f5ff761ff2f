using System.Buffers;

namespace Millrace.Redis.Client.Protocol;

/// <summary>
/// Reads replies of RESP2 and RESP3 from bytes as they come, however they are cut: it keeps what it has understood, so that no byte is looked at twice. The bytes of a
/// reply are copied into one array, of which its parts are slices. Does no I/O. Not safe for concurrent use; of no use after a fault.
/// </summary>
/// <remarks>
/// <code>
/// reply     = type line CRLF [ body ]
/// line      = text                       + status, - error, : integer, , double, # boolean, ( big number, _ null
///           | length                     $ bytes, = verbatim text, ! error; the body is that many bytes and CRLF; $-1 is null
///           | count                      * array, ~ set, &gt; push, % map, | attributes; the body is that many replies (twice that many for % and |); *-1 is null
/// </code>
/// Attributes say something about the reply that follows them; they are read and dropped. Streamed types (<c>$?</c>, <c>*?</c>), which no server sends unasked, are refused.
/// </remarks>
internal sealed class RespReader(RespLimits limits)
{
    private const int KeptNodes = 4096;
    private const int VerbatimPrefixBytes = 4;

    // A body up to this size gets its whole array at once; for a longer one the array grows as bytes come, because a length is only a claim.
    private const int BelievedBytes = 64 * 1024;

    private static readonly byte[] Ok = "OK"u8.ToArray();

    private readonly RespLines _lines = new(limits.MaxLineBytes);
    private Node[] _nodes = new Node[16];
    private Frame[] _frames = new Frame[4];
    private byte[] _text = [];
    private int _nodeCount;
    private int _depth;
    private int _textLength;
    private int _bodyLeft = -1;
    private bool _isBodyAlone;

    /// <summary>Whether it is in the middle of a reply.</summary>
    public bool IsInside => _nodeCount > 0 || _bodyLeft >= 0 || _lines.HasPart;

    /// <summary>Reads on.</summary>
    /// <param name="bytes">What has come; what was read is cut off its front. Empty when the result is false.</param>
    /// <param name="reply">The reply.</param>
    /// <param name="isPush">Whether it is no answer but was sent by the server on its own.</param>
    /// <returns>False when the reply is not complete yet: call again with what comes next.</returns>
    /// <exception cref="RespException">The bytes are no reply.</exception>
    public bool TryRead(ref ReadOnlySpan<byte> bytes, out RedisReply reply, out bool isPush)
    {
        isPush = false;
        if (_nodeCount == 0 && _bodyLeft < 0 && !_lines.HasPart && bytes.StartsWith("+OK\r\n"u8))
        {
            bytes = bytes[5..];
            reply = RedisReply.OfText(RedisReplyKind.Status, Ok);
            return true;
        }

        while (true)
        {
            if (_bodyLeft >= 0)
            {
                if (!TryReadBody(ref bytes))
                {
                    break;
                }
            }
            else if (!_lines.TryRead(ref bytes, out var line))
            {
                break;
            }
            else if (!TryStart(line, out reply))
            {
                continue;
            }
            else if (_depth == 0)
            {
                return true;
            }

            if (_bodyLeft < 0 && TryClose())
            {
                isPush = _nodes[0].IsPush;
                reply = Build();
                return true;
            }
        }

        reply = default;
        return false;
    }

    /// <summary>Takes a line. True when the part is complete: a lone one is the reply itself, others have become nodes.</summary>
    private bool TryStart(ReadOnlySpan<byte> line, out RedisReply reply)
    {
        reply = default;
        if (line.IsEmpty)
        {
            throw new RespException("A line without a type.");
        }

        var value = line[1..];
        switch (line[0])
        {
            case (byte)'+':
                return TakeText(RedisReplyKind.Status, value, out reply);
            case (byte)'-':
                return TakeText(RedisReplyKind.Error, value, out reply);
            case (byte)':':
                return TakeNode(new Node { Kind = RedisReplyKind.Integer, Integer = RespNumbers.ParseInteger(value) }, out reply);
            case (byte)'$':
            case (byte)'=':
            case (byte)'!':
                return StartBody(line[0], value, out reply);
            case (byte)'*':
            case (byte)'~':
            case (byte)'>':
            case (byte)'%':
            case (byte)'|':
                return StartItems(line[0], value, out reply);
            case (byte)'_' when value.IsEmpty:
                return TakeNode(default, out reply);
            case (byte)'#' when value.Length == 1 && value[0] is (byte)'t' or (byte)'f':
                return TakeNode(new Node { Kind = RedisReplyKind.Boolean, Integer = value[0] == 't' ? 1 : 0 }, out reply);
            case (byte)',' when RespNumbers.IsDouble(value):
                return TakeText(RedisReplyKind.Double, value, out reply);
            case (byte)'(' when RespNumbers.IsBigNumber(value):
                return TakeText(RedisReplyKind.BigNumber, value, out reply);
            default:
                throw new RespException($"'{RespNumbers.Show(line)}' begins no reply.");
        }
    }

    private bool TakeText(RedisReplyKind kind, ReadOnlySpan<byte> value, out RedisReply reply)
    {
        if (_depth == 0)
        {
            reply = RedisReply.OfText(kind, value.ToArray());
            return true;
        }

        reply = default;
        var start = Append(value);
        AddNode(new Node { Kind = kind, Integer = start, Length = value.Length });
        return true;
    }

    private bool TakeNode(Node node, out RedisReply reply)
    {
        reply = _depth > 0 ? default : node.Kind switch
        {
            RedisReplyKind.Integer => RedisReply.OfInteger(node.Integer),
            RedisReplyKind.Boolean => RedisReply.OfBoolean(node.Integer != 0),
            _ => RedisReply.Null,
        };
        if (_depth > 0)
        {
            AddNode(node);
        }

        return true;
    }

    private bool StartBody(byte type, ReadOnlySpan<byte> value, out RedisReply reply)
    {
        var length = RespNumbers.ParseLength(value);
        if (length < 0)
        {
            return type == '$' ? TakeNode(default, out reply) : throw new RespException($"'{(char)type}' with a negative length.");
        }

        if (length > limits.MaxBulkBytes)
        {
            throw new RespException($"A string of {length} bytes; the limit is {limits.MaxBulkBytes}.");
        }

        reply = default;
        var kind = type == '!' ? RedisReplyKind.Error : RedisReplyKind.Bytes;
        _isBodyAlone = _depth == 0;
        if (_isBodyAlone)
        {
            _text = length == 0 ? [] : GC.AllocateUninitializedArray<byte>((int)Math.Min(length, BelievedBytes));
            _textLength = 0;
        }

        AddNode(new Node { Kind = kind, Integer = _textLength, Length = (int)length, IsVerbatim = type == '=' });
        _bodyLeft = (int)length + 2;
        return false;
    }

    private bool StartItems(byte type, ReadOnlySpan<byte> value, out RedisReply reply)
    {
        var count = RespNumbers.ParseLength(value);
        if (count < 0)
        {
            return type == '*' ? TakeNode(default, out reply) : throw new RespException($"'{(char)type}' with a negative count.");
        }

        if (type == '>' && _depth > 0)
        {
            throw new RespException("A push inside a reply.");
        }

        reply = default;
        var isMap = type is (byte)'%' or (byte)'|';
        if (count > limits.MaxItems || _nodeCount + (isMap ? 2 * count : count) > limits.MaxItems)
        {
            throw new RespException($"A reply of more than {limits.MaxItems} parts.");
        }

        if (_depth == limits.MaxDepth)
        {
            throw new RespException($"A reply nested deeper than {limits.MaxDepth}.");
        }

        if (_depth == 0)
        {
            _text = ArrayPool<byte>.Shared.Rent(1024);
            _textLength = 0;
        }
        else if (type != '|')
        {
            _frames[_depth - 1].Left--;
        }

        if (_depth == _frames.Length)
        {
            Array.Resize(ref _frames, _depth * 2);
        }

        _frames[_depth++] = new Frame { Left = (int)(isMap ? 2 * count : count), Node = _nodeCount, Text = _textLength, IsAttribute = type == '|' };
        Push(new Node { Kind = isMap ? RedisReplyKind.Map : RedisReplyKind.Array, Length = (int)(isMap ? 2 * count : count), IsPush = type == '>' });
        return true;
    }

    /// <summary>Closes what has all its items. True when that was the whole reply.</summary>
    private bool TryClose()
    {
        if (_isBodyAlone)
        {
            return true;
        }

        while (_depth > 0 && _frames[_depth - 1].Left == 0)
        {
            var frame = _frames[--_depth];
            if (frame.IsAttribute)
            {
                _nodeCount = frame.Node;
                _textLength = frame.Text;
                if (_depth == 0)
                {
                    ReleaseText();
                }

                return false;
            }
        }

        return _depth == 0;
    }

    private bool TryReadBody(ref ReadOnlySpan<byte> bytes)
    {
        if (_bodyLeft > 2)
        {
            var part = bytes[..Math.Min(bytes.Length, _bodyLeft - 2)];
            Append(part);
            bytes = bytes[part.Length..];
            _bodyLeft -= part.Length;
        }

        while (_bodyLeft is > 0 and <= 2 && !bytes.IsEmpty)
        {
            if (bytes[0] != (_bodyLeft == 2 ? '\r' : '\n'))
            {
                throw new RespException("A string that is longer than its length says.");
            }

            bytes = bytes[1..];
            _bodyLeft--;
        }

        if (_bodyLeft > 0)
        {
            return false;
        }

        _bodyLeft = -1;
        return true;
    }

    /// <summary>Keeps a text; returns where it begins.</summary>
    private int Append(ReadOnlySpan<byte> value)
    {
        var start = _textLength;
        if (value.Length > limits.MaxReplyBytes - start)
        {
            throw new RespException($"A reply of more than {limits.MaxReplyBytes} bytes.");
        }

        if (value.Length > _text.Length - start)
        {
            Grow(start + value.Length);
        }

        value.CopyTo(_text.AsSpan(start));
        _textLength = start + value.Length;
        return start;
    }

    private void Grow(int needed)
    {
        var size = (int)Math.Min(Math.Max(needed, 2L * _text.Length), limits.MaxReplyBytes);
        if (_isBodyAlone)
        {
            Array.Resize(ref _text, Math.Min(size, _nodes[0].Length));
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent(size);
        _text.AsSpan(0, _textLength).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_text);
        _text = larger;
    }

    private void AddNode(Node node)
    {
        if (_depth > 0)
        {
            _frames[_depth - 1].Left--;
        }

        Push(node);
    }

    private void Push(Node node)
    {
        if (_nodeCount == limits.MaxItems)
        {
            throw new RespException($"A reply of more than {limits.MaxItems} parts.");
        }

        if (_nodeCount == _nodes.Length)
        {
            Array.Resize(ref _nodes, _nodes.Length * 2);
        }

        _nodes[_nodeCount++] = node;
    }

    private RedisReply Build()
    {
        byte[] text;
        if (_isBodyAlone)
        {
            text = _text;
            _text = [];
            _isBodyAlone = false;
        }
        else
        {
            text = _text.AsSpan(0, _textLength).ToArray();
            ReleaseText();
        }

        var position = 0;
        var reply = Build(text, ref position);
        _nodeCount = 0;
        if (_nodes.Length > KeptNodes)
        {
            _nodes = new Node[KeptNodes];
        }

        return reply;
    }

    private RedisReply Build(byte[] text, ref int position)
    {
        var node = _nodes[position++];
        switch (node.Kind)
        {
            case RedisReplyKind.Null:
                return RedisReply.Null;
            case RedisReplyKind.Integer:
                return RedisReply.OfInteger(node.Integer);
            case RedisReplyKind.Boolean:
                return RedisReply.OfBoolean(node.Integer != 0);
            case RedisReplyKind.Array:
            case RedisReplyKind.Map:
                var items = node.Length == 0 ? [] : new RedisReply[node.Length];
                for (var i = 0; i < items.Length; i++)
                {
                    items[i] = Build(text, ref position);
                }

                return RedisReply.OfItems(node.Kind, items);
            default:
                return RedisReply.OfText(node.Kind, Slice(text, node));
        }
    }

    private static ReadOnlyMemory<byte> Slice(byte[] text, Node node)
    {
        var bytes = text.AsMemory((int)node.Integer, node.Length);
        if (!node.IsVerbatim)
        {
            return bytes;
        }

        return bytes.Length >= VerbatimPrefixBytes && bytes.Span[VerbatimPrefixBytes - 1] == ':'
            ? bytes[VerbatimPrefixBytes..]
            : throw new RespException("A verbatim text without its format.");
    }

    private void ReleaseText()
    {
        ArrayPool<byte>.Shared.Return(_text);
        _text = [];
        _textLength = 0;
    }

    /// <summary>A part of a reply: its value, or where its text is, or how many items follow.</summary>
    private struct Node
    {
        public long Integer;
        public int Length;
        public RedisReplyKind Kind;
        public bool IsPush;
        public bool IsVerbatim;
    }

    /// <summary>An array or map whose items are still coming.</summary>
    private struct Frame
    {
        public int Left;
        public int Node;
        public int Text;
        public bool IsAttribute;
    }
}
