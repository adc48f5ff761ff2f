using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Testing;
using Xunit;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>How exactly a partition keeps to its bounds, with segments of the usual size.</summary>
public sealed class FileRetentionTests
{
    private const string Partition = "/data/streams/s/0";
    private static readonly TimeSpan Age = TimeSpan.FromSeconds(10);

    private static readonly FileBackendOptions Options = new() { Folder = "/data", Durability = "process", Log = new FileLogOptions { SegmentBytes = 1024 * 1024, Durability = StoreDurability.Process } };

    private readonly SimulatedFileSystem _files = new();
    private readonly ManualTimeProvider _clock = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ByCount_ExactlySoManyRecordsCanBeRead()
    {
        var backend = await OpenAsync();
        var partition = await OpenAsync(backend, new StreamRetention { MaxRecords = 100 });
        for (var i = 0; i < 3000; i++)
        {
            await AppendAsync(partition);
            var stats = await partition.GetStatsAsync(Cancellation);
            Assert.Equal(Math.Max(0, i + 1 - 100), stats.EarliestOffset);
        }

        await Assert.ThrowsAsync<OffsetOutOfRangeException>(() => partition.ReadAsync(2899, 1, 1, Cancellation).AsTask());
        using (var page = await partition.ReadAsync(2900, 1000, 1 << 20, Cancellation))
        {
            Assert.Equal(100, page.Records.Length);
        }

        // What is kept in files, when those that are not needed are deleted: as much, and a part or two of 64 KiB.
        await backend.DisposeAsync();
        Assert.InRange(_files.ListFiles(Partition).Where(file => file.Name.EndsWith(".log", StringComparison.Ordinal)).Sum(file => file.Length), 1, 8 * 64 * 1024);
    }

    [Fact]
    public async Task ByCount_ItIsTheSame_WhenManyAppendAtOnce_AndAfterAStart()
    {
        await using (var backend = await OpenAsync())
        {
            var partition = await OpenAsync(backend, new StreamRetention { MaxRecords = 1000 });
            await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
            {
                for (var i = 0; i < 500; i++)
                {
                    await AppendAsync(partition);
                }
            })));
            Assert.Equal(new StreamPartitionStats(3000, 4000, 0), (await partition.GetStatsAsync(Cancellation)) with { Bytes = 0 });
        }

        await using var again = await OpenAsync();
        var reopened = await OpenAsync(again, new StreamRetention { MaxRecords = 1000 });
        Assert.Equal(new StreamPartitionStats(3000, 4000, 0), (await reopened.GetStatsAsync(Cancellation)) with { Bytes = 0 });
    }

    [Fact]
    public async Task ByAge_RecordsGo_AlsoWhenNothingIsAppended()
    {
        await using var backend = await OpenAsync();
        var partition = await OpenAsync(backend, new StreamRetention { MaxAge = Age });
        for (var i = 0; i < 3; i++)
        {
            await AppendAsync(partition);
        }

        _clock.Advance(Age);
        Assert.Equal(0, (await partition.GetStatsAsync(Cancellation)).EarliestOffset);
        _clock.Advance(TimeSpan.FromTicks(1));
        Assert.Equal(new StreamPartitionStats(3, 3, 0), await partition.GetStatsAsync(Cancellation));
        await Assert.ThrowsAsync<OffsetOutOfRangeException>(() => partition.ReadAsync(0, 1, 1, Cancellation).AsTask());
        Assert.Equal(3, await partition.FindOffsetAsync(DateTimeOffset.UnixEpoch, Cancellation));
        Assert.Equal(3, await AppendAsync(partition));
    }

    [Fact]
    public async Task ByAge_NothingIsKeptLonger_ThanATenthMore()
    {
        var backend = await OpenAsync();
        var partition = await OpenAsync(backend, new StreamRetention { MaxAge = Age });
        var times = new List<DateTimeOffset>();
        for (var i = 0; i < 500; i++)
        {
            times.Add(_clock.GetUtcNow());
            await AppendAsync(partition);
            _clock.Advance(TimeSpan.FromMilliseconds(i % 50 == 49 ? 3000 : 100));
            var earliest = (await partition.GetStatsAsync(Cancellation)).EarliestOffset;
            Assert.True(earliest == times.Count || _clock.GetUtcNow() - times[(int)earliest] <= Age * 1.1, $"Record {earliest} is {_clock.GetUtcNow() - times[(int)earliest]} old.");
            Assert.True(earliest == 0 || _clock.GetUtcNow() - times[(int)earliest - 1] > Age, $"Record {earliest - 1} went too soon.");
        }

        // Files are deleted in the background; what is left to do, closing does.
        await backend.DisposeAsync();
        Assert.InRange(_files.ListFiles(Partition).Count(file => file.Name.EndsWith(".log", StringComparison.Ordinal)), 1, 15);
    }

    [Fact]
    public async Task ByAge_ARecordAfterALongPause_DoesNotKeepTheOnesBeforeIt()
    {
        await using var backend = await OpenAsync();
        var partition = await OpenAsync(backend, new StreamRetention { MaxAge = Age });
        await AppendAsync(partition);
        _clock.Advance(Age * 0.9);
        await AppendAsync(partition);
        _clock.Advance(Age * 0.2);
        Assert.Equal(1, (await partition.GetStatsAsync(Cancellation)).EarliestOffset);
    }

    [Fact]
    public async Task ByBytes_AtMostATenthMoreIsKept()
    {
        const long Bytes = 2 * 1024 * 1024;
        await using var backend = await OpenAsync();
        var partition = await OpenAsync(backend, new StreamRetention { MaxBytes = Bytes });
        for (var i = 0; i < 6000; i++)
        {
            await AppendAsync(partition, 1000);
            var stats = await partition.GetStatsAsync(Cancellation);
            Assert.True(stats.Bytes <= (Bytes * 1.1) + 2000, $"{stats.Bytes} bytes after {i} records.");
            Assert.True(stats.EarliestOffset == 0 || stats.Bytes >= Bytes, $"Only {stats.Bytes} bytes are left.");
        }
    }

    [Fact]
    public async Task OfAPartitionThatWasTrimmedToItsEnd_NoBytesAreTold()
    {
        await using var backend = await OpenAsync();
        var partition = await OpenAsync(backend, StreamRetention.Forever);
        for (var i = 0; i < 100; i++)
        {
            await AppendAsync(partition);
        }

        var full = (await partition.GetStatsAsync(Cancellation)).Bytes;
        await partition.TrimAsync(50, Cancellation);
        Assert.InRange((await partition.GetStatsAsync(Cancellation)).Bytes, full / 2, full);
        await partition.TrimAsync(100, Cancellation);
        Assert.Equal(0, (await partition.GetStatsAsync(Cancellation)).Bytes);
    }

    private ValueTask<FileBackend> OpenAsync() => FileBackend.OpenAsync(_files, Options, new BackendContext { TimeProvider = _clock });

    private static async Task<IStreamPartition> OpenAsync(Backend backend, StreamRetention retention) => await backend.Streams!.OpenPartitionAsync(
        new StreamPartitionContext { Stream = "s", Partition = 0, PartitionCount = 1, Retention = retention }, Cancellation);

    private static async Task<long> AppendAsync(IStreamPartition partition, int bytes = 100) =>
        (await partition.AppendAsync(new AppendRequest(new[] { new StreamRecord { Body = new byte[bytes] } }), Cancellation)).FirstOffset;
}
