using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Millrace.Storage;

/// <summary>One lease of one message: what a receiver was given, and the token that settles it. A plain value.</summary>
public readonly record struct Delivery
{
    /// <summary>The message.</summary>
    public required Message Message { get; init; }

    /// <summary>Settles this delivery; <c>default</c> when the receiver settles on lease.</summary>
    public LeaseToken Token { get; init; }

    /// <summary>Which counted attempt this is, from 1 (Q7).</summary>
    public int Attempt { get; init; }

    /// <summary>Whether the message may have been delivered before, counted or not.</summary>
    public bool Redelivered { get; init; }
}

/// <summary>
/// The right to settle one delivery: opaque, unique to one lease of one message, and the same in every process that shares the store.
/// Its text form is 32 hexadecimal digits.
/// </summary>
/// <param name="High">Store-defined.</param>
/// <param name="Low">Store-defined.</param>
public readonly record struct LeaseToken(ulong High, ulong Low) : IParsable<LeaseToken>
{
    /// <summary>32 hexadecimal digits.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{High:x16}{Low:x16}");

    /// <summary>Reads 32 hexadecimal digits.</summary>
    /// <exception cref="FormatException">The text is no token.</exception>
    public static LeaseToken Parse(string s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out var token) ? token : throw new FormatException("A lease token is 32 hexadecimal digits.");

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out LeaseToken result)
    {
        result = default;
        if (s is not { Length: 32 }
            || !ulong.TryParse(s.AsSpan(0, 16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var high)
            || !ulong.TryParse(s.AsSpan(16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var low))
        {
            return false;
        }

        result = new LeaseToken(high, low);
        return true;
    }
}

/// <summary>What to do with a delivery.</summary>
public enum SettlementKind
{
    /// <summary>The message was handled: remove it.</summary>
    Complete,

    /// <summary>Make it ready again, at once or after a delay.</summary>
    Release,

    /// <summary>Move it to the dead-letter queue.</summary>
    DeadLetter,
}

/// <summary>One settlement of one delivery (law Q6). Made by the static members.</summary>
public readonly record struct Settlement
{
    /// <summary>The lease that is settled.</summary>
    public LeaseToken Token { get; private init; }

    /// <summary>What to do.</summary>
    public SettlementKind Kind { get; private init; }

    /// <summary>For a release: how long until the message is due again. Zero returns it to its place; more gives it a new one (Q3).</summary>
    public TimeSpan Delay { get; private init; }

    /// <summary>For a release: true when the message was handed back without having been handled, so that this attempt does not count (Q7).</summary>
    public bool Uncounted { get; private init; }

    /// <summary>For a dead letter: why.</summary>
    public string? Reason { get; private init; }

    /// <summary>What went wrong in this attempt; kept with the message and shown on its dead letter.</summary>
    public string? Error { get; private init; }

    /// <summary>The message was handled: remove it.</summary>
    public static Settlement Complete(LeaseToken token) => new() { Token = token, Kind = SettlementKind.Complete };

    /// <summary>Returns the message after <paramref name="delay"/>. If this was its last attempt, the store dead-letters it instead (Q7).</summary>
    /// <param name="token">The lease.</param>
    /// <param name="delay">Not negative.</param>
    /// <param name="countAttempt">False when the message was never handled.</param>
    /// <param name="error">What went wrong, if anything.</param>
    public static Settlement Release(LeaseToken token, TimeSpan delay = default, bool countAttempt = true, string? error = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        return new() { Token = token, Kind = SettlementKind.Release, Delay = delay, Uncounted = !countAttempt, Error = error };
    }

    /// <summary>Moves the message to the dead-letter queue.</summary>
    /// <param name="token">The lease.</param>
    /// <param name="reason">A short word or phrase that people will search for.</param>
    /// <param name="error">The details.</param>
    public static Settlement DeadLetter(LeaseToken token, string reason, string? error = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        return new() { Token = token, Kind = SettlementKind.DeadLetter, Reason = reason, Error = error };
    }
}

/// <summary>What became of a settlement.</summary>
public enum SettleResult
{
    /// <summary>Done.</summary>
    Settled,

    /// <summary>The lease had ended, or the token was never one of this queue: nothing was changed (Q5).</summary>
    LeaseLost,
}
