using System.Globalization;
using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Streams;

public abstract partial class StreamConformance<TFixture>
{
    [Fact]
    public async Task S1_ANewPartition_IsEmptyAndBeginsAt0()
    {
        var partition = await OpenAsync();
        Assert.Equal((0, 0), (await StatsAsync(partition) is var stats ? (stats.EarliestOffset, stats.EndOffset) : default));
        Assert.Empty(await ReadAsync(partition, 0));
        Assert.Empty(await ReadAsync(partition, 17));
        Assert.Equal(0, await Soon(partition.FindOffsetAsync(DateTimeOffset.MinValue, Cancellation)));
    }

    [Fact]
    public async Task S1_Offsets_AreDenseFrom0_AndAnAppendReturnsItsFirst()
    {
        var partition = await OpenAsync();
        Assert.Equal(0, await AppendAsync(partition, "a"));
        Assert.Equal(1, await AppendAsync(partition, "b", "c", "d"));
        Assert.Equal(4, await AppendAsync(partition, "e"));
        Assert.Equal(["a", "b", "c", "d", "e"], await TextsAsync(partition));
        var stats = await StatsAsync(partition);
        Assert.Equal((0, 5), (stats.EarliestOffset, stats.EndOffset));
        Assert.True(stats.Bytes >= 5);
    }

    [Fact]
    public async Task S1_AnAppend_IsVisibleWhenItReturns_ThroughEveryOpening()
    {
        var writing = await OpenAsync();
        var reading = await OpenAsync();
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(i, await AppendAsync(writing, $"{i}"));
            Assert.Equal([$"{i}"], Texts(await ReadAsync(reading, i)));
            Assert.Equal(i + 1, (await StatsAsync(reading)).EndOffset);
        }
    }

    [Fact]
    public async Task S1_AnEmptyAppend_StoresNothingAndReturnsTheEnd()
    {
        var partition = await OpenAsync();
        Assert.Equal(0, await AppendAsync(partition, Array.Empty<StreamRecord>()));
        await AppendAsync(partition, "a", "b");
        Assert.Equal(2, await AppendAsync(partition, Array.Empty<StreamRecord>()));
        Assert.Equal(new AppendResult(2, false), await ProduceAsync(partition, "p", 7));
        Assert.Equal(["a", "b"], await TextsAsync(partition));
    }

    [Fact]
    public async Task S1_AnAppendWithABadRecord_IsRefusedWhole()
    {
        var partition = await OpenAsync();
        await AppendAsync(partition, "a");
        await Assert.ThrowsAsync<InvalidMessageException>(() => AppendAsync(partition, Make("good"), TooManyHeaders(), Make("good")));
        Assert.Equal(1, await AppendAsync(partition, "b"));
        Assert.Equal(["a", "b"], await TextsAsync(partition));
    }

    [Fact]
    public async Task S1_Partitions_AndStreams_DoNotMix()
    {
        var first = await OpenAsync(At(0));
        var last = await OpenAsync(At(Partitions - 1));
        var other = await OpenAsync(At(0) with { Stream = Stream + "-other" });
        Assert.Equal(0, await AppendAsync(first, "first"));
        Assert.Equal(0, await AppendAsync(last, "last"));
        Assert.Equal(0, await AppendAsync(other, "other"));
        Assert.Equal(["first"], await TextsAsync(first));
        Assert.Equal(["last"], await TextsAsync(last));
        Assert.Equal(["other"], await TextsAsync(other));
    }

    [Fact]
    public async Task S1_AReader_NeverSeesHalfAnAppend()
    {
        const int BatchSize = 10;
        var partition = await OpenAsync();
        var reader = await OpenAsync();
        var appending = Task.Run(
            async () =>
            {
                for (var i = 0; i < 60; i++)
                {
                    await AppendAsync(partition, Enumerable.Range(0, BatchSize).Select(_ => $"{i}").ToArray());
                }
            },
            Cancellation);
        long end;
        do
        {
            end = (await StatsAsync(reader)).EndOffset;
            Assert.Equal(0, end % BatchSize);
            using var page = await Soon(reader.ReadAsync(Math.Max(0, end - 1), 1000, 1 << 20, Cancellation));
            Assert.Equal(0, page.EndOffset % BatchSize);
        }
        while (end < 60 * BatchSize);

        await appending;
    }

    [Fact]
    public async Task S1_AppendersTogether_LeaveNoGap_AndKeepTheirBatchesTogether()
    {
        var openings = new[] { await OpenAsync(), await OpenAsync() };
        await AppendTogetherAsync(openings, IsFullRun ? 400 : 40);
    }

    [Fact]
    public async Task S1_AppendersOfSeveralProcesses_LeaveNoGap_AndKeepTheirBatchesTogether()
    {
        var openings = new[] { await OpenAsync(), await OpenAsync(await ShareAsync()) };
        await AppendTogetherAsync(openings, IsFullRun ? 200 : 20);
    }

    [Fact]
    public async Task S1_AnAppend_OfAnotherProcess_IsVisibleWhenItReturns()
    {
        var here = await OpenAsync();
        var there = await OpenAsync(await ShareAsync());
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(2 * i, await AppendAsync(here, "here"));
            Assert.Equal(["here"], Texts(await ReadAsync(there, 2 * i)));
            Assert.Equal((2 * i) + 1, await AppendAsync(there, "there"));
            Assert.Equal((2 * i) + 2, (await StatsAsync(here)).EndOffset);
            Assert.Equal(["there"], Texts(await ReadAsync(here, (2 * i) + 1)));
        }
    }

    [Fact]
    public async Task S1_AnAppendCancelledBeforehand_ChangesNothing()
    {
        var partition = await OpenAsync();
        var cancelled = new CancellationToken(canceled: true);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Soon(partition.AppendAsync(new AppendRequest(new[] { Make("a") }), cancelled)));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Soon(partition.TrimAsync(0, cancelled)));
        Assert.Empty(await TextsAsync(partition));
        Assert.Equal(0, await AppendAsync(partition, "b"));
    }

    [Fact]
    public async Task S1_AnAppendCancelledUnderway_IsStoredWholeOrNotAtAll_AsItsResultSays()
    {
        var partition = await OpenAsync();
        var stored = new List<string>();
        for (var i = 0; i < 30; i++)
        {
            using var cancellation = new CancellationTokenSource();
            var appending = partition.AppendAsync(new AppendRequest(new[] { Make($"{i}"), Make($"{i}") }), cancellation.Token).AsTask();
            await cancellation.CancelAsync();
            try
            {
                Assert.Equal(stored.Count, (await Soon(appending)).FirstOffset);
                stored.AddRange([$"{i}", $"{i}"]);
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                // Said to be not accepted: then nothing of it may be there.
            }

            Assert.Equal(stored.Count, (await StatsAsync(partition)).EndOffset);
        }

        Assert.Equal(stored, await TextsAsync(partition));
    }

    private static StreamRecord TooManyHeaders() => Make("bad") with
    {
        Headers = MessageHeaders.Create(Enumerable.Range(0, EnvelopeRules.MaxHeaders + 1).Select(i => new KeyValuePair<string, string>($"h{i}", ""))),
    };

    private static async Task AppendTogetherAsync(IStreamPartition[] openings, int appends)
    {
        const int Appenders = 4;
        var landed = await Task.WhenAll(Enumerable.Range(0, Appenders).Select(appender => Task.Run(
            async () =>
            {
                var offsets = new List<(long Offset, int Count, string Text)>();
                for (var i = 0; i < appends; i++)
                {
                    var text = string.Create(CultureInfo.InvariantCulture, $"{appender}.{i}");
                    var count = 1 + (i % 5);
                    offsets.Add((await AppendAsync(openings[appender % openings.Length], Enumerable.Repeat(text, count).ToArray()), count, text));
                }

                Assert.Equal(offsets.OrderBy(one => one.Offset), offsets);
                return offsets;
            },
            Cancellation)));
        var next = 0L;
        var expected = new List<string>();
        foreach (var (offset, count, text) in landed.SelectMany(offsets => offsets).OrderBy(one => one.Offset))
        {
            Assert.Equal(next, offset);
            next += count;
            expected.AddRange(Enumerable.Repeat(text, count));
        }

        foreach (var opening in openings)
        {
            Assert.Equal(expected, await TextsAsync(opening));
        }
    }
}
