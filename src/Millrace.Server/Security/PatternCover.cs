using Millrace.Storage;

namespace Millrace.Server.Security;

/// <summary>
/// Proves that one pattern matches whatever another one does. Sound, not complete: false means "not proven". It reads the narrow pattern piece by piece as if it were a
/// text, of which a star of the wide one takes any pieces, and every other piece of the wide one exactly one that cannot be more than it.
/// </summary>
internal static class PatternCover
{
    private const string DeadLetterSuffix = "!dead";

    /// <summary>Whether every text that matches <paramref name="narrow"/> matches <paramref name="wide"/>.</summary>
    public static bool Covers(TopicPattern wide, TopicPattern narrow)
    {
        if (narrow.IsLiteral)
        {
            return wide.Matches(narrow.Text);
        }

        var wideParts = Split(wide.Text);
        var narrowParts = Split(narrow.Text);

        // covered[i] says, for the parts of the wide pattern so far: do they cover the first i parts of the narrow one?
        var covered = new bool[narrowParts.Count + 1];
        covered[0] = true;
        foreach (var part in wideParts)
        {
            var before = covered;
            covered = new bool[before.Length];
            if (part == "*")
            {
                covered[0] = before[0];
                for (var i = 1; i < covered.Length; i++)
                {
                    covered[i] = before[i] || covered[i - 1];
                }

                continue;
            }

            for (var i = 1; i < covered.Length; i++)
            {
                covered[i] = before[i - 1] && CoversOne(part, narrowParts[i - 1]);
            }
        }

        return covered[^1];
    }

    /// <summary>
    /// The same for queues, where the dead letters of a queue are covered by what covers the queue: the name that has to match is then the shorter one.
    /// </summary>
    public static bool CoversQueues(TopicPattern wide, TopicPattern narrow) =>
        narrow.IsLiteral
            ? wide.Matches(ResourceName.SourceOf(narrow.Text))
            : Covers(wide, narrow) && (!MayEndInSuffix(narrow) || MatchesPrefixes(wide));

    // A beginning without '!', then anything: what matches with the suffix matches without it.
    private static bool MatchesPrefixes(TopicPattern wide) => wide.Text.AsSpan().IndexOfAny("*?[!") == wide.Text.Length - 1 && wide.Text[^1] == '*';

    private static bool MayEndInSuffix(TopicPattern pattern)
    {
        var parts = Split(pattern.Text);
        for (int i = parts.Count - 1, letter = DeadLetterSuffix.Length - 1; letter >= 0; i--, letter--)
        {
            if (i < 0)
            {
                return false;
            }

            if (parts[i] == "*")
            {
                return true;
            }

            if (!MatchesOne(parts[i], DeadLetterSuffix[letter]))
            {
                return false;
            }
        }

        return true;
    }

    private static bool CoversOne(string wide, string narrow) =>
        narrow != "*" && (wide == "?" || wide == narrow || (narrow.Length == 1 && narrow != "?" && MatchesOne(wide, narrow[0])));

    private static bool MatchesOne(string part, char c) => part.Length == 1 ? part == "?" || part[0] == c : TopicPattern.Parse(part).Matches([c]);

    // The pieces that stand for one character each, and stars. As TopicPattern reads them: a bracket that nothing closes is a letter.
    private static List<string> Split(string pattern)
    {
        var parts = new List<string>(pattern.Length);
        for (var i = 0; i < pattern.Length; i++)
        {
            var length = 1;
            if (pattern[i] == '[')
            {
                var first = i + 1 < pattern.Length && pattern[i + 1] == '!' ? i + 2 : i + 1;
                var close = first + 1 <= pattern.Length ? pattern.IndexOf(']', Math.Min(first + 1, pattern.Length)) : -1;
                length = close < 0 ? 1 : close - i + 1;
            }

            parts.Add(pattern.Substring(i, length));
            i += length - 1;
        }

        return parts;
    }
}
