using System.Diagnostics.CodeAnalysis;

namespace Millrace.Storage;

/// <summary>
/// The one pattern language for topics (law C2): <c>*</c> matches any run of characters, <c>?</c> any one character, <c>[seq]</c> one character of a set,
/// <c>[!seq]</c> one that is not in it; a set may hold ranges such as <c>a-z</c>, and <c>]</c> as its first member. Everything else is literal, and so is a
/// <c>[</c> that no <c>]</c> closes. The whole topic must match; case counts. Immutable and safe to share.
/// </summary>
/// <remarks>Characters are UTF-16 code units outside sets, so <c>?</c> matches one half of a surrogate pair only together with another <c>?</c>.</remarks>
public sealed class TopicPattern : IEquatable<TopicPattern>, IParsable<TopicPattern>
{
    private TopicPattern(string text)
    {
        Text = text;
        IsLiteral = text.AsSpan().IndexOfAny('*', '?', '[') < 0;
    }

    /// <summary>Matches every topic.</summary>
    public static TopicPattern All { get; } = new("*");

    /// <summary>The pattern as it was written.</summary>
    public string Text { get; }

    /// <summary>Whether the pattern has no special characters, so that it matches exactly the topic that it spells.</summary>
    public bool IsLiteral { get; }

    /// <summary>Reads a pattern. Any text of 1 to 200 bytes of UTF-8 without control characters is one.</summary>
    /// <exception cref="InvalidNameException">The text is empty, too long or has control characters.</exception>
    public static TopicPattern Parse(string s, IFormatProvider? provider = null)
    {
        ResourceName.RequireText(s, "topic pattern");
        return new TopicPattern(s);
    }

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, [MaybeNullWhen(false)] out TopicPattern result)
    {
        try
        {
            result = s is null ? null : Parse(s, provider);
        }
        catch (InvalidNameException)
        {
            result = null;
        }

        return result is not null;
    }

    /// <summary>Checks the name of a topic that is published to.</summary>
    /// <exception cref="InvalidNameException">The topic is empty, longer than 200 bytes of UTF-8 or has control characters.</exception>
    public static void RequireTopic(string topic) => ResourceName.RequireText(topic, "topic");

    /// <summary>Whether <paramref name="topic"/> matches. Takes at most topic length × pattern length steps, so no pattern is a trap.</summary>
    public bool Matches(ReadOnlySpan<char> topic) =>
        IsLiteral ? topic.SequenceEqual(Text) : Matches(Text, topic);

    /// <inheritdoc/>
    public bool Equals(TopicPattern? other) => other is not null && string.Equals(Text, other.Text, StringComparison.Ordinal);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as TopicPattern);

    /// <inheritdoc/>
    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    /// <inheritdoc/>
    public override string ToString() => Text;

    // Greedy matching that falls back to the last star only: a later star can absorb whatever an earlier one could.
    private static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> topic)
    {
        int p = 0, t = 0, starPattern = -1, starTopic = 0;
        while (t < topic.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                starPattern = ++p;
                starTopic = t;
            }
            else if (p < pattern.Length && MatchesOne(pattern[p..], topic[t], out var length))
            {
                p += length;
                t++;
            }
            else if (starPattern >= 0)
            {
                p = starPattern;
                t = ++starTopic;
            }
            else
            {
                return false;
            }
        }

        while (p < pattern.Length && pattern[p] == '*')
        {
            p++;
        }

        return p == pattern.Length;
    }

    private static bool MatchesOne(ReadOnlySpan<char> pattern, char c, out int length)
    {
        length = 1;
        switch (pattern[0])
        {
            case '?':
                return true;
            case '[':
                var negated = pattern.Length > 1 && pattern[1] == '!';
                var first = negated ? 2 : 1;

                // The first member may be a bracket, so the search for the closing one starts after it.
                var close = first + 1 <= pattern.Length ? pattern[Math.Min(first + 1, pattern.Length)..].IndexOf(']') : -1;
                if (close < 0)
                {
                    return c == '[';
                }

                var set = pattern[first..(first + 1 + close)];
                length = first + set.Length + 1;
                return IsMember(set, c) != negated;
            default:
                return pattern[0] == c;
        }
    }

    private static bool IsMember(ReadOnlySpan<char> set, char c)
    {
        for (var i = 0; i < set.Length; i++)
        {
            if (i + 2 < set.Length && set[i + 1] == '-')
            {
                if (c >= set[i] && c <= set[i + 2])
                {
                    return true;
                }

                i += 2;
            }
            else if (set[i] == c)
            {
                return true;
            }
        }

        return false;
    }
}
