using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace Millrace.Redis.Client;

/// <summary>
/// A command with its arguments, written as it is sent: an array of bulk strings of the Redis serialization protocol. Filled by one caller, then handed to an
/// <see cref="IRedisExecutor"/>, which frees its buffer.
/// </summary>
internal sealed class RedisCommand
{
    // Room before the arguments for their number, which is known last: *, ten digits, CR LF.
    private const int HeaderBytes = 13;
    private const int MaxDigits = 20;
    private const int FirstBufferBytes = 256;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(FirstBufferBytes);
    private int _end = HeaderBytes;
    private int _count;

    private RedisCommand(string name, RedisScript? script)
    {
        Name = name;
        Script = script;
        Add(name);
    }

    /// <summary>The command's name, for errors.</summary>
    public string Name { get; }

    /// <summary>The script that it calls, for a server that does not have it yet.</summary>
    public RedisScript? Script { get; }

    /// <summary>Its first key, for errors; null for a command without one.</summary>
    public string? Key { get; private set; }

    /// <summary>The hash slot of its key; null for a command without a key, which any primary may answer.</summary>
    public int? Slot { get; private set; }

    /// <summary>Whether doing it twice is the same as doing it once, so that it may be sent again when its fate is unknown. False unless <see cref="MayRepeat"/> was called.</summary>
    public bool IsIdempotent { get; private set; }

    /// <summary>Bytes that its arguments take so far.</summary>
    public int Length => _end - HeaderBytes;

    public static RedisCommand Create(string name, RedisScript? script = null) => new(name, script);

    /// <summary>A command that publishes to a channel for <see cref="RedisSubscriptionKind.Sharded"/> subscriptions.</summary>
    public static RedisCommand Publish(string channel, ReadOnlySpan<byte> payload, bool isCluster)
    {
        var command = Create(isCluster ? "SPUBLISH" : "PUBLISH");
        return (isCluster ? command.AddKey(channel) : command.Add(channel)).Add(payload);
    }

    /// <summary>Says that doing it twice is the same as doing it once.</summary>
    public RedisCommand MayRepeat()
    {
        IsIdempotent = true;
        return this;
    }

    /// <summary>Adds an argument that is a key: the first one decides which server gets the command.</summary>
    public RedisCommand AddKey(string key)
    {
        Slot ??= HashSlot.Of(key);
        Key ??= key;
        return Add(key);
    }

    /// <summary>Says where the command goes, for a key that is added by other means.</summary>
    public void SetSlot(int slot) => Slot ??= slot;

    public RedisCommand Add(string argument)
    {
        ArgumentNullException.ThrowIfNull(argument);
        var length = Encoding.UTF8.GetByteCount(argument);
        Encoding.UTF8.GetBytes(argument, Begin(length));
        return End(length);
    }

    public RedisCommand Add(long argument)
    {
        Span<byte> digits = stackalloc byte[MaxDigits];
        Utf8Formatter.TryFormat(argument, digits, out var length);
        return Add(digits[..length]);
    }

    public RedisCommand Add(ReadOnlySpan<byte> argument)
    {
        argument.CopyTo(Begin(argument.Length));
        return End(argument.Length);
    }

    /// <summary>Adds an argument of <paramref name="length"/> bytes that the caller writes into what is returned, before anything else is added.</summary>
    public Span<byte> Reserve(int length)
    {
        Begin(length);
        End(length);
        return _buffer.AsSpan(_end - length - 2, length);
    }

    /// <summary>The whole command. Valid until <see cref="Free"/>.</summary>
    public ReadOnlyMemory<byte> Encode()
    {
        Span<byte> digits = stackalloc byte[MaxDigits];
        Utf8Formatter.TryFormat(_count, digits, out var length);
        var start = HeaderBytes - length - 3;
        _buffer[start] = (byte)'*';
        digits[..length].CopyTo(_buffer.AsSpan(start + 1));
        "\r\n"u8.CopyTo(_buffer.AsSpan(HeaderBytes - 2));
        return _buffer.AsMemory(start, _end - start);
    }

    /// <summary>Gives the buffer back. Called once, by the executor, when the command will not be sent again.</summary>
    public void Free()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
    }

    private Span<byte> Begin(int length)
    {
        Grow(length + MaxDigits + 5);
        _buffer[_end++] = (byte)'$';
        Utf8Formatter.TryFormat(length, _buffer.AsSpan(_end), out var digits);
        _end += digits;
        _buffer[_end++] = (byte)'\r';
        _buffer[_end++] = (byte)'\n';
        return _buffer.AsSpan(_end, length);
    }

    private RedisCommand End(int length)
    {
        _end += length;
        _buffer[_end++] = (byte)'\r';
        _buffer[_end++] = (byte)'\n';
        _count++;
        return this;
    }

    private void Grow(int by)
    {
        if (_buffer.Length - _end >= by)
        {
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_end + by, _buffer.Length * 2));
        _buffer.AsSpan(0, _end).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
    }
}
