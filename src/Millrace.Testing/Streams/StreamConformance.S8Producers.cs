using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Streams;

public abstract partial class StreamConformance<TFixture>
{
    [Fact]
    public async Task S8_ARepeatedAppend_IsStoredOnce_AndToldWhereItIs()
    {
        var partition = await OpenAsync();
        await AppendAsync(partition, "x");
        Assert.Equal(new AppendResult(1, false), await ProduceAsync(partition, "p", 0, "a", "b"));
        Assert.Equal(new AppendResult(1, true), await ProduceAsync(partition, "p", 0, "a", "b"));
        Assert.Equal(new AppendResult(3, false), await ProduceAsync(partition, "p", 2, "c"));
        Assert.Equal(new AppendResult(3, true), await ProduceAsync(partition, "p", 2, "c"));
        Assert.Equal(new AppendResult(1, true), await ProduceAsync(partition, "p", 0, "a", "b"));
        Assert.Equal(new AppendResult(2, true), await ProduceAsync(partition, "p", 1, "b"));
        Assert.Equal(["x", "a", "b", "c"], await TextsAsync(partition));
    }

    [Fact]
    public async Task S8_ARepeat_WakesNobody_AndReachesNoReader()
    {
        var partition = await OpenAsync();
        await ProduceAsync(partition, "p", 0, "a");
        var waiting = WaitAsync(partition, 1);
        await ProduceAsync(partition, "p", 0, "a");
        await StillWaits(waiting);
        Assert.Empty(await ReadAsync(partition, 1));
        await ProduceAsync(partition, "p", 1, "b");
        await Soon(waiting);
    }

    [Fact]
    public async Task S8_AnAppendThatRepeatsSome_AndAddsOthers_IsRefused()
    {
        var partition = await OpenAsync();
        await ProduceAsync(partition, "p", 5, "5", "6");
        var error = await Assert.ThrowsAsync<InvalidMessageException>(() => ProduceAsync(partition, "p", 6, "6", "7"));
        Assert.Contains("p", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidMessageException>(() => ProduceAsync(partition, "p", 4, "4", "5", "6", "7"));
        Assert.Equal(["5", "6"], await TextsAsync(partition));
        Assert.Equal(new AppendResult(2, false), await ProduceAsync(partition, "p", 7, "7"));
    }

    [Fact]
    public async Task S8_Sequences_MayHaveGaps()
    {
        var partition = await OpenAsync();
        Assert.Equal(new AppendResult(0, false), await ProduceAsync(partition, "p", 10, "a"));
        Assert.Equal(new AppendResult(1, false), await ProduceAsync(partition, "p", 1_000_000_000_000, "b"));
        Assert.True((await ProduceAsync(partition, "p", 10, "a")).Duplicate);
        Assert.Equal(new AppendResult(2, false), await ProduceAsync(partition, "p", long.MaxValue - 1, "c"));
        Assert.Equal(["a", "b", "c"], await TextsAsync(partition));
    }

    [Fact]
    public async Task S8_Producers_AreApart_AndSoArePartitions()
    {
        var first = await OpenAsync(At(0));
        var second = await OpenAsync(At(1));
        Assert.Equal(new AppendResult(0, false), await ProduceAsync(first, "p", 0, "a"));
        Assert.Equal(new AppendResult(1, false), await ProduceAsync(first, "P", 0, "b"));
        Assert.Equal(new AppendResult(0, false), await ProduceAsync(second, "p", 0, "c"));
        Assert.Equal(2, await AppendAsync(first, "d"));
        Assert.Equal(new AppendResult(0, true), await ProduceAsync(first, "p", 0, "a"));
        Assert.Equal(["a", "b", "d"], await TextsAsync(first));
    }

    [Fact]
    public async Task S8_ARepeatOfLongAgo_IsStillNoneToStore()
    {
        var partition = await OpenAsync();
        for (var i = 0; i < 50; i++)
        {
            Assert.Equal(new AppendResult(i, false), await ProduceAsync(partition, "p", i, $"{i}"));
        }

        for (var i = 0; i < 50; i++)
        {
            var repeat = await ProduceAsync(partition, "p", i, $"{i}");
            Assert.True(repeat.Duplicate);
            Assert.True(repeat.FirstOffset == i || (repeat.FirstOffset == -1 && i < 45), $"The repeat of {i} is said to be at {repeat.FirstOffset}.");
        }

        Assert.Equal(50, (await StatsAsync(partition)).EndOffset);
    }

    [Fact]
    public async Task S8_ARepeat_AfterATrim_IsStillARepeat()
    {
        var partition = await OpenAsync();
        await ProduceAsync(partition, "p", 0, "a");
        await Soon(partition.TrimAsync(1, Cancellation));
        Assert.True((await ProduceAsync(partition, "p", 0, "a")).Duplicate);
        Assert.Empty(await TextsAsync(partition));
    }

    [Fact]
    public async Task S8_TheSameAppend_ByManyAtOnce_IsStoredOnce()
    {
        var openings = new[] { await OpenAsync(), await OpenAsync() };
        await RepeatTogetherAsync(openings);
    }

    [Fact]
    public async Task S8_TheSameAppend_ByManyProcesses_IsStoredOnce()
    {
        var openings = new[] { await OpenAsync(), await OpenAsync(await ShareAsync()) };
        await RepeatTogetherAsync(openings);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task S8_Producers_AreRememberedAfterReopening(bool crash)
    {
        RequireReopening();
        var partition = await OpenAsync();
        await ProduceAsync(partition, "p", 0, "a", "b");
        await ProduceAsync(partition, "q", 100, "c");
        await ProduceAsync(partition, "p", 2, "d");
        partition = await RestartAsync(crash);
        Assert.Equal(new AppendResult(3, true), await ProduceAsync(partition, "p", 2, "d"));
        Assert.Equal(new AppendResult(2, true), await ProduceAsync(partition, "q", 100, "c"));
        Assert.True((await ProduceAsync(partition, "p", 0, "a", "b")).Duplicate);
        await Assert.ThrowsAsync<InvalidMessageException>(() => ProduceAsync(partition, "p", 2, "d", "e"));
        Assert.Equal(new AppendResult(4, false), await ProduceAsync(partition, "p", 3, "e"));
        partition = await RestartAsync(crash);
        Assert.Equal(new AppendResult(4, true), await ProduceAsync(partition, "p", 3, "e"));
        Assert.Equal(["a", "b", "c", "d", "e"], await TextsAsync(partition));
    }

    private static async Task RepeatTogetherAsync(IStreamPartition[] openings)
    {
        for (var round = 0; round < 10; round++)
        {
            var results = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(
                () => ProduceAsync(openings[i % openings.Length], "p", 3 * round, "a", "b", "c"), Cancellation)));
            Assert.Single(results, result => !result.Duplicate);
            Assert.All(results, result => Assert.Equal(3 * round, result.FirstOffset));
        }

        Assert.Equal(30, (await TextsAsync(openings[0])).Length);
    }
}
