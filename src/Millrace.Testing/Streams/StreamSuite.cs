using System.Globalization;
using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Streams;

/// <summary>The words in which the stream suite speaks: open, append, read, and what a partition holds.</summary>
/// <typeparam name="TFixture">The backend under test.</typeparam>
public abstract class StreamSuite<TFixture> : ConformanceSuite<TFixture>
    where TFixture : BackendFixture, new()
{
    /// <summary>How many partitions the streams of the tests have.</summary>
    protected const int Partitions = 3;

    private readonly List<IStreamPartition> _opened = [];

    /// <summary>A stream of this test alone.</summary>
    protected string Stream { get; } = "s-" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];

    /// <summary>The store under test.</summary>
    protected IStreamStore Store => Contract<IStreamStore>();

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        foreach (var partition in _opened)
        {
            await Soon(partition.DisposeAsync());
        }

        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>A second opening of the backend beside the first; the test is skipped where there is no such thing.</summary>
    protected async ValueTask<IStreamStore> ShareAsync()
    {
        if (!Store.Capabilities.SharedAcrossProcesses)
        {
            Skip(BackendFixture.Sharing, "is not shared across processes");
        }

        return (await OpenAnotherAsync()).Require<IStreamStore>();
    }

    /// <summary>What a partition of the test's stream is opened with.</summary>
    protected StreamPartitionContext At(int partition = 0, int count = Partitions, StreamRetention? retention = null, string? path = null) =>
        new() { Stream = Stream, Partition = partition, PartitionCount = count, Retention = retention ?? StreamRetention.Forever, Path = path };

    /// <summary>Opens partition 0 of the test's stream; disposed after the test.</summary>
    protected Task<IStreamPartition> OpenAsync(IStreamStore? store = null) => OpenAsync(At(), store);

    /// <summary>Opens a partition; disposed after the test.</summary>
    protected async Task<IStreamPartition> OpenAsync(StreamPartitionContext context, IStreamStore? store = null)
    {
        var partition = await Soon((store ?? Store).OpenPartitionAsync(context, Cancellation));
        _opened.Add(partition);
        return partition;
    }

    /// <summary>Closes or kills the backend and opens partition 0 again.</summary>
    protected async Task<IStreamPartition> RestartAsync(bool crash)
    {
        await (crash ? CrashAsync() : ReopenAsync());
        return await OpenAsync();
    }

    /// <summary>A record with a text for its body.</summary>
    protected static StreamRecord Make(string text, string? key = null, DateTimeOffset timestamp = default) =>
        new() { Body = Encoding.UTF8.GetBytes(text), Key = key is null ? default : Encoding.UTF8.GetBytes(key), Timestamp = timestamp };

    /// <summary>Appends records in one call and gives the offset of the first.</summary>
    protected static async Task<long> AppendAsync(IStreamPartition partition, params StreamRecord[] records)
    {
        ArgumentNullException.ThrowIfNull(partition);
        var result = await Soon(partition.AppendAsync(new AppendRequest(records), Cancellation));
        Assert.False(result.Duplicate, "An append without a producer cannot be a duplicate.");
        return result.FirstOffset;
    }

    /// <summary>Appends texts in one call and gives the offset of the first.</summary>
    protected static Task<long> AppendAsync(IStreamPartition partition, params string[] texts) =>
        AppendAsync(partition, Array.ConvertAll(texts, text => Make(text)));

    /// <summary>Appends texts as an idempotent producer.</summary>
    protected static Task<AppendResult> ProduceAsync(IStreamPartition partition, string producer, long firstSequence, params string[] texts)
    {
        ArgumentNullException.ThrowIfNull(partition);
        var request = new AppendRequest(Array.ConvertAll(texts, text => Make(text))) { ProducerId = producer, FirstSequence = firstSequence };
        return Soon(partition.AppendAsync(request, Cancellation));
    }

    /// <summary>Reads one page and asserts that it is one: dense offsets, bounds kept, ends stated.</summary>
    protected static async Task<StreamRecord[]> ReadAsync(IStreamPartition partition, long offset, int maxRecords = 1000, int maxBytes = 1 << 24)
    {
        ArgumentNullException.ThrowIfNull(partition);
        using var page = await Soon(partition.ReadAsync(offset, maxRecords, maxBytes, Cancellation));
        var records = page.Records.ToArray();
        Assert.InRange(records.Length, 0, maxRecords);
        var bytes = 0L;
        for (var i = 0; i < records.Length; i++)
        {
            Assert.Equal(offset + i, records[i].Offset);
            bytes += StreamRecordRules.SizeOf(in records[i]);
            Assert.True(i == 0 || bytes <= maxBytes, $"The page has {bytes} bytes in {i + 1} records, {maxBytes} were wanted.");
        }

        Assert.Equal(offset + records.Length, page.NextOffset);
        Assert.True(records.Length == 0 || page.EndOffset >= page.NextOffset, "A page cannot reach beyond the end.");
        return Array.ConvertAll(records, Copy);
    }

    /// <summary>Everything that can be read, page by page.</summary>
    protected static async Task<StreamRecord[]> ReadAllAsync(IStreamPartition partition)
    {
        var stats = await StatsAsync(partition);
        var records = new List<StreamRecord>();
        for (var offset = stats.EarliestOffset; offset < stats.EndOffset; offset = stats.EarliestOffset + records.Count)
        {
            var page = await ReadAsync(partition, offset);
            Assert.NotEmpty(page);
            records.AddRange(page);
        }

        return [.. records];
    }

    /// <summary>The bodies of everything that can be read, as texts.</summary>
    protected static async Task<string[]> TextsAsync(IStreamPartition partition) => Texts(await ReadAllAsync(partition));

    /// <summary>The bodies as texts.</summary>
    protected static string[] Texts(IEnumerable<StreamRecord> records) => [.. records.Select(record => Encoding.UTF8.GetString(record.Body.Span))];

    /// <summary>Where a partition begins and ends.</summary>
    protected static Task<StreamPartitionStats> StatsAsync(IStreamPartition partition)
    {
        ArgumentNullException.ThrowIfNull(partition);
        return Soon(partition.GetStatsAsync(Cancellation));
    }

    /// <summary>Where a partition begins.</summary>
    protected static async Task<long> EarliestAsync(IStreamPartition partition) => (await StatsAsync(partition)).EarliestOffset;

    /// <summary>Starts to wait until the end is beyond an offset.</summary>
    protected static Task WaitAsync(IStreamPartition partition, long offset, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(partition);
        return partition.WaitForAsync(offset, cancellationToken.CanBeCanceled ? cancellationToken : Cancellation).AsTask();
    }

    /// <summary>Asserts that two records are the same to the byte, but for the offset, and the timestamp when the store set it.</summary>
    protected static void AssertSame(StreamRecord expected, StreamRecord actual)
    {
        Assert.True(expected.Key.Span.SequenceEqual(actual.Key.Span), "The key has changed.");
        Assert.True(expected.Body.Span.SequenceEqual(actual.Body.Span), "The body has changed.");
        Assert.Equal((expected.Headers ?? MessageHeaders.Empty).ToArray(), (actual.Headers ?? MessageHeaders.Empty).ToArray());
        Assert.Equal(TimeSpan.Zero, actual.Timestamp.Offset);
        if (expected.Timestamp != default)
        {
            Assert.Equal(expected.Timestamp.UtcTicks, actual.Timestamp.UtcTicks);
        }
    }

    private static StreamRecord Copy(StreamRecord record) => record with { Key = record.Key.ToArray(), Body = record.Body.ToArray() };
}
