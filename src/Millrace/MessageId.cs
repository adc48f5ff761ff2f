using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace Millrace;

/// <summary>
/// The identity of a message within its queue: either a text that the sender chose (see law Q2) or a
/// version 7 UUID (RFC 9562) that the store assigned, which sorts by time.
/// </summary>
/// <remarks>
/// A text in the canonical form of a UUID (36 characters, lower case) and the UUID itself are the same id, so an id
/// that was printed can be parsed again. <c>default</c> is the empty id: in an <see cref="Envelope"/> it asks the store to assign one.
/// </remarks>
public readonly struct MessageId : IEquatable<MessageId>, IParsable<MessageId>
{
    private readonly string? _text;
    private readonly Guid _uuid;

    /// <summary>An id that the sender chose. At most 200 bytes of UTF-8, no control characters; checked when it is sent.</summary>
    public MessageId(string text)
    {
        ArgumentException.ThrowIfNullOrEmpty(text);
        if (text.Length == 36 && Guid.TryParseExact(text, "D", out var uuid) && uuid != Guid.Empty && !HasUpperCase(text))
        {
            _uuid = uuid;
        }
        else
        {
            _text = text;
        }
    }

    /// <summary>An id that is a UUID.</summary>
    public MessageId(Guid uuid) => _uuid = uuid;

    /// <summary>True for <c>default</c>: no id.</summary>
    public bool IsEmpty
    {
        // Asked for every message that is sent, several times; a call would cost more than the answer.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _text is null && _uuid == Guid.Empty;
    }

    /// <summary>Gets the UUID when this id is one, so that a store can keep 16 bytes instead of a text.</summary>
    public bool TryGetUuid(out Guid uuid)
    {
        uuid = _uuid;
        return _text is null && _uuid != Guid.Empty;
    }

    /// <summary>The text of this id; empty for the empty id.</summary>
    public override string ToString() => _text ?? (_uuid == Guid.Empty ? "" : _uuid.ToString("D", CultureInfo.InvariantCulture));

    /// <inheritdoc/>
    public bool Equals(MessageId other) => _uuid == other._uuid && string.Equals(_text, other._text, StringComparison.Ordinal);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is MessageId other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _text is null ? _uuid.GetHashCode() : _text.GetHashCode(StringComparison.Ordinal);

    /// <summary>Compares by text or UUID, ordinally.</summary>
    public static bool operator ==(MessageId left, MessageId right) => left.Equals(right);

    /// <summary>Compares by text or UUID, ordinally.</summary>
    public static bool operator !=(MessageId left, MessageId right) => !left.Equals(right);

    /// <summary>Reads an id from its text, as <see cref="MessageId(string)"/> does.</summary>
    public static MessageId Parse(string s, IFormatProvider? provider = null) => new(s);

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out MessageId result)
    {
        result = string.IsNullOrEmpty(s) ? default : new MessageId(s);
        return !result.IsEmpty;
    }

    /// <summary>A text is an id.</summary>
    public static implicit operator MessageId(string? text) => string.IsNullOrEmpty(text) ? default : new MessageId(text);

    private static bool HasUpperCase(string text)
    {
        foreach (var c in text)
        {
            if (c is >= 'A' and <= 'F')
            {
                return true;
            }
        }

        return false;
    }
}
