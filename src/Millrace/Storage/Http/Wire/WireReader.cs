using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Millrace.Configuration;

namespace Millrace.Storage.Http.Wire;

/// <summary>
/// Reads JSON forward, field by field, with errors that name the field. Strict, it refuses unknown fields (a server must not ignore a wish that it does not know);
/// otherwise it passes over them (a client must understand a newer server).
/// </summary>
/// <remarks>
/// <code>
/// json.BeginObject();
/// while (json.NextField())
/// {
///     if (json.Is(WireNames.Queue)) { queue = json.Text(); }
///     else { json.Unknown(WireNames.Queue); }
/// }
/// </code>
/// </remarks>
internal ref struct WireReader
{
    private const int MaxDepth = 64;
    private const int MaxShown = 60;
    private const decimal LongestMilliseconds = (decimal)long.MaxValue / TimeSpan.TicksPerMillisecond;

    private readonly ReadOnlySpan<byte> _utf8;
    private readonly bool _isStrict;
    private Utf8JsonReader _json;
    private ReadOnlySpan<byte> _field;
    private bool _hasValue;

    /// <summary>Starts at the first value of a document.</summary>
    /// <exception cref="WireFormatException">The bytes are not valid UTF-8, or there is no value.</exception>
    public WireReader(ReadOnlySpan<byte> utf8, bool isStrict)
    {
        if (!Utf8.IsValid(utf8))
        {
            throw new WireFormatException("The body is not valid UTF-8.");
        }

        _utf8 = utf8;
        _isStrict = isStrict;
        _json = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = MaxDepth });
        Read();
        _hasValue = true;
    }

    /// <summary>Whether the current value is <c>null</c>; if so, it has been taken.</summary>
    public bool IsNull()
    {
        Advance();
        if (_json.TokenType == JsonTokenType.Null)
        {
            return true;
        }

        _hasValue = true;
        return false;
    }

    public void BeginObject()
    {
        Advance();
        Require(JsonTokenType.StartObject, "an object");
    }

    /// <summary>Goes to the next field of the object; false at its end.</summary>
    public bool NextField()
    {
        Read();
        if (_json.TokenType == JsonTokenType.EndObject)
        {
            return false;
        }

        _field = _json.ValueSpan;
        return true;
    }

    /// <summary>Whether the current field has this name.</summary>
    public readonly bool Is(JsonEncodedText name)
    {
        // The names here need no escapes; one that has any is unescaped to compare, which throws at half a surrogate pair.
        try
        {
            return _json.ValueTextEquals(name.EncodedUtf8Bytes);
        }
        catch (InvalidOperationException exception)
        {
            throw new WireFormatException("The name of a field is no valid text.", exception);
        }
    }

    /// <summary>The name of the current field, for objects whose names are data.</summary>
    public readonly string FieldName()
    {
        try
        {
            return _json.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new WireFormatException("The name of a field is no valid text.", exception);
        }
    }

    /// <summary>The current field is none of those that the caller knows: an error if strict, otherwise passed over.</summary>
    public void Unknown(params ReadOnlySpan<JsonEncodedText> known)
    {
        if (_isStrict)
        {
            var name = FieldName();
            var names = new List<string>();
            foreach (var text in known)
            {
                names.Add(text.ToString());
            }

            var meant = NearestName.Of(name, names) is { } nearest ? $" Did you mean '{nearest}'?" : "";
            throw new WireFormatException($"There is no field '{Shown(name)}' here; there are {string.Join(", ", names)}.{meant}");
        }

        Skip();
    }

    public void BeginArray()
    {
        Advance();
        Require(JsonTokenType.StartArray, "an array");
    }

    /// <summary>Goes to the next element of the array; false at its end.</summary>
    public bool NextElement()
    {
        Read();
        _hasValue = _json.TokenType != JsonTokenType.EndArray;
        return _hasValue;
    }

    /// <summary>Requires that nothing follows the document's value.</summary>
    public void EndDocument()
    {
        try
        {
            if (_json.Read())
            {
                throw new WireFormatException("Something follows the end of the JSON value.");
            }
        }
        catch (JsonException exception)
        {
            throw Malformed(exception);
        }
    }

    public string Text()
    {
        Advance();
        Require(JsonTokenType.String, "a text");
        try
        {
            return _json.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new WireFormatException($"{Where()} is no valid text: half a surrogate pair has no UTF-8 form.", exception);
        }
    }

    public string? OptionalText() => IsNull() ? null : Text();

    public bool Boolean()
    {
        Advance();
        return _json.TokenType switch
        {
            JsonTokenType.True => true,
            JsonTokenType.False => false,
            _ => throw Expected("true or false"),
        };
    }

    public long Number(long minimum, long maximum)
    {
        Advance();
        return _json.TokenType == JsonTokenType.Number && _json.TryGetInt64(out var value) && value >= minimum && value <= maximum
            ? value
            : throw Expected(string.Create(CultureInfo.InvariantCulture, $"a whole number from {minimum} to {maximum}"));
    }

    public int Number(int minimum, int maximum) => (int)Number((long)minimum, maximum);

    /// <summary>A time in milliseconds, with decimals down to the tick of 100 ns.</summary>
    public TimeSpan Milliseconds()
    {
        Advance();
        return _json.TokenType == JsonTokenType.Number && _json.TryGetDecimal(out var value) && Math.Abs(value) <= LongestMilliseconds
            ? TimeSpan.FromTicks((long)(value * TimeSpan.TicksPerMillisecond))
            : throw Expected("a number of milliseconds");
    }

    public DateTimeOffset Time()
    {
        Advance();
        return IsPlainText() && HasOffset(_json.ValueSpan) && _json.TryGetDateTimeOffset(out var value)
            ? value
            : throw Expected("a time with 'Z' or an offset at its end, such as 2026-01-31T08:30:00Z");
    }

    // Without one, a time would be that of the zone of whatever machine reads it.
    private static bool HasOffset(ReadOnlySpan<byte> time) => time is [.., (byte)'Z'] or [.., (byte)'+' or (byte)'-', _, _, (byte)':', _, _];

    public LeaseToken Token()
    {
        Advance();
        return _json.TokenType == JsonTokenType.String && WireValues.TryReadToken(_json.ValueSpan, out var token)
            ? token
            : throw Expected("a lease token of 32 hexadecimal digits");
    }

    public byte[] Base64()
    {
        Advance();
        try
        {
            if (_json.TokenType == JsonTokenType.String && _json.TryGetBytesFromBase64(out var bytes))
            {
                return bytes;
            }
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair: no base64 either.
        }

        throw Expected("a text in base64");
    }

    /// <summary>The current value as it stands in the document.</summary>
    public ReadOnlySpan<byte> Raw()
    {
        Advance();
        var start = (int)_json.TokenStartIndex;
        SkipValue();
        return _utf8[start..(int)_json.BytesConsumed];
    }

    /// <summary>One of a set of words.</summary>
    public T Choice<T>(params ReadOnlySpan<(JsonEncodedText Word, T Value)> choices)
    {
        Advance();
        if (IsPlainText())
        {
            foreach (var (word, value) in choices)
            {
                if (_json.ValueTextEquals(word.EncodedUtf8Bytes))
                {
                    return value;
                }
            }
        }

        var words = new List<string>();
        foreach (var (word, _) in choices)
        {
            words.Add($"\"{word}\"");
        }

        throw Expected(string.Join(" or ", words));
    }

    /// <summary>Passes over the current value.</summary>
    public void Skip()
    {
        Advance();
        SkipValue();
    }

    // Without escapes, which no time and no word needs; unescaping throws at half a surrogate pair.
    private readonly bool IsPlainText() => _json.TokenType == JsonTokenType.String && !_json.ValueIsEscaped;

    private void SkipValue()
    {
        try
        {
            _json.Skip();
        }
        catch (JsonException exception)
        {
            throw Malformed(exception);
        }
    }

    private void Advance()
    {
        if (!_hasValue)
        {
            Read();
        }

        _hasValue = false;
    }

    private void Read()
    {
        try
        {
            if (!_json.Read())
            {
                throw new WireFormatException("The JSON ends in the middle.");
            }
        }
        catch (JsonException exception)
        {
            throw Malformed(exception);
        }
    }

    private readonly void Require(JsonTokenType type, string what)
    {
        if (_json.TokenType != type)
        {
            throw Expected(what);
        }
    }

    private readonly WireFormatException Expected(string what) => new($"{Where()} must be {what}.");

    private readonly string Where() => _field.IsEmpty ? "The body" : $"The field '{Shown(Encoding.UTF8.GetString(_field))}'";

    private static string Shown(string text) => text.Length <= MaxShown ? text : string.Concat(text.AsSpan(0, MaxShown), "…");

    private static WireFormatException Malformed(JsonException exception) => new(
        exception.Message.Contains("maximum configured depth", StringComparison.OrdinalIgnoreCase)
            ? $"The JSON is nested more than {MaxDepth} deep."
            : string.Create(CultureInfo.InvariantCulture, $"The body is no valid JSON (line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1})."),
        exception);
}
