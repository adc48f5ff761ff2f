using System.Text;
using Millrace.Storage;

namespace Millrace.Redis.Channels;

/// <summary>
/// Topic patterns in Redis' glob language, which looks at bytes where ours looks at UTF-16 code units: each becomes one that matches at least as much, and <see cref="TopicPattern"/>
/// decides in the end.
/// </summary>
internal static class RedisGlob
{
    private const string Special = "*?[]\\^";

    // Any character: at least one byte.
    private const string AnyCharacter = "?*";

    /// <summary>A text as it is.</summary>
    public static string Escape(string literal)
    {
        var glob = new StringBuilder(literal.Length + 8);
        foreach (var c in literal)
        {
            AppendLiteral(glob, c);
        }

        return glob.ToString();
    }

    public static string Of(TopicPattern pattern)
    {
        var text = pattern.Text.AsSpan();
        var glob = new StringBuilder(text.Length + 8);
        while (!text.IsEmpty)
        {
            var length = 1;
            switch (text[0])
            {
                case '*':
                    glob.Append('*');
                    break;
                case '?':
                    glob.Append(AnyCharacter);
                    break;
                case '[' when FindSet(text, out var set, out var isNegated):
                    length = (isNegated ? 3 : 2) + set.Length;
                    AppendSet(glob, set, isNegated);
                    break;
                default:
                    AppendLiteral(glob, text[0]);
                    break;
            }

            text = text[length..];
        }

        return glob.ToString();
    }

    // As TopicPattern has it: the first member may be a bracket, and a bracket that none closes is literal.
    private static bool FindSet(ReadOnlySpan<char> text, out ReadOnlySpan<char> set, out bool isNegated)
    {
        isNegated = text.Length > 1 && text[1] == '!';
        var first = isNegated ? 2 : 1;
        var close = first + 1 <= text.Length ? text[(first + 1)..].IndexOf(']') : -1;
        set = close < 0 ? default : text.Slice(first, close + 1);
        return close >= 0;
    }

    private static void AppendSet(StringBuilder glob, ReadOnlySpan<char> set, bool isNegated)
    {
        // Sets with members that are more than a byte, or mean something to Redis, are left to the decision in the end.
        foreach (var c in set)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '.' or '_' or '/' or ':' or ' '))
            {
                glob.Append(AnyCharacter);
                return;
            }
        }

        glob.Append('[').Append(isNegated ? "^" : "").Append(set).Append(']');

        // What is not in the set may be a character of several bytes.
        glob.Append(isNegated ? "*" : "");
    }

    private static void AppendLiteral(StringBuilder glob, char c)
    {
        if (Special.Contains(c, StringComparison.Ordinal))
        {
            glob.Append('\\');
        }

        glob.Append(c);
    }
}
