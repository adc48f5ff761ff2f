using System.Text;
using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Storage.FileLog.Disk;
using Millrace.Tests.Storage.FileLog.Simulation;
using Xunit;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>What real file systems answer, which a simulated one can only repeat: no space, no writing, no such folder.</summary>
public sealed class RealDiskTests
{
    private static readonly StreamPartitionContext Context = new() { Stream = "s", Partition = 0, PartitionCount = 1 };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AFullDisk_IsRecognised_AndAStoreOpensOnIt_AndIsWorkedOff()
    {
        using var disk = SmallDisk.Mount(8);
        var url = disk.Url("segmentBytes=65536");
        var sent = new List<string>();
        var stored = 0;
        await using (var backend = await OpenAsync(url))
        {
            var partition = await backend.Streams!.OpenPartitionAsync(Context, Cancellation);
            await AppendAsync(partition);
            await SimulatedFolder.SendAsync(backend, "q", "first");
            sent.Add("first");
            disk.Fill();
            var error = await Assert.ThrowsAsync<BackendUnavailableException>(async () =>
            {
                for (stored = 1; stored < 10_000; stored++)
                {
                    await AppendAsync(partition);
                }
            });
            Assert.Contains("the disk is full", error.Message, StringComparison.Ordinal);
            error = await Assert.ThrowsAsync<BackendUnavailableException>(async () =>
            {
                while (sent.Count < 10_000)
                {
                    await SimulatedFolder.SendAsync(backend, "q", $"{sent.Count} {new string('.', 500)}");
                    sent.Add($"{sent.Count} {new string('.', 500)}");
                }
            });
            Assert.Contains("the disk is full", error.Message, StringComparison.Ordinal);
            Assert.False((await backend.Health.ProbeAsync(Cancellation)).IsHealthy);
        }

        disk.Fill();
        await using (var backend = await OpenAsync(url))
        {
            Assert.Equal(sent, await SimulatedFolder.DrainAsync(backend, "q"));
            var partition = await backend.Streams!.OpenPartitionAsync(Context, Cancellation);
            Assert.Equal(stored, (await partition.GetStatsAsync(Cancellation)).EndOffset);
            disk.Free();
            await AppendAsync(partition);
            await SimulatedFolder.SendAsync(backend, "q", "after");
        }

        await using var again = await OpenAsync(url);
        Assert.Equal(["after"], await SimulatedFolder.DrainAsync(again, "q"));
    }

    [Fact]
    public async Task ADiskThatIsReadOnly_IsCalledThat_NotHeldByAnotherProcess()
    {
        using var disk = SmallDisk.Mount(8);
        await (await OpenAsync(disk.Url("segmentBytes=65536"))).DisposeAsync();
        disk.MakeReadOnly();
        foreach (var url in new[] { disk.Url(), $"file:{disk.Data}-new" })
        {
            var error = await Assert.ThrowsAsync<BackendUnavailableException>(() => OpenAsync(url));
            Assert.Contains("the file system is read-only", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("in use", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void MoreThanADiskHas_IsAFullDisk_AndLeavesNoFile()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "too-large");
        var fault = Assert.ThrowsAny<IOException>(() => NativeFileSystem.Instance.Create(path, 1L << 60));
        Assert.True(FileFaults.IsDiskFull(fault), $"{fault.HResult:x}: {fault.Message}");
        Assert.Contains("the disk is full", FileFaults.Describe("x", fault).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void AFileThatIsHeld_IsToldFromOneThatCannotBeWritten()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "lock");
        using (NativeFileSystem.Instance.TryLock(path))
        {
            Assert.Null(NativeFileSystem.Instance.TryLock(path));
        }

        Assert.False(FileFaults.IsHeld(new IOException("Read-only file system", 30)));
        Assert.Contains("the file system is read-only", FileFaults.Describe("x", new IOException("Read-only file system", 30)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FilesAreToldApart_AlsoWhenTheyHaveOneName_OrAnother()
    {
        using var folder = new TemporaryFolder();
        var (first, second) = (Path.Combine(folder.Path, "first"), Path.Combine(folder.Path, "second"));
        File.WriteAllText(first, "");
        File.WriteAllText(second, "");
        var files = NativeFileSystem.Instance;
        var identity = files.IdentityOf(first);
        Assert.NotNull(identity);
        Assert.Equal(identity, files.IdentityOf(first));
        Assert.Null(files.IdentityOf(first + "-not"));
        File.Move(first, first + "-moved");
        Assert.Equal(identity, files.IdentityOf(first + "-moved"));
        File.Move(second, first);
        if (OperatingSystem.IsLinux())
        {
            Assert.NotEqual(identity, files.IdentityOf(first));
        }
    }

    [Fact]
    public async Task AFolderWhereNoneCanBeMade_IsSaidToBeThat()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Skip("There is /proc on Linux only.");
        }

        var error = await Assert.ThrowsAsync<BackendUnavailableException>(() => OpenAsync("file:/proc/nope"));
        Assert.Contains("nothing can be made where it would be", error.Message, StringComparison.Ordinal);
    }

    private static async Task<Backend> OpenAsync(string url) => await FileBackend.OpenAsync(BackendUrl.Parse(url), new BackendContext(), Cancellation);

    private static async Task AppendAsync(IStreamPartition partition) =>
        await partition.AppendAsync(new AppendRequest(new[] { new StreamRecord { Body = Encoding.UTF8.GetBytes(new string('.', 500)) } }), Cancellation);
}
