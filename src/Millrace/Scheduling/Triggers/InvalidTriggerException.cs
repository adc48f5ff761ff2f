namespace Millrace.Scheduling.Triggers;

/// <summary>
/// A trigger that cannot be: an expression that is not understood, a time zone that does not exist, a date that never comes. The message says what, where, and what
/// is allowed.
/// </summary>
public sealed class InvalidTriggerException : MillraceConfigurationException
{
    private const int ShownCharacters = 60;

    /// <summary>Says what is wrong.</summary>
    /// <param name="message">What was given, what is wrong with it, and what is allowed.</param>
    /// <param name="position">Where in the text the fault is, from 0; null where there is no text.</param>
    /// <param name="innerException">What it came from.</param>
    public InvalidTriggerException(string message, int? position = null, Exception? innerException = null)
        : base(message, innerException)
        => Position = position;

    /// <summary>
    /// Where in the text that was given the fault is, as the 0-based index of a character; its length where something is missing at the end. Null where there is no text.
    /// </summary>
    public int? Position { get; }

    /// <summary>A fault in a text, with the text.</summary>
    internal static InvalidTriggerException In(string text, int position, string reason) =>
        new($"The trigger '{Shown(text)}' is not valid at position {position}: {reason}.", position);

    /// <summary>A text that may be long or hostile, fit for one line of an error.</summary>
    internal static string Shown(ReadOnlySpan<char> text)
    {
        var length = Math.Min(text.Length, ShownCharacters);
        Span<char> shown = stackalloc char[ShownCharacters + 1];
        for (var i = 0; i < length; i++)
        {
            shown[i] = char.IsControl(text[i]) || char.IsSurrogate(text[i]) ? '\uFFFD' : text[i];
        }

        if (text.Length > length)
        {
            shown[length++] = '…';
        }

        return shown[..length].ToString();
    }
}
