using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Storage;

public sealed class PatternIndexTests
{
    private readonly PatternIndex<string> _index = new();

    [Fact]
    public void LiteralsAndGlobs_AreFound_EachItemOnce()
    {
        var (one, two) = ("one", "two");
        _index.Add(TopicPattern.Parse("a.b"), one);
        _index.Add(TopicPattern.Parse("a.*"), one);
        _index.Add(TopicPattern.Parse("*.b"), two);

        Assert.Equal([one, two], _index.Find("a.b").Order());
        Assert.Equal([one], _index.Find("a.c"));
        Assert.Empty(_index.Find("c"));
    }

    [Fact]
    public void WhatIsRemembered_FollowsEveryChange()
    {
        var item = "item";
        Assert.Empty(_index.Find("t"));
        _index.Add(TopicPattern.Parse("t"), item);
        Assert.Equal([item], _index.Find("t"));
        _index.Add(TopicPattern.All, item);
        _index.Remove(TopicPattern.Parse("t"), item);
        Assert.Equal([item], _index.Find("t"));
        _index.Remove(TopicPattern.All, item);
        Assert.Empty(_index.Find("t"));
    }

    [Fact]
    public void ManyTopics_DoNotFillTheMemory_NorConfuseTheAnswers()
    {
        var item = "item";
        _index.Add(TopicPattern.Parse("*7"), item);
        for (var i = 0; i < 20_000; i++)
        {
            Assert.Equal(i % 10 == 7 ? 1 : 0, _index.Find($"{i}").Length);
        }
    }
}
