using Millrace.Redis.Streams;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Streams;

/// <summary>Partitions when connections are cut, when a server has lost appends, and when records are damaged; and that what a partition remembers is bounded.</summary>
public sealed class StreamLossTests
{
    private static readonly StreamPartitionContext Context = new() { Stream = "s", Partition = 0, PartitionCount = 1 };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Waiting_AcrossCuts_LearnsOfEveryAppend()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var here = await OpenAsync(server);
        await using var there = await OpenAsync(server);
        await using var reading = await here.Streams!.OpenPartitionAsync(Context, Cancellation);
        await using var writing = await there.Streams!.OpenPartitionAsync(Context, Cancellation);
        for (var i = 0; i < 20; i++)
        {
            var waiting = reading.WaitForAsync(i, Cancellation).AsTask();
            await server.ExecuteAsync(["CLIENT", "KILL", "TYPE", "pubsub"], Cancellation);
            await writing.AppendAsync(new AppendRequest(new StreamRecord[1]), Cancellation);
            await waiting.WaitAsync(TimeSpan.FromSeconds(9), TimeProvider.System, Cancellation);
        }
    }

    [Fact]
    public async Task Reader_WhereTheLastAppendsAreLost_WaitsForThoseThatComeInstead()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(server);
        await using var partition = await backend.Streams!.OpenPartitionAsync(Context, Cancellation);
        for (var i = 0; i < 10; i++)
        {
            await partition.AppendAsync(new AppendRequest(new StreamRecord[1]), Cancellation);
        }

        // As an asynchronous fail-over leaves it.
        await server.ExecuteAsync(["XDEL", "{millrace:stream:s/0}:records", "8-0", "9-0", "10-0"], Cancellation);
        await server.ExecuteAsync(["XSETID", "{millrace:stream:s/0}:records", "7-0"], Cancellation);
        await server.ExecuteAsync(["HSET", "{millrace:stream:s/0}:partition", "end", "7"], Cancellation);

        await partition.WaitForAsync(8, Cancellation);
        Assert.Equal((0, 7), await partition.ReadAsync(8, 10, 1000, Cancellation) is var page ? (page.Records.Length, page.EndOffset) : default);
        var waiting = partition.WaitForAsync(8, Cancellation).AsTask();
        Assert.Equal(7, (await partition.AppendAsync(new AppendRequest(new StreamRecord[1]), Cancellation)).FirstOffset);
        Assert.False(waiting.IsCompleted);
        await partition.AppendAsync(new AppendRequest(new StreamRecord[1]), Cancellation);
        await waiting.WaitAsync(TimeSpan.FromSeconds(9), TimeProvider.System, Cancellation);
        Assert.Equal(1, (await partition.ReadAsync(8, 10, 1000, Cancellation)).Records.Length);
    }

    [Fact]
    public async Task Partition_ThatIsLostWithItsServer_SaysSo_AndBeginsAnew()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(server);
        await using var partition = await backend.Streams!.OpenPartitionAsync(Context, Cancellation);
        await partition.AppendAsync(new AppendRequest(new StreamRecord[3]), Cancellation);
        await server.RestartAsync(Cancellation);
        await Assert.ThrowsAsync<BackendUnavailableException>(async () => await partition.ReadAsync(0, 1, 1, Cancellation));
        await using var again = await backend.Streams!.OpenPartitionAsync(Context, Cancellation);
        Assert.Equal(0, (await again.AppendAsync(new AppendRequest(new StreamRecord[1]), Cancellation)).FirstOffset);
    }

    [Fact]
    public async Task Records_ThatAreDamaged_AreReported_AndTheOthersRead()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(server);
        await using var partition = await backend.Streams!.OpenPartitionAsync(Context, Cancellation);
        await partition.AppendAsync(new AppendRequest(new StreamRecord[] { new() { Body = "good"u8.ToArray() } }), Cancellation);
        var now = DateTimeOffset.UnixEpoch.UtcTicks.ToString(RecordCodec.Digits, System.Globalization.CultureInfo.InvariantCulture);
        await server.ExecuteAsync(["XADD", "{millrace:stream:s/0}:records", "2-0", "n", "1", "b", "4", "s", "4", "t", now, "m", now, "r", now, "c", "17", "d", "0123456789ab"], Cancellation);
        await server.ExecuteAsync(["HSET", "{millrace:stream:s/0}:partition", "end", "2", "total", "8"], Cancellation);
        await partition.AppendAsync(new AppendRequest(new StreamRecord[] { new() { Body = "good"u8.ToArray() } }), Cancellation);

        Assert.Equal(1, (await partition.ReadAsync(0, 10, 1000, Cancellation)).Records.Length);
        var damage = await Assert.ThrowsAsync<StorageCorruptException>(async () => await partition.ReadAsync(1, 10, 1000, Cancellation));
        Assert.Contains("partition 0 of stream 's'", damage.Message, StringComparison.Ordinal);
        Assert.Equal(1, (await partition.ReadAsync(2, 10, 1000, Cancellation)).Records.Length);
    }

    [Fact]
    public async Task Producers_BeyondTheLimit_AreForgottenOldestFirst()
    {
        const int Limit = 10_000;
        var server = await RedisFixture.Server;
        await using var backend = await OpenAsync(server, "prefix=producers");
        await using var partition = await backend.Streams!.OpenPartitionAsync(Context, Cancellation);
        var first = await ProduceAsync(partition, "first");
        foreach (var chunk in Enumerable.Range(0, Limit).Chunk(500))
        {
            await Task.WhenAll(chunk.Select(i => ProduceAsync(partition, $"p{i}")));
        }

        Assert.Equal($"{Limit}", await server.ExecuteAsync(["HLEN", "{producers:stream:s/0}:producers"], Cancellation));
        Assert.True((await ProduceAsync(partition, "p9999")).Duplicate);
        Assert.Equal((false, false), (first.Duplicate, (await ProduceAsync(partition, "first")).Duplicate));
    }

    [Fact]
    public async Task Append_OfManyAndLargeRecords_IsStoredInBoundedRows_AndReadBack()
    {
        var server = await RedisFixture.Server;
        await using var backend = await OpenAsync(server, "prefix=rows");
        await using var partition = await backend.Streams!.OpenPartitionAsync(Context, Cancellation);
        var records = Enumerable.Range(0, 5000).Select(i => new StreamRecord { Body = new byte[i % 50 == 0 ? 3000 : 100], Key = BitConverter.GetBytes(i) }).ToArray();
        await partition.AppendAsync(new AppendRequest(records), Cancellation);
        var rows = int.Parse(await server.ExecuteAsync(["XLEN", "{rows:stream:s/0}:records"], Cancellation), System.Globalization.CultureInfo.InvariantCulture);
        Assert.InRange(rows, 2, records.Length / 100);
        for (var offset = 0L; offset < records.Length;)
        {
            using var page = await partition.ReadAsync(offset, 700, 1 << 20, Cancellation);
            Assert.NotEqual(0, page.Records.Length);
            foreach (var record in page.Records.Span)
            {
                Assert.Equal((record.Offset, records[record.Offset].Body.Length), (BitConverter.ToInt32(record.Key.Span), record.Body.Length));
            }

            offset = page.NextOffset;
        }
    }

    [Fact]
    public async Task Writes_ThatFewerReplicasHaveThanAskedFor_MayHaveBeenApplied()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(server, "wait=1&waitTimeoutMs=50");
        var fault = await Assert.ThrowsAsync<BackendUnavailableException>(async () => await backend.State!.PutAsync("k", default, null, Cancellation));
        Assert.True(fault.MayHaveBeenApplied);
        Assert.Contains("'wait'", fault.Message, StringComparison.Ordinal);
        Assert.NotNull(await backend.State!.GetAsync("k", Cancellation));
    }

    private static Task<AppendResult> ProduceAsync(IStreamPartition partition, string producer) =>
        partition.AppendAsync(new AppendRequest(new StreamRecord[1]) { ProducerId = producer }, Cancellation).AsTask();

    private static ValueTask<Backend> OpenAsync(LocalRedis server, string options = "") =>
        RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{server.EndPoint}?{options}"), new BackendContext(), Cancellation);
}
