using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Streams;

public abstract partial class StreamConformance<TFixture>
{
    [Fact]
    public async Task S5_ReadingBelowTheStart_NamesTheEarliestOffset_AndSkipsNothing()
    {
        var partition = await OpenAsync();
        await AppendAsync(partition, "0", "1", "2", "3", "4");
        await Soon(partition.TrimAsync(3, Cancellation));
        foreach (var offset in new[] { 0, 2 })
        {
            var error = await Assert.ThrowsAsync<OffsetOutOfRangeException>(() => ReadAsync(partition, offset));
            Assert.Equal((offset, 3), (error.Offset, error.Earliest));
        }

        Assert.Equal(["3", "4"], await TextsAsync(partition));
        Assert.Equal(5, await AppendAsync(partition, "5"));
        var stats = await StatsAsync(partition);
        Assert.Equal((3, 6), (stats.EarliestOffset, stats.EndOffset));
    }

    [Fact]
    public async Task S5_TrimmingEverything_KeepsTheOffsets()
    {
        var partition = await OpenAsync();
        await AppendAsync(partition, "0", "1");
        await Soon(partition.TrimAsync(2, Cancellation));
        var stats = await StatsAsync(partition);
        Assert.Equal((2, 2), (stats.EarliestOffset, stats.EndOffset));
        Assert.Empty(await ReadAsync(partition, 2));
        await Assert.ThrowsAsync<OffsetOutOfRangeException>(() => ReadAsync(partition, 1));
        Assert.Equal(2, await AppendAsync(partition, "2"));
        Assert.Equal(["2"], await TextsAsync(partition));
    }

    [Fact]
    public async Task S5_TrimmingBelowTheStart_DoesNothing_AndBeyondTheEnd_IsRefused()
    {
        var partition = await OpenAsync();
        await Soon(partition.TrimAsync(0, Cancellation));
        await AppendAsync(partition, "0", "1", "2");
        await Soon(partition.TrimAsync(2, Cancellation));
        await Soon(partition.TrimAsync(1, Cancellation));
        await Soon(partition.TrimAsync(-1, Cancellation));
        Assert.Equal(2, await EarliestAsync(partition));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Soon(partition.TrimAsync(4, Cancellation)));
        Assert.Equal(["2"], await TextsAsync(partition));
    }

    [Fact]
    public async Task S5_Trimming_InTheMiddleOfAnAppend_TakesEffectExactly()
    {
        var partition = await OpenAsync();
        var texts = Enumerable.Range(0, 100).Select(i => $"{i}").ToArray();
        await AppendAsync(partition, texts[..60]);
        await AppendAsync(partition, texts[60..]);
        foreach (var offset in new[] { 1, 30, 59, 60, 61, 99, 100 })
        {
            await Soon(partition.TrimAsync(offset, Cancellation));
            Assert.Equal(offset, await EarliestAsync(partition));
            Assert.Equal(texts[offset..], await TextsAsync(partition));
            await Assert.ThrowsAsync<OffsetOutOfRangeException>(() => ReadAsync(partition, offset - 1));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task S5_WhatWasTrimmed_StaysSo(bool crash)
    {
        RequireReopening();
        var partition = await OpenAsync();
        await AppendAsync(partition, "0", "1", "2", "3");
        await Soon(partition.TrimAsync(3, Cancellation));
        partition = await RestartAsync(crash);
        Assert.Equal(["3"], await TextsAsync(partition));
        await Assert.ThrowsAsync<OffsetOutOfRangeException>(() => ReadAsync(partition, 0));
        await Soon(partition.TrimAsync(4, Cancellation));
        partition = await RestartAsync(crash);
        Assert.Equal(4, await EarliestAsync(partition));
        Assert.Equal(4, await AppendAsync(partition, "4"));
    }

    [Fact]
    public async Task S5_WhatAnotherProcessTrimmed_IsTrimmedHere()
    {
        var partition = await OpenAsync();
        await AppendAsync(partition, "0", "1", "2", "3");
        var there = await OpenAsync(await ShareAsync());
        await Soon(there.TrimAsync(2, Cancellation));
        Assert.Equal(2, await EarliestAsync(partition));
        await Assert.ThrowsAsync<OffsetOutOfRangeException>(() => ReadAsync(partition, 1));
        Assert.Equal(["2", "3"], await TextsAsync(partition));
    }

    [Fact]
    public async Task S5_ByTimestamp_TheFirstRecordAtOrAfterIt_IsFound()
    {
        var partition = await OpenAsync();
        var start = Clock.TimeProvider.GetUtcNow();
        await AppendAsync(partition, Enumerable.Range(0, 10).Select(i => Make($"{i}", timestamp: start.AddSeconds(10 * i))).ToArray());
        Assert.Equal(0, await FindAsync(partition, DateTimeOffset.MinValue));
        Assert.Equal(0, await FindAsync(partition, start));
        Assert.Equal(1, await FindAsync(partition, start.AddTicks(1)));
        Assert.Equal(3, await FindAsync(partition, start.AddSeconds(30)));
        Assert.Equal(3, await FindAsync(partition, start.AddSeconds(30).ToOffset(TimeSpan.FromHours(3))));
        Assert.Equal(9, await FindAsync(partition, start.AddSeconds(90)));
        Assert.Equal(10, await FindAsync(partition, start.AddSeconds(90).AddTicks(1)));
        Assert.Equal(10, await FindAsync(partition, DateTimeOffset.MaxValue));
        await Soon(partition.TrimAsync(4, Cancellation));
        Assert.Equal(4, await FindAsync(partition, start));
        Assert.Equal(5, await FindAsync(partition, start.AddSeconds(50)));
    }

    [Fact]
    public async Task S5_ByTimestamp_TheFirstIsFound_AlsoWhenSendersTimesGoBack()
    {
        var partition = await OpenAsync();
        var start = Clock.TimeProvider.GetUtcNow();
        int[] seconds = [50, 10, 70, 20, 60, 5, 90, 80];
        await AppendAsync(partition, seconds[..3].Select(second => Make("", timestamp: start.AddSeconds(second))).ToArray());
        foreach (var second in seconds[3..])
        {
            await AppendAsync(partition, Make("", timestamp: start.AddSeconds(second)));
        }

        for (var trimmed = 0; trimmed <= seconds.Length; trimmed++)
        {
            await Soon(partition.TrimAsync(trimmed, Cancellation));
            for (var second = 0; second <= 95; second += 5)
            {
                var first = Array.FindIndex(seconds, trimmed, one => one >= second);
                Assert.Equal(first < 0 ? seconds.Length : first, await FindAsync(partition, start.AddSeconds(second)));
            }
        }
    }

    [Fact]
    public async Task S5_ByTimestamp_TheStoresOwnAreFound()
    {
        var partition = await OpenAsync();
        await AppendAsync(partition, "early", "early");
        await PassAsync(Clock.Unit);
        var between = Clock.TimeProvider.GetUtcNow();
        await PassAsync(Clock.Unit);
        await AppendAsync(partition, "late");
        Assert.Equal(2, await FindAsync(partition, between));
        Assert.Equal(0, await FindAsync(partition, between - (3 * Clock.Unit) - (3 * Clock.Margin)));
    }

    private static Task<long> FindAsync(IStreamPartition partition, DateTimeOffset timestamp) => Soon(partition.FindOffsetAsync(timestamp, Cancellation));
}
