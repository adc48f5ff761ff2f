using Millrace.Redis.Channels;
using Millrace.Redis.Client;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Channels;

/// <summary>Topic patterns in Redis' own language: they must let through all that the pattern matches.</summary>
public sealed class RedisGlobTests
{
    private static readonly string[] Parts = ["a", "b", "A", ".", "-", "*", "?", "[", "]", "!", "^", "\\", "ä", "🙂", "[ab]", "[!ab]", "[a-c]", "[!.]", "[]a]", "[ä-ü]", "[!]", "[^a]"];
    private static readonly string[] Letters = ["a", "b", "c", "A", ".", "-", "*", "?", "[", "]", "!", "^", "\\", "ä", "ü", "🙂"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("orders.*", "orders.*")]
    [InlineData("a?", "a?*")]
    [InlineData("[ab]c", "[ab]c")]
    [InlineData("[!ab]c", "[^ab]*c")]
    [InlineData("[]]", "?*")]
    [InlineData("[ä]", "?*")]
    [InlineData("a[b", "a\\[b")]
    [InlineData("a^\\", "a\\^\\\\")]
    public void Glob_OfAPattern_IsTheNearestThatMatchesAsMuch(string pattern, string glob) => Assert.Equal(glob, RedisGlob.Of(TopicPattern.Parse(pattern)));

    [Fact]
    public async Task Glob_OfRandomPatterns_LetsThroughWhatTheyMatch()
    {
        var random = new Random(TestScale.Seed());
        var topics = Enumerable.Range(0, 300).Select(_ => Join(random, Letters)).Distinct().ToArray();
        var server = await RedisFixture.Server;
        var options = RedisOptions.Parse(BackendUrl.Parse($"redis://{server.EndPoint}/1"));
        await using var executor = await RedisDialing.OpenAsync(options, new BackendContext(), Cancellation);
        foreach (var topic in topics)
        {
            await executor.ExecuteAsync(RedisCommand.Create("SET").AddKey("^" + topic).Add(""), Cancellation);
        }

        var count = TestScale.IsFull ? 20_000 : 500;
        for (var i = 0; i < count; i++)
        {
            var pattern = TopicPattern.Parse(Join(random, Parts));
            var glob = RedisGlob.Escape("^") + RedisGlob.Of(pattern);
            var reply = await executor.ExecuteAsync(RedisCommand.Create("KEYS").Add(glob), Cancellation);
            var passed = new HashSet<string>(StringComparer.Ordinal);
            foreach (var key in reply.Items)
            {
                passed.Add(key.ToText()![1..]);
            }

            Assert.All(topics.Where(topic => pattern.Matches(topic)), topic => Assert.True(passed.Contains(topic), $"'{pattern}' matches '{topic}', '{glob}' does not."));
        }
    }

    private static string Join(Random random, string[] parts) => string.Concat(Enumerable.Range(0, random.Next(1, 6)).Select(_ => parts[random.Next(parts.Length)]));
}
