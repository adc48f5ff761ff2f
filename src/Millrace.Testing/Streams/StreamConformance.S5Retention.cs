using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Streams;

/// <remarks>An engine may keep more than it must, until a whole segment of it can go: so these tests assert that what must be kept is, and that what may go is gone some appends later.</remarks>
public abstract partial class StreamConformance<TFixture>
{
    private const int FillerBytes = 1000;

    [Fact]
    public async Task S5_ByCount_TheLatestAreKept_AndTheOthersGo()
    {
        var partition = await OpenAsync(At(retention: new StreamRetention { MaxRecords = 5 }));
        for (var i = 0; i < 20; i++)
        {
            await AppendAsync(partition, $"{i}");
            var stats = await StatsAsync(partition);
            Assert.InRange(stats.EarliestOffset, 0, Math.Max(0, stats.EndOffset - 5));
            Assert.Equal($"{i}", Texts(await ReadAsync(partition, i))[0]);
        }

        await AssertGoneAsync(partition, 15);
        await AssertReadableFromTheStartAsync(partition);
    }

    [Fact]
    public async Task S5_ByCount_AnAppendOfMore_KeepsItsLast()
    {
        var partition = await OpenAsync(At(retention: new StreamRetention { MaxRecords = 5 }));
        await AppendAsync(partition, Enumerable.Range(0, 12).Select(i => $"{i}").ToArray());
        Assert.InRange(await EarliestAsync(partition), 0, 7);
        Assert.Equal(["7", "8", "9", "10", "11"], Texts(await ReadAsync(partition, 7)));
        await AssertGoneAsync(partition, 7);
    }

    [Fact]
    public async Task S5_ByBytes_TheLatestAreKept_AndTheOthersGo()
    {
        var partition = await OpenAsync(At(retention: new StreamRetention { MaxBytes = 100 }));
        for (var i = 0; i < 30; i++)
        {
            // Twenty bytes each: five fit.
            await AppendAsync(partition, Make(new string('x', 15), "12345"));
            var stats = await StatsAsync(partition);
            Assert.InRange(stats.EarliestOffset, 0, Math.Max(0, stats.EndOffset - 5));
        }

        await AssertGoneAsync(partition, 25);
        await AssertReadableFromTheStartAsync(partition);
    }

    [Fact]
    public async Task S5_ByAge_TheYoungAreKept_AndTheOldGo()
    {
        var partition = await OpenAsync(At(retention: new StreamRetention { MaxAge = 4 * Clock.Unit }));
        await AppendAsync(partition, "old", "old");
        await PassAsync(2 * Clock.Unit);
        Assert.Equal(0, await EarliestAsync(partition));
        await AppendAsync(partition, "young");
        await PassAsync(2 * Clock.Unit);
        await AppendAsync(partition, "new");
        Assert.InRange(await EarliestAsync(partition), 0, 2);
        Assert.Equal(["young", "new"], Texts(await ReadAsync(partition, 2)));
        await AssertGoneAsync(partition, 2);
        await AssertReadableFromTheStartAsync(partition);
    }

    [Fact]
    public async Task S5_ByAge_ATimestampOfTheSender_IsWhatCounts()
    {
        var now = Clock.TimeProvider.GetUtcNow();
        var partition = await OpenAsync(At(retention: new StreamRetention { MaxAge = 4 * Clock.Unit }));
        await AppendAsync(partition, Make("ancient", timestamp: now - (2 * Clock.LongLease)));
        await AssertGoneAsync(partition, 1);

        var other = await OpenAsync(At(1, retention: new StreamRetention { MaxAge = 4 * Clock.Unit }));
        await AppendAsync(other, Make("of the future", timestamp: now + Clock.LongLease));
        await PassAsync(5 * Clock.Unit);
        await AppendAsync(other, "now");
        Assert.Equal(["of the future", "now"], await TextsAsync(other));
    }

    [Fact]
    public async Task S5_OpeningWithOtherRetention_AppliesItFromThenOn()
    {
        var partition = await OpenAsync();
        await AppendAsync(partition, Enumerable.Range(0, 20).Select(i => $"{i}").ToArray());
        Assert.Equal(0, await EarliestAsync(partition));
        var again = await OpenAsync(At(retention: new StreamRetention { MaxRecords = 3 }));
        await AppendAsync(partition, "20");
        await AssertGoneAsync(partition, 18);
        await AssertReadableFromTheStartAsync(again);
    }

    [Fact]
    public async Task S5_Retention_NeverCostsAnUnboundedPartitionARecord()
    {
        var partition = await OpenAsync(At(0));
        var bounded = await OpenAsync(At(1, retention: new StreamRetention { MaxRecords = 1, MaxBytes = 1, MaxAge = Clock.Unit }));
        await AppendAsync(partition, "0", "1");
        await AppendAsync(bounded, "0", "1");
        await PassAsync(2 * Clock.Unit);
        await AppendAsync(bounded, "2");
        await AppendAsync(partition, "2");
        Assert.Equal(["0", "1", "2"], await TextsAsync(partition));
    }

    [Fact]
    public async Task S5_ReadersBesideRetention_GetARunOfRecords_OrTheEarliestOffset()
    {
        const int Appends = 200;
        var partition = await OpenAsync(At(retention: new StreamRetention { MaxRecords = 10 }));
        var reader = await OpenAsync(At(retention: new StreamRetention { MaxRecords = 10 }));
        var appending = Task.Run(
            async () =>
            {
                for (var i = 0; i < Appends; i++)
                {
                    await AppendAsync(partition, $"{2 * i}", $"{(2 * i) + 1}");
                }
            },
            Cancellation);
        var offset = 0L;
        while (offset < 2 * Appends)
        {
            await Soon(WaitAsync(reader, offset));
            try
            {
                var page = await ReadAsync(reader, offset, maxRecords: 7);
                Assert.Equal(page.Select(record => $"{record.Offset}"), Texts(page));
                offset += page.Length;
            }
            catch (OffsetOutOfRangeException gone)
            {
                Assert.True(gone.Earliest > offset);
                offset = gone.Earliest;
            }
        }

        await appending;
    }

    /// <summary>Appends until the records before an offset are gone, at most as much as the engine may need for it.</summary>
    private async Task AssertGoneAsync(IStreamPartition partition, long before)
    {
        const int Phases = 8;
        for (var phase = 0; phase < Phases && await EarliestAsync(partition) < before; phase++)
        {
            for (var bytes = 0; bytes <= Fixture.StreamSegmentBytes; bytes += FillerBytes)
            {
                await AppendAsync(partition, Make(new string('f', FillerBytes)));
            }

            await PassAsync(phase == 0 ? TimeSpan.Zero : Clock.Unit);
        }

        Assert.True(await EarliestAsync(partition) >= before, "Records that retention no longer keeps are still there.");
    }

    private static async Task AssertReadableFromTheStartAsync(IStreamPartition partition)
    {
        var stats = await StatsAsync(partition);
        Assert.Equal(stats.EndOffset - stats.EarliestOffset, (await ReadAllAsync(partition)).Length);
        if (stats.EarliestOffset > 0)
        {
            var error = await Assert.ThrowsAsync<OffsetOutOfRangeException>(() => ReadAsync(partition, stats.EarliestOffset - 1));
            Assert.Equal(stats.EarliestOffset, error.Earliest);
        }
    }
}
