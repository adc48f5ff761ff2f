using System.Globalization;
using System.Text;
using Millrace.Client;
using Millrace.Diagnostics;
using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Storage.FileLog.Streams;
using Millrace.Streams;
using Xunit;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>What streams in files have beyond the laws: indexes that are rebuilt, faults of the disk, folders.</summary>
public sealed class FileStreamTests
{
    private const string Partition = "/data/streams/s/0";

    private static readonly FileBackendOptions Options = new()
    {
        Folder = "/data",
        Durability = "full",
        Log = new FileLogOptions { SegmentBytes = FileLogOptions.MinSegmentBytes },
    };

    private readonly SimulatedFileSystem _files = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static StreamPartitionContext Context => new() { Stream = "s", Partition = 0, PartitionCount = 1 };

    [Fact]
    public async Task IndexesThatAreMissingOrDamaged_AreRebuilt()
    {
        await FillAsync(100);
        var indexes = IndexFiles();
        Assert.True(indexes.Length > 5);
        _files.Delete(indexes[0]);
        _files.Content(indexes[1])[30] ^= 1;
        _files.Content(indexes[2]).AsSpan().Clear();
        _files.Delete(indexes[3]);
        _files.Create(indexes[3], 10).Dispose();
        await using (var backend = await OpenAsync())
        {
            Assert.Equal(Enumerable.Range(0, 100).Select(Text), await ReadAsync(await PartitionAsync(backend)));
        }

        Assert.Equal(indexes, IndexFiles());
        await using var again = await OpenAsync();
        var partition = await PartitionAsync(again);
        for (var i = 0; i < 100; i += 7)
        {
            using var page = await partition.ReadAsync(i, 1, 1, Cancellation);
            Assert.Equal(Text(i), Encoding.UTF8.GetString(page.Records.Span[0].Body.Span));
        }
    }

    [Fact]
    public async Task AnIndexOfAnotherSegment_IsNotTrusted()
    {
        await FillAsync(60);
        var indexes = IndexFiles();
        var other = (byte[])[.. _files.Content(indexes[1])];
        _files.Delete(indexes[0]);
        using (var file = _files.Create(indexes[0], other.Length))
        {
            file.Write(other, 0);
        }

        await using var backend = await OpenAsync();
        Assert.Equal(Enumerable.Range(0, 60).Select(Text), await ReadAsync(await PartitionAsync(backend)));
    }

    [Fact]
    public async Task DamageInAnOldSegment_IsToldWithFileAndByte_AndReadingCanGoOnBehindIt()
    {
        await FillAsync(100);
        var segment = Path.ChangeExtension(IndexFiles()[1], ".log");
        _files.Content(segment)[200] ^= 1;
        await using var backend = await OpenAsync();
        var partition = await PartitionAsync(backend);
        var read = new List<long>();
        var errors = 0;
        for (var offset = 0L; offset < 100;)
        {
            try
            {
                using var page = await partition.ReadAsync(offset, 10, 1 << 20, Cancellation);
                read.AddRange(page.Records.ToArray().Select(record => record.Offset));
                offset = page.NextOffset;
            }
            catch (StorageCorruptException error)
            {
                errors++;
                Assert.Contains(Path.GetFileName(segment), error.Message, StringComparison.Ordinal);
                Assert.Contains("at byte", error.Message, StringComparison.Ordinal);
                Assert.EndsWith($"Reading can go on at offset {error.ResumeOffset}.", error.Message, StringComparison.Ordinal);
                offset = error.ResumeOffset!.Value;
            }
        }

        Assert.Equal(1, errors);
        Assert.InRange(read.Count, 80, 99);
        Assert.Equal(99, read[^1]);
    }

    [Fact]
    public async Task AnAppendWhoseFlushFails_IsNeverVisible_AndThePartitionCanBeOpenedAgain()
    {
        await using var backend = await OpenAsync();
        var partition = await PartitionAsync(backend);
        await AppendAsync(partition, "kept");
        var waiting = partition.WaitForAsync(1, Cancellation).AsTask();
        _files.Before = (operation, _) =>
        {
            if (operation == "flush")
            {
                throw new IOException("The disk failed.");
            }
        };
        var error = await Assert.ThrowsAsync<BackendUnavailableException>(() => AppendAsync(partition, "lost"));
        Assert.True(error.MayHaveBeenApplied);
        Assert.Equal(["kept"], await ReadAsync(partition));
        await Assert.ThrowsAsync<BackendUnavailableException>(() => AppendAsync(partition, "refused"));
        Assert.False(waiting.IsCompleted);

        _files.Before = null;
        var again = await PartitionAsync(backend);
        Assert.Equal(["kept"], await ReadAsync(again));
        Assert.Equal(1, await AppendAsync(again, "new"));
        Assert.Equal(["kept", "new"], await ReadAsync(again));

        // Who had it open before goes on too.
        await waiting;
        Assert.Equal(2, await AppendAsync(partition, "newer"));
        Assert.Equal(["kept", "new", "newer"], await ReadAsync(partition));
    }

    [Fact]
    public async Task AfterAFault_ThePartitionIsOpenedAgain_ByWhoeverAppendsNext_AndGroupsOfItWork()
    {
        await using var backend = await OpenAsync();
        await using var mill = await ClientAsync(backend);
        await mill.Streams.CreateAsync("s", new StreamSettings(), Cancellation);
        await mill.Streams.SeekGroupAsync("s", "g", 0, 0, Cancellation);
        var partition = await mill.Streams.OpenPartitionAsync("s", 0, Cancellation);
        await AppendAsync(partition, "kept");
        _files.Before = (operation, path) => _ = operation == "flush" && path.Contains("streams", StringComparison.Ordinal) ? throw new IOException("The disk failed.") : 0;
        await Assert.ThrowsAsync<BackendUnavailableException>(() => AppendAsync(partition, "lost"));
        _files.Before = null;

        Assert.Equal(1, await AppendAsync(await PartitionAsync(backend), "by another"));
        Assert.Equal(2, Assert.Single(await mill.Streams.GetGroupAsync("s", "g", Cancellation)).Lag);
        await mill.Streams.SeekGroupAsync("s", "g", 0, 2, Cancellation);
        Assert.Equal(0, Assert.Single(await mill.Streams.GetGroupAsync("s", "g", Cancellation)).Lag);
        Assert.Equal(2, await AppendAsync(partition, "by the first"));
    }

    [Fact]
    public async Task ADeletedPartition_IsSaidToBeThat_ToWhoeverHasItOpen()
    {
        await using var backend = await OpenAsync();
        var partition = await PartitionAsync(backend);
        await AppendAsync(partition, "gone");
        Assert.True(await backend.Streams!.DeletePartitionAsync(Context, Cancellation));
        var error = await Assert.ThrowsAsync<BackendUnavailableException>(() => AppendAsync(partition, "lost"));
        Assert.Contains("was deleted", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OnAFullDisk_APartitionIsRead_AlsoWithoutItsIndexes()
    {
        await FillAsync(60);
        foreach (var index in IndexFiles())
        {
            _files.Delete(index);
        }

        _files.Capacity = _files.Used;
        await using var backend = await OpenAsync();
        Assert.Equal(60, (await ReadAsync(await PartitionAsync(backend))).Count);
    }

    [Fact]
    public async Task DamageThatWasFound_IsTold_ByHealth_AndCounted()
    {
        await FillAsync(100);
        var counted = StorageTelemetry.Damages;
        var last = _files.ListFiles(Partition).Select(file => file.Name).Where(name => name.EndsWith(".log", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Last();
        _files.Content(Path.Combine(Partition, last))[LogFormat.HeaderBytes + 30] ^= 1;
        _files.Content(Path.ChangeExtension(IndexFiles()[1], ".log"))[200] ^= 1;
        await using var backend = await OpenAsync();
        Assert.Null((await backend.Health.ProbeAsync(Cancellation)).Warning);
        var partition = await PartitionAsync(backend);
        var found = await backend.Health.ProbeAsync(Cancellation);
        Assert.True(found.IsHealthy);
        Assert.Contains(last, found.Warning, StringComparison.Ordinal);
        await Assert.ThrowsAsync<StorageCorruptException>(() => ReadAsync(partition));
        await Assert.ThrowsAsync<StorageCorruptException>(() => ReadAsync(partition));
        Assert.Contains("in 2 places", (await backend.Health.ProbeAsync(Cancellation)).Warning, StringComparison.Ordinal);
        Assert.True(StorageTelemetry.Damages >= counted + 2);
    }

    [Fact]
    public async Task AFullDisk_RefusesAppends_KeepsWhatIsThere_AndPasses()
    {
        await using var backend = await OpenAsync();
        var partition = await PartitionAsync(backend);
        await AppendAsync(partition, "first");
        _files.Capacity = 4000;
        var count = 1;
        var error = await Assert.ThrowsAsync<BackendUnavailableException>(async () =>
        {
            while (count < 1000)
            {
                await AppendAsync(partition, Text(count));
                count++;
            }
        });
        Assert.Contains("the disk is full", error.Message, StringComparison.Ordinal);
        Assert.Equal(count, (await ReadAsync(partition)).Count);
        _files.Capacity = 0;
        Assert.False((await backend.Health.ProbeAsync(Cancellation)).IsHealthy);
        _files.Capacity = long.MaxValue;
        Assert.Equal(count, await AppendAsync(partition, "again"));
        Assert.True((await backend.Health.ProbeAsync(Cancellation)).IsHealthy);
    }

    [Fact]
    public async Task Producers_AreRemembered_WhenTheirSegmentsAreGone()
    {
        await using (var backend = await OpenAsync())
        {
            var partition = await PartitionAsync(backend);
            await partition.AppendAsync(new AppendRequest(new[] { new StreamRecord { Body = new byte[10] } }) { ProducerId = "p", FirstSequence = 41 }, Cancellation);
            for (var i = 0; i < 100; i++)
            {
                await AppendAsync(partition, Text(i));
            }

            await partition.TrimAsync(90, Cancellation);
        }

        Assert.True(_files.ListFiles(Partition).Count(file => file.Name.EndsWith(".log", StringComparison.Ordinal)) < 5);
        await using var again = await OpenAsync();
        var result = await (await PartitionAsync(again)).AppendAsync(
            new AppendRequest(new[] { new StreamRecord { Body = new byte[10] } }) { ProducerId = "p", FirstSequence = 41 },
            Cancellation);
        Assert.Equal(new AppendResult(0, true), result);
    }

    [Fact]
    public async Task ThousandIdlePartitions_TakeNoSpace_AndNoThread()
    {
        await using var backend = await OpenAsync();
        var threads = System.Diagnostics.Process.GetCurrentProcess().Threads.Count;
        for (var i = 0; i < 1000; i++)
        {
            await backend.Streams!.OpenPartitionAsync(new StreamPartitionContext { Stream = "idle", Partition = i, PartitionCount = 1000 }, Cancellation);
        }

        Assert.InRange(System.Diagnostics.Process.GetCurrentProcess().Threads.Count, 0, threads + 50);
        Assert.Empty(_files.ListFiles("/data/streams/idle/7"));
    }

    [Fact]
    public async Task AFolder_IsForOneBackend_AndTheErrorNamesItsProcess()
    {
        using var folder = new TemporaryFolder();
        var registry = BackendRegistry.CreateDefault();
        await using (await registry.OpenAsync(folder.Url(), cancellationToken: Cancellation))
        {
            var error = await Assert.ThrowsAsync<BackendUnavailableException>(async () => await registry.OpenAsync(folder.Url(), cancellationToken: Cancellation));
            Assert.Contains($"process {Environment.ProcessId}", error.Message, StringComparison.Ordinal);
        }

        await using var again = await registry.OpenAsync(folder.Url("durability=interval&flushIntervalMs=20"), cancellationToken: Cancellation);
        var health = await again.Health.ProbeAsync(Cancellation);
        Assert.True(health.IsHealthy);
        Assert.Equal("interval", health.Details["durability"]);
        Assert.DoesNotContain(health.Details.Values, value => value.Contains(folder.Path, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("file:")]
    [InlineData("file://host/data")]
    [InlineData("file:./x?durability=maybe")]
    [InlineData("file:./x?flushIntervalMs=5")]
    [InlineData("file:./x?segmentBytes=10")]
    [InlineData("file:./x?colour=red")]
    public async Task ABadUrl_IsRefused(string url) =>
        await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await BackendRegistry.CreateDefault().OpenAsync(url, cancellationToken: Cancellation));

    [Fact]
    public async Task APathThatIsAFile_IsRefused()
    {
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder.Data, "", Cancellation);
        await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await BackendRegistry.CreateDefault().OpenAsync(folder.Url(), cancellationToken: Cancellation));
    }

    [Theory]
    [InlineData("orders", "orders")]
    [InlineData("Orders", "%4Frders")]
    [InlineData("a/b c", "a%2Fb%20c")]
    [InlineData("..", "%2E%2E")]
    [InlineData("con", "%63on")]
    [InlineData("a.b.", "a.b%2E")]
    public void Names_BecomeFolders(string stream, string folder) => Assert.Equal(folder, StreamNames.FolderOf(stream));

    /// <summary>A client of a backend, which it does not close.</summary>
    private static async Task<MillraceClient> ClientAsync(Backend backend)
    {
        var backends = new BackendRegistry();
        backends.Add("opened", (_, _) => Backend.Of("file", backend.Queues!, backend.Streams!, backend.State!));
        return await MillraceClient.OpenAsync("opened:", options => options.Backends = backends, Cancellation);
    }

    private ValueTask<FileBackend> OpenAsync() => FileBackend.OpenAsync(_files, Options, new BackendContext());

    private static string Text(int i) => i.ToString(CultureInfo.InvariantCulture) + new string('.', i % 50);

    private static async Task<IStreamPartition> PartitionAsync(Backend backend) => await backend.Streams!.OpenPartitionAsync(Context, Cancellation);

    private static async Task<long> AppendAsync(IStreamPartition partition, string text) =>
        (await partition.AppendAsync(new AppendRequest(new[] { new StreamRecord { Body = Encoding.UTF8.GetBytes(text) } }), Cancellation)).FirstOffset;

    private async Task FillAsync(int count)
    {
        await using var backend = await OpenAsync();
        var partition = await PartitionAsync(backend);
        for (var i = 0; i < count; i++)
        {
            Assert.Equal(i, await AppendAsync(partition, Text(i)));
        }
    }

    private string[] IndexFiles() =>
        [.. _files.ListFiles(Partition).Select(file => file.Name).Where(name => name.EndsWith(".index", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(name => Path.Combine(Partition, name))];

    private static async Task<List<string>> ReadAsync(IStreamPartition partition)
    {
        var texts = new List<string>();
        var stats = await partition.GetStatsAsync(Cancellation);
        for (var offset = stats.EarliestOffset; offset < stats.EndOffset;)
        {
            using var page = await partition.ReadAsync(offset, 13, 1 << 20, Cancellation);
            texts.AddRange(page.Records.ToArray().Select(record => Encoding.UTF8.GetString(record.Body.Span)));
            offset = page.NextOffset;
        }

        return texts;
    }
}
