using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Streams;

public abstract partial class StreamConformance<TFixture>
{
    [Fact]
    public async Task S2_ARecord_ReadsBackAsItWasAppended_BeforeAndAfterAFlush()
    {
        var partition = await OpenAsync();
        var records = OddRecords();
        await AppendAsync(partition, records);
        foreach (var record in records)
        {
            await AppendAsync(partition, record);
        }

        await AssertHoldsAsync(partition, [.. records, .. records]);
        await Soon(partition.FlushAsync(Cancellation));
        await AssertHoldsAsync(partition, [.. records, .. records]);
    }

    [Fact]
    public async Task S2_ATimestampOfTheStore_IsItsClocks_InUtc()
    {
        var partition = await OpenAsync();
        var before = Clock.TimeProvider.GetUtcNow() - Clock.Margin;
        await AppendAsync(partition, "a", "b");
        var after = Clock.TimeProvider.GetUtcNow() + Clock.Margin;
        foreach (var record in await ReadAllAsync(partition))
        {
            Assert.InRange(record.Timestamp, before, after);
            Assert.Equal(TimeSpan.Zero, record.Timestamp.Offset);
        }
    }

    [Fact]
    public async Task S2_TheCallersBuffers_AreNotReadAfterTheCall()
    {
        var partition = await OpenAsync();
        var body = "original"u8.ToArray();
        var key = "key"u8.ToArray();
        var records = new[] { new StreamRecord { Body = body, Key = key } };
        await AppendAsync(partition, records);
        body.AsSpan().Fill((byte)'X');
        key.AsSpan().Fill((byte)'X');
        records[0] = default;
        var read = Assert.Single(await ReadAllAsync(partition));
        AssertSame(Make("original", "key"), read);
    }

    [Fact]
    public async Task S2_APage_StaysAsItWas_WhateverComesAfterIt()
    {
        var partition = await OpenAsync();
        await AppendAsync(partition, Make("a", "ka"), Make("b", "kb"));
        using var page = await Soon(partition.ReadAsync(0, 10, 1000, Cancellation));
        using var again = await Soon(partition.ReadAsync(0, 10, 1000, Cancellation));
        again.Dispose();
        await AppendAsync(partition, Enumerable.Range(0, 300).Select(i => $"{i} and more").ToArray());
        await Soon(partition.TrimAsync(200, Cancellation));
        (await Soon(partition.ReadAsync(200, 100, 10_000, Cancellation))).Dispose();
        using var third = await Soon(partition.ReadAsync(210, 100, 10_000, Cancellation));
        Assert.Equal(2, page.Records.Length);
        AssertSame(Make("a", "ka"), page.Records.Span[0]);
        AssertSame(Make("b", "kb"), page.Records.Span[1]);
        Assert.Equal((2, 2), (page.NextOffset, page.EndOffset));
        Assert.True(again.Records.IsEmpty);
    }

    [Fact]
    public async Task S2_ALargeBody_ArrivesByteForByte()
    {
        var partition = await OpenAsync();
        var large = new byte[Math.Min(1 << 20, Store.Capabilities.MaxRecordBytes)];
        new Random(17).NextBytes(large);
        StreamRecord[] records = [Make("before"), new() { Body = large }, new() { Body = large.AsMemory(1) }, Make("after")];
        await AppendAsync(partition, records);
        await AssertHoldsAsync(partition, records);
    }

    [Fact]
    public async Task S2_APageOfBytes_HoldsAsManyRecordsAsFit_AndAtLeastOne()
    {
        var partition = await OpenAsync();
        await AppendAsync(partition, "1234", "1234", "1234567890", "1");
        Assert.Equal(["1234", "1234"], Texts(await ReadAsync(partition, 0, maxBytes: 9)));
        Assert.Equal(["1234", "1234"], Texts(await ReadAsync(partition, 0, maxBytes: 8)));
        Assert.Equal(["1234"], Texts(await ReadAsync(partition, 0, maxBytes: 7)));
        Assert.Equal(["1234567890"], Texts(await ReadAsync(partition, 2, maxBytes: 1)));
        Assert.Equal(["1234567890", "1"], Texts(await ReadAsync(partition, 2)));
        Assert.Equal(["1234", "1234567890"], Texts(await ReadAsync(partition, 1, maxRecords: 2)));
        Assert.Equal(["1"], Texts(await ReadAsync(partition, 3, maxRecords: int.MaxValue, maxBytes: int.MaxValue)));
        Assert.Empty(await ReadAsync(partition, 4));
        Assert.Empty(await ReadAsync(partition, long.MaxValue));
    }

    [Fact]
    public async Task S2_Reading_BeginsInTheMiddleOfAnAppend()
    {
        var partition = await OpenAsync();
        var texts = Enumerable.Range(0, 250).Select(i => $"record {i}").ToArray();
        await AppendAsync(partition, texts[..100]);
        await AppendAsync(partition, texts[100..101]);
        await AppendAsync(partition, texts[101..]);
        foreach (var offset in new[] { 0, 1, 50, 99, 100, 101, 102, 200, 249 })
        {
            Assert.Equal(texts[offset..Math.Min(texts.Length, offset + 120)], Texts(await ReadAsync(partition, offset, maxRecords: 120)));
        }
    }

    /// <summary>Records that are easily kept wrong.</summary>
    private static StreamRecord[] OddRecords()
    {
        var everyByte = Enumerable.Range(0, 256).Select(i => (byte)i).ToArray();
        var headers = MessageHeaders.Of(("h", "ü"), ("H", ""), ("日本語", "🙂\r\n\0 value"), ("long", new string('v', 3000)));
        var instant = new DateTimeOffset(2001, 2, 3, 4, 5, 6, 789, TimeSpan.FromHours(5.5)).AddTicks(1234);
        return
        [
            default,
            new() { Body = everyByte, Key = everyByte, Headers = headers, Timestamp = instant },
            new() { Body = new byte[1] },
            new() { Key = new byte[] { 0 }, Timestamp = instant.AddTicks(1) },
            new() { Key = new byte[3000], Headers = MessageHeaders.Empty },
            new() { Headers = headers },
            new() { Body = new byte[70_000], Timestamp = DateTimeOffset.UnixEpoch.AddYears(-100) },
            new() { Body = everyByte, Timestamp = DateTimeOffset.MaxValue, Offset = 12345 },
            new() { Body = everyByte, Timestamp = DateTimeOffset.MinValue.AddTicks(1) },
        ];
    }

    private static async Task AssertHoldsAsync(IStreamPartition partition, StreamRecord[] expected)
    {
        var actual = await ReadAllAsync(partition);
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            AssertSame(expected[i], actual[i]);
        }
    }
}
