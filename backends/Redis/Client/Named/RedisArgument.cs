using System.Globalization;

namespace Millrace.Redis.Client.Named;

/// <summary>An argument of a command: a text, which is sent as UTF-8, bytes, or a number, which is sent as digits. Made by conversion from these. Immutable.</summary>
public readonly struct RedisArgument
{
    private readonly string? _text;
    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly long _number;
    private readonly Form _form;

    private RedisArgument(Form form, string? text = null, ReadOnlyMemory<byte> bytes = default, long number = 0) => (_form, _text, _bytes, _number) = (form, text, bytes, number);

    private enum Form : byte
    {
        Bytes,
        Text,
        Number,
    }

    /// <summary>A text.</summary>
    public static implicit operator RedisArgument(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new RedisArgument(Form.Text, text);
    }

    /// <summary>Bytes, which must not change until the call that they are given to has returned.</summary>
    public static implicit operator RedisArgument(byte[] bytes)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        return new RedisArgument(Form.Bytes, bytes: bytes);
    }

    /// <summary>Bytes, which must not change until the call that they are given to has returned.</summary>
    public static implicit operator RedisArgument(ReadOnlyMemory<byte> bytes) => new(Form.Bytes, bytes: bytes);

    /// <summary>A number.</summary>
    public static implicit operator RedisArgument(long number) => new(Form.Number, number: number);

    /// <summary>A number.</summary>
    public static implicit operator RedisArgument(int number) => new(Form.Number, number: number);

    /// <summary>A number, in the shortest form that is read back as the same; infinities as <c>inf</c> and <c>-inf</c>.</summary>
    public static implicit operator RedisArgument(double number) => new(Form.Text, number switch
    {
        double.PositiveInfinity => "inf",
        double.NegativeInfinity => "-inf",
        _ => number.ToString("R", CultureInfo.InvariantCulture),
    });

    /// <summary>Its text, for what is known to be one; bytes as UTF-8.</summary>
    internal string ToText() => _form switch
    {
        Form.Text => _text!,
        Form.Number => _number.ToString(CultureInfo.InvariantCulture),
        _ => System.Text.Encoding.UTF8.GetString(_bytes.Span),
    };

    /// <summary>The same, with bytes of its own.</summary>
    internal RedisArgument Copy() => _form == Form.Bytes ? new RedisArgument(Form.Bytes, bytes: _bytes.ToArray()) : this;

    /// <summary>Whether it is a word of a command, such as <c>BLOCK</c>.</summary>
    internal bool Is(string word) => _form switch
    {
        Form.Number => false,
        Form.Text => string.Equals(_text, word, StringComparison.OrdinalIgnoreCase),
        _ => _bytes.Length == word.Length && string.Equals(ToText(), word, StringComparison.OrdinalIgnoreCase),
    };

    internal void AddTo(RedisCommand command, bool isKey)
    {
        if (isKey)
        {
            // Bytes that are no UTF-8 belong to another slot than what a text makes of them.
            command.SetSlot(_form == Form.Bytes ? HashSlot.Of(_bytes.Span) : HashSlot.Of(ToText()));
        }

        switch (_form)
        {
            case Form.Text:
                command.Add(_text!);
                break;
            case Form.Number:
                command.Add(_number);
                break;
            default:
                command.Add(_bytes.Span);
                break;
        }
    }

    /// <summary>Its kind and size, never its contents, which may be secret.</summary>
    public override string ToString() => _form switch
    {
        Form.Text => string.Create(CultureInfo.InvariantCulture, $"a text of {_text!.Length} characters"),
        Form.Number => "a number",
        _ => string.Create(CultureInfo.InvariantCulture, $"{_bytes.Length} bytes"),
    };
}
