using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Storage.FileLog.Disk;
using Xunit;
using static Millrace.Tests.Storage.FileLog.LogBench;

namespace Millrace.Tests.Storage.FileLog;

public sealed class FileLogFaultTests
{
    private readonly SimulatedFileSystem _files = new();

    [Fact]
    public async Task ShortWrites_AreGoneOnWith()
    {
        _files.WritesShort = true;
        await using var log = Open(_files);
        for (var i = 0; i < 50; i++)
        {
            await log.FlushAsync(Append(log, Numbered(i)));
        }

        Assert.Equal(Enumerable.Range(0, 50).Select(Numbered), ReadAll(log));
    }

    [Theory]
    [InlineData("flush")]
    [InlineData("write")]
    public async Task AFailedFlushOrWrite_FailsAllThatFollows_UntilReopened_AndIsNotTriedAgain(string operation)
    {
        var log = Open(_files);
        await log.FlushAsync(Append(log, "kept"));
        FailOnce(operation);
        var first = await Assert.ThrowsAsync<BackendUnavailableException>(() => log.FlushAsync(Append(log, "lost")).AsTask());
        Assert.True(first.MayHaveBeenApplied);
        Assert.True(log.HasFailed);
        var later = Assert.Throws<BackendUnavailableException>(() => log.Reserve(1, essential: true));
        Assert.Contains("opened again", later.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Folder, later.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<BackendUnavailableException>(() => log.SyncAsync(log.EndPosition).AsTask());
        Assert.Throws<BackendUnavailableException>(() => log.WriteThrough(log.EndPosition + 1));
        var kept = new byte[4];
        log.ReadAt(LogFormat.HeaderBytes + LogFormat.FrameBytes, kept);
        Assert.Equal("kept"u8, kept);
        await log.DisposeAsync();

        await using var again = Open(_files);
        Assert.Equal(["kept"], ReadAll(again));
        await again.FlushAsync(Append(again, "new"));
        Assert.Equal(["kept", "new"], ReadAll(again));
    }

    [Fact]
    public async Task AFailedFlush_FailsEveryWaiter()
    {
        using var threads = new FlushThreads(0);
        var log = Open(_files, Small(threads: threads));
        FailOnce("flush");
        var waits = Enumerable.Range(0, 10).Select(i => log.FlushAsync(Append(log, Numbered(i))).AsTask()).ToArray();
        threads.RunQueued();
        foreach (var wait in waits)
        {
            await Assert.ThrowsAsync<BackendUnavailableException>(() => wait);
        }
    }

    [Fact]
    public async Task AFullDisk_RefusesReservations_ChangesNothing_AndPasses()
    {
        await using var log = Open(_files);
        var count = 0;
        _files.Capacity = 3 * FileLogOptions.MinSegmentBytes;
        var full = Assert.Throws<BackendUnavailableException>(() => Fill(log, ref count));
        Assert.Contains("the disk is full", full.Message, StringComparison.Ordinal);
        Assert.False(full.MayHaveBeenApplied);
        Assert.False(log.HasFailed);
        await log.SyncAsync(log.EndPosition);
        Assert.Equal(count, ReadAll(log).Count);
        Append(log, "x");
        log.TrimBefore(log.Segments[^1].StartPosition);
        Append(log, new string('y', 300));
        await log.SyncAsync(log.EndPosition);
        Assert.Equal(new string('y', 300), ReadAll(log)[^1]);
    }

    [Fact]
    public async Task EssentialAppends_GoOnOnAFullDisk()
    {
        await using var log = Open(_files, Small() with { EssentialBytes = FileLogOptions.MinSegmentBytes });
        _files.Capacity = 3 * FileLogOptions.MinSegmentBytes;
        var count = 0;
        Assert.Throws<BackendUnavailableException>(() => Fill(log, ref count));
        Append(log, new string('e', 200), essential: true);
        Append(log, new string('e', 200), essential: true);
        await log.SyncAsync(log.EndPosition);
        Assert.Equal(new string('e', 200), ReadAll(log)[^1]);
    }

    [Fact]
    public async Task AReservationThatIsDisposed_GivesItsSpaceBack()
    {
        await using var log = Open(_files);
        _files.Capacity = FileLogOptions.MinSegmentBytes;
        for (var i = 0; i < 20; i++)
        {
            using var unused = log.Reserve(600, essential: false);
        }

        Append(log, new string('x', 600));
    }

    [Theory]
    [InlineData(StoreDurability.Full)]
    [InlineData(StoreDurability.Process)]
    public async Task AFolderRemovedWhileItIsOpen_IsAnError_NotAnAppendThatIsLost(StoreDurability durability)
    {
        using var folder = new TemporaryFolder();
        var log = Open(NativeFileSystem.Instance, new FileLogOptions { Durability = durability }, folder.Data);
        await log.FlushAsync(Append(log, "a"));
        Directory.Delete(folder.Data, recursive: true);
        var error = await Assert.ThrowsAsync<BackendUnavailableException>(() => log.FlushAsync(Append(log, "b")).AsTask());
        Assert.Contains("removed, moved or replaced", error.Message, StringComparison.Ordinal);
        await log.DisposeAsync();
    }

    [Fact]
    public async Task AFolderThatCannotBeWritten_IsAnError()
    {
        _files.Before = (operation, _) =>
        {
            if (operation is "create" or "rename" or "write")
            {
                throw new UnauthorizedAccessException("Read-only file system");
            }
        };
        await using var log = Open(_files);
        var error = Assert.Throws<BackendUnavailableException>(() => log.Reserve(1, essential: false));
        Assert.Contains("read-only", error.Message, StringComparison.Ordinal);
    }

    private static void Fill(Millrace.Storage.FileLog.FileLog log, ref int count)
    {
        while (count < int.MaxValue)
        {
            Append(log, new string('x', 200));
            count++;
        }
    }

    private void FailOnce(string operation)
    {
        var isDone = false;
        _files.Before = (name, _) =>
        {
            if (!isDone && name == operation)
            {
                isDone = true;
                throw new IOException("The disk failed.");
            }
        };
    }
}
