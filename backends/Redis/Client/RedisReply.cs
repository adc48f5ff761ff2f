using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Millrace.Redis.Client;

// The members have the protocol's own names.
#pragma warning disable CA1720

/// <summary>The type of a <see cref="RedisReply"/>, as RESP3 has them; what only RESP3 has, a server that speaks RESP2 sends as one of the others.</summary>
public enum RedisReplyKind : byte
{
    /// <summary>Nothing: a key or field that does not exist.</summary>
    Null,

    /// <summary>A status such as <c>OK</c>.</summary>
    Status,

    /// <summary>An error inside an array. An error that answers a whole command is thrown as <see cref="RedisServerException"/>.</summary>
    Error,

    /// <summary>A 64-bit integer.</summary>
    Integer,

    /// <summary>Bytes.</summary>
    Bytes,

    /// <summary>A floating point number, in its text form.</summary>
    Double,

    /// <summary>True or false; as an integer, 1 or 0.</summary>
    Boolean,

    /// <summary>An integer of any size, in its text form.</summary>
    BigNumber,

    /// <summary>An array or a set.</summary>
    Array,

    /// <summary>A map: its items are keys and values in turn.</summary>
    Map,
}

#pragma warning restore CA1720

/// <summary>What a server has answered. Immutable; its bytes stay valid for as long as it is referred to.</summary>
public readonly struct RedisReply
{
    private readonly RedisReply[]? _items;
    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly long _integer;

    private RedisReply(RedisReplyKind kind, long integer, ReadOnlyMemory<byte> bytes, RedisReply[]? items)
    {
        Kind = kind;
        _integer = integer;
        _bytes = bytes;
        _items = items;
    }

    /// <summary>Its type.</summary>
    public RedisReplyKind Kind { get; }

    /// <summary>Whether it is <see cref="RedisReplyKind.Null"/>.</summary>
    public bool IsNull => Kind == RedisReplyKind.Null;

    /// <summary>The bytes of a status, an error, bytes, a double or a big number; empty for all else.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes;

    /// <summary>The items of an array; keys and values in turn of a map; empty for all else.</summary>
    public ReadOnlySpan<RedisReply> Items => _items;

    internal static RedisReply Null => default;

    internal static RedisReply OfInteger(long value) => new(RedisReplyKind.Integer, value, default, null);

    internal static RedisReply OfBoolean(bool value) => new(RedisReplyKind.Boolean, value ? 1 : 0, default, null);

    internal static RedisReply OfText(RedisReplyKind kind, ReadOnlyMemory<byte> bytes) => new(kind, 0, bytes, null);

    internal static RedisReply OfItems(RedisReplyKind kind, RedisReply[] items) => new(kind, 0, default, items);

    /// <summary>The integer that it is, or that its text spells.</summary>
    /// <exception cref="InvalidOperationException">It is no integer.</exception>
    public long ToInteger()
    {
        if (Kind is RedisReplyKind.Integer or RedisReplyKind.Boolean)
        {
            return _integer;
        }

        return Utf8Parser.TryParse(_bytes.Span, out long value, out var used) && used == _bytes.Length
            ? value
            : throw new InvalidOperationException($"The reply is no integer but {Describe()}.");
    }

    /// <summary>Its text, from UTF-8; null for <see cref="RedisReplyKind.Null"/>. An integer is written as digits.</summary>
    /// <exception cref="InvalidOperationException">It is an array or a map.</exception>
    public string? ToText() => Kind switch
    {
        RedisReplyKind.Null => null,
        RedisReplyKind.Integer or RedisReplyKind.Boolean => _integer.ToString(CultureInfo.InvariantCulture),
        RedisReplyKind.Array or RedisReplyKind.Map => throw new InvalidOperationException($"The reply is no text but {Describe()}."),
        _ => Encoding.UTF8.GetString(_bytes.Span),
    };

    /// <summary>Its type and size, never its contents, which may be secret.</summary>
    public override string ToString() => Describe();

    private string Describe() => Kind switch
    {
        RedisReplyKind.Null => "null",
        RedisReplyKind.Integer or RedisReplyKind.Boolean => "an integer",
        RedisReplyKind.Array or RedisReplyKind.Map => $"an array of {Items.Length} items",
        _ => $"text of {_bytes.Length} bytes",
    };
}
