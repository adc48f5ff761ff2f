using System.Text;
using Millrace.Sqlite.Engine;
using Millrace.Sqlite.Streams;
using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Sqlite.Tests;

/// <summary>What is this backend's own about streams: its rows, damage to them, and files of the version before.</summary>
public sealed class StreamTests : IDisposable
{
    private static readonly StreamPartitionContext Where = new() { Stream = "s", Partition = 0, PartitionCount = 1 };

    private readonly TemporaryFolder _folder = new();
    private readonly ManualConformanceClock _clock = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task AFileOfVersion1_IsUpgraded_AndKeepsItsMessages()
    {
        await using (var backend = await OpenAsync())
        {
            await backend.Queues!.EnqueueAsync("q", new Envelope[] { new("kept"u8.ToArray()) }, default, Cancellation);
        }

        Execute("DROP TABLE millrace_partition; DROP TABLE millrace_records; DROP TABLE millrace_producer; UPDATE millrace_meta SET value = '1' WHERE name = 'version'");
        await using var upgraded = await OpenAsync();
        await using var receiver = await upgraded.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        Assert.Equal(1, await receiver.LeaseAsync(new Delivery[1], TimeSpan.Zero, Cancellation));
        await using var partition = await upgraded.Streams!.OpenPartitionAsync(Where, Cancellation);
        Assert.Equal(0, (await AppendAsync(partition, "a")).FirstOffset);
        Assert.Equal(2, Number("SELECT value FROM millrace_meta WHERE name = 'version'"));
    }

    [Fact]
    public async Task ADamagedRow_IsReportedWithItsOffsets_AndWhatStandsBeforeAndAfterItIsRead()
    {
        await using var backend = await OpenAsync();
        await using var partition = await backend.Streams!.OpenPartitionAsync(Where, Cancellation);
        await AppendAsync(partition, "0", "1");
        await AppendAsync(partition, "2", "3");
        await AppendAsync(partition, "4");
        Execute("UPDATE millrace_records SET records = CAST(replace(records, '3', '7') AS BLOB) WHERE first = 2");

        Assert.Equal(["0", "1"], await TextsAsync(partition, 0));
        foreach (var offset in new[] { 2, 3 })
        {
            var damage = await Assert.ThrowsAsync<StorageCorruptException>(() => TextsAsync(partition, offset));
            Assert.Contains(_folder.File, damage.Message, StringComparison.Ordinal);
            Assert.Contains("2 to 3", damage.Message, StringComparison.Ordinal);
        }

        Assert.Equal(["4"], await TextsAsync(partition, 4));
        await partition.TrimAsync(4, Cancellation);
        Assert.Equal(["4"], await TextsAsync(partition, 4));
    }

    [Fact]
    public async Task RowsAreBounded_AndALargeRecordHasItsOwn()
    {
        await using var backend = await OpenAsync();
        await using var partition = await backend.Streams!.OpenPartitionAsync(Where, Cancellation);
        var records = Enumerable.Range(0, 5000).Select(_ => new StreamRecord { Body = new byte[100] }).ToArray();
        await partition.AppendAsync(new AppendRequest(records), Cancellation);
        await partition.AppendAsync(new AppendRequest(new StreamRecord[] { new() { Body = new byte[5 * RecordCodec.RowBytes] }, new() }), Cancellation);
        Assert.InRange(Number("SELECT max(length(records)) FROM millrace_records WHERE first < 5000"), 1, RecordCodec.RowBytes);
        Assert.InRange(Number("SELECT count(*) FROM millrace_records WHERE first < 5000"), 4, 6);
        Assert.Equal(2, Number("SELECT count(*) FROM millrace_records WHERE first >= 5000"));
    }

    [Fact]
    public async Task TrimmingAndDeleting_FreeTheRows()
    {
        await using var backend = await OpenAsync();
        var partition = await backend.Streams!.OpenPartitionAsync(Where, Cancellation);
        for (var i = 0; i < 600; i++)
        {
            await AppendAsync(partition, $"{i}", $"{i}");
        }

        await partition.TrimAsync(1101, Cancellation);
        Assert.Equal(50, Number("SELECT count(*) FROM millrace_records"));
        await partition.AppendAsync(new AppendRequest(new StreamRecord[1]) { ProducerId = "p" }, Cancellation);
        await backend.Streams.DeletePartitionAsync(Where, Cancellation);
        Assert.Equal(0, Number("SELECT (SELECT count(*) FROM millrace_records) + (SELECT count(*) FROM millrace_partition) + (SELECT count(*) FROM millrace_producer)"));
        await Assert.ThrowsAsync<BackendUnavailableException>(() => TextsAsync(partition, 0));
    }

    [Fact]
    public async Task WhatACrashLeftOfADeletion_IsRemovedByTheNextOpening()
    {
        await using (var backend = await OpenAsync())
        {
            await using var partition = await backend.Streams!.OpenPartitionAsync(Where, Cancellation);
            await AppendAsync(partition, "a");
        }

        Execute("UPDATE millrace_partition SET name = '', number = id");
        await using var again = await OpenAsync();
        await UntilAsync("SELECT count(*) FROM millrace_records", 0);
        Assert.False(await again.Streams!.DeletePartitionAsync(Where, Cancellation));
    }

    [Fact]
    public async Task RecordsThatAreTooOld_GoWithinAMinute_WithoutAnAppend()
    {
        await using var backend = await OpenAsync();
        await using var partition = await backend.Streams!.OpenPartitionAsync(Where with { Retention = new StreamRetention { MaxAge = TimeSpan.FromSeconds(30) } }, Cancellation);
        await AppendAsync(partition, "a");
        for (var i = 0; i < 8; i++)
        {
            await _clock.AdvanceAsync(TimeSpan.FromSeconds(15), Cancellation);
        }

        await UntilAsync("SELECT count(*) FROM millrace_records", 0);
        Assert.Equal(1, (await partition.GetStatsAsync(Cancellation)).EarliestOffset);
    }

    [Fact]
    public async Task BeyondTheMostProducers_TheOneThatAppendedLongestAgoIsForgotten()
    {
        await using var backend = await OpenAsync("durability=none");
        await using var partition = await backend.Streams!.OpenPartitionAsync(Where, Cancellation);
        for (var i = 0; i <= ProducerTable.MaxProducers; i++)
        {
            await partition.AppendAsync(new AppendRequest(new StreamRecord[1]) { ProducerId = $"p{i}" }, Cancellation);
        }

        Assert.Equal(ProducerTable.MaxProducers, Number("SELECT count(*) FROM millrace_producer"));
        Assert.True((await partition.AppendAsync(new AppendRequest(new StreamRecord[1]) { ProducerId = "p1" }, Cancellation)).Duplicate);
        Assert.False((await partition.AppendAsync(new AppendRequest(new StreamRecord[1]) { ProducerId = "p0" }, Cancellation)).Duplicate);
    }

    [Theory]
    [InlineData("", 0u)]
    [InlineData("123456789", 0xE3069283u)]
    public void TheChecksum_IsCrc32C(string text, uint expected) => Assert.Equal(expected, Crc32C.Of(Encoding.ASCII.GetBytes(text)));

    private static ValueTask<AppendResult> AppendAsync(IStreamPartition partition, params string[] texts) => partition.AppendAsync(
        new AppendRequest(Array.ConvertAll(texts, text => new StreamRecord { Body = Encoding.UTF8.GetBytes(text) })), Cancellation);

    private static async Task<string[]> TextsAsync(IStreamPartition partition, long offset)
    {
        using var page = await partition.ReadAsync(offset, 1000, 1 << 20, Cancellation);
        return Array.ConvertAll(page.Records.ToArray(), record => Encoding.UTF8.GetString(record.Body.Span));
    }

    private async Task<Backend> OpenAsync(string options = "") =>
        await SqliteBackend.OpenAsync(BackendUrl.Parse(_folder.Url(options)), new BackendContext { TimeProvider = _clock.TimeProvider }, Cancellation);

    private async Task UntilAsync(string query, long expected)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (Number(query) != expected)
        {
            Assert.False(timeout.IsCancellationRequested, $"{query} gives {Number(query)}, not {expected}.");
            await _clock.AdvanceAsync(TimeSpan.FromSeconds(10), Cancellation);
        }
    }

    private void Execute(string sql)
    {
        using var connection = Connection.Open(_folder.File, create: false, busyTimeoutMs: 5000);
        connection.Execute(sql);
    }

    private long Number(string sql)
    {
        using var connection = Connection.Open(_folder.File, create: false, busyTimeoutMs: 5000);
        return connection.QueryNumber(sql) ?? 0;
    }
}
