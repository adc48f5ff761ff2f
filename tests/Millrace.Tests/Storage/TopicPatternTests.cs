using System.Text;
using System.Text.RegularExpressions;
using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Storage;

public sealed class TopicPatternTests
{
    [Theory]
    [InlineData("orders", "orders", true)]
    [InlineData("orders", "Orders", false)]
    [InlineData("orders", "orders.eu", false)]
    [InlineData("*", "anything at all", true)]
    [InlineData("orders.*", "orders.", true)]
    [InlineData("orders.*", "orders.eu.west", true)]
    [InlineData("orders.*", "orders", false)]
    [InlineData("*.eu", "orders.eu", true)]
    [InlineData("a*b*c", "aXXbYYc", true)]
    [InlineData("a*b*c", "aXXcYYb", false)]
    [InlineData("space:?23:*", "space:123:file", true)]
    [InlineData("a?c", "ac", false)]
    [InlineData("[abc]x", "bx", true)]
    [InlineData("[abc]x", "dx", false)]
    [InlineData("[!abc]x", "dx", true)]
    [InlineData("[!abc]x", "ax", false)]
    [InlineData("[a-f0-9]", "7", true)]
    [InlineData("[a-f0-9]", "g", false)]
    [InlineData("[]]", "]", true)]
    [InlineData("[]a]", "a", true)]
    [InlineData("[!]]", "]", false)]
    [InlineData("[!]]", "x", true)]
    [InlineData("[a-]", "-", true)]
    [InlineData("[", "[", true)]
    [InlineData("[abc", "[abc", true)]
    [InlineData("[!", "[!", true)]
    [InlineData("[]", "[]", true)]
    [InlineData("a.b", "aXb", false)]
    [InlineData("a\\*", "a\\x", true)]
    [InlineData("^a$", "a", false)]
    public void C2_OnePatternLanguage(string pattern, string topic, bool matches) =>
        Assert.Equal(matches, TopicPattern.Parse(pattern).Matches(topic));

    [Fact]
    public void C2_RandomPatterns_AgreeWithAnIndependentRegexTranslation()
    {
        var seed = TestScale.Seed();
        var random = new Random(seed);
        const string PatternAlphabet = "ab-!*?[]";
        const string TopicAlphabet = "ab-!*?[]";
        for (var round = 0; round < 20_000; round++)
        {
            var pattern = Word(random, PatternAlphabet, 1, 9);
            var topic = Word(random, TopicAlphabet, 0, 7);
            var expected = Regex.IsMatch(topic, Translate(pattern), RegexOptions.Singleline | RegexOptions.CultureInvariant);
            Assert.True(expected == TopicPattern.Parse(pattern).Matches(topic), $"'{pattern}' on '{topic}' should be {expected} (MILLRACE_SEED={seed})");
        }
    }

    [Fact]
    public async Task ManyStars_AreNoTrap()
    {
        var pattern = TopicPattern.Parse(string.Concat(Enumerable.Repeat("*a", 90)) + "b");
        var topic = new string('a', 200);

        // One way after the other, it would take longer than the universe is old.
        Assert.False(await Task.Run(() => pattern.Matches(topic), TestContext.Current.CancellationToken).WaitAsync(TestScale.Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void PatternsCompareByText_AndRefuseWhatNoTopicCanBe()
    {
        Assert.Equal(TopicPattern.Parse("a.*"), TopicPattern.Parse("a.*"));
        Assert.True(TopicPattern.Parse("a.b").IsLiteral);
        Assert.False(TopicPattern.Parse("a.?").IsLiteral);
        Assert.Throws<InvalidNameException>(() => TopicPattern.Parse(""));
        Assert.Throws<InvalidNameException>(() => TopicPattern.Parse("a\0"));
        Assert.False(TopicPattern.TryParse(new string('x', 201), null, out _));
    }

    private static string Word(Random random, string alphabet, int minimum, int maximum)
    {
        var letters = new char[random.Next(minimum, maximum + 1)];
        for (var i = 0; i < letters.Length; i++)
        {
            letters[i] = alphabet[random.Next(alphabet.Length)];
        }

        return new string(letters);
    }

    private static string Translate(string pattern)
    {
        var regex = new StringBuilder("\\A");
        for (var i = 0; i < pattern.Length; i++)
        {
            var negated = i + 1 < pattern.Length && pattern[i + 1] == '!';
            var first = i + (negated ? 2 : 1);
            var close = pattern[i] == '[' && first + 1 <= pattern.Length ? pattern.IndexOf(']', Math.Min(first + 1, pattern.Length)) : -1;
            if (close >= 0)
            {
                regex.Append(Set(pattern[first..close], negated));
                i = close;
            }
            else
            {
                regex.Append(pattern[i] switch { '*' => ".*", '?' => ".", var c => Regex.Escape(c.ToString()).Replace("]", "\\]", StringComparison.Ordinal) });
            }
        }

        return regex.Append("\\z").ToString();
    }

    private static string Set(string members, bool negated)
    {
        var alternatives = new List<string>();
        for (var i = 0; i < members.Length; i++)
        {
            var isRange = i + 2 < members.Length && members[i + 1] == '-';
            if (isRange && members[i] > members[i + 2])
            {
                i += 2;
                continue;
            }

            alternatives.Add(isRange ? $"\\u{(int)members[i]:x4}-\\u{(int)members[i + 2]:x4}" : $"\\u{(int)members[i]:x4}");
            i += isRange ? 2 : 0;
        }

        return alternatives.Count == 0 ? (negated ? "." : "(?!)") : $"[{(negated ? "^" : "")}{string.Concat(alternatives)}]";
    }
}
