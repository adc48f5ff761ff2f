using Millrace.Storage.FileLog;
using Millrace.Storage.FileLog.Disk;
using Xunit;
using static Millrace.Tests.Storage.FileLog.Simulation.SimulatedFolder;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>Queues on a disk that is full.</summary>
public sealed class FullDiskTests
{
    private readonly SimulatedFolder _folder = new();

    [Fact]
    public async Task AFullDisk_RefusesMessages_LetsConsumersWork_AndTakesMessagesWhenThereIsSpaceAgain()
    {
        await using (var backend = await _folder.OpenAsync())
        {
            var sent = await FillAsync(backend);
            Assert.Equal(sent, await DrainAsync(backend, "q"));

            _folder.Disk.Capacity = long.MaxValue;
            await SendAsync(backend, "q", "after");
        }

        await using var again = await _folder.OpenAsync();
        Assert.Equal(["after"], await DrainAsync(again, "q"));
    }

    [Fact]
    public async Task WhatConsumersHaveSettled_IsFreedOnAFullDisk()
    {
        await using var backend = await _folder.OpenAsync();
        for (var round = 0; round < 3; round++)
        {
            var sent = await FillAsync(backend, round == 0 ? 256 * 1024 : null);
            Assert.Equal(sent, await DrainAsync(backend, "q"));
            await RetryAsync(() => SendAsync(backend, "q", "after"));
            Assert.Equal(["after"], await DrainAsync(backend, "q"));
        }
    }

    [Fact]
    public async Task OnAFullDisk_AStoreOpens_AndWhatIsInItCanBeWorkedOff()
    {
        List<string> sent;
        await using (var backend = await _folder.OpenAsync())
        {
            sent = await FillAsync(backend);
        }

        // Not enough for the space that consumers fall back on, but for what they need.
        _folder.Disk.Capacity = _folder.Disk.Used + (32 * 1024);
        await using (var backend = await _folder.OpenAsync())
        {
            Assert.Equal(sent, await DrainAsync(backend, "q"));
        }

        _folder.Disk.Capacity = long.MaxValue;
        await using var again = await _folder.OpenAsync();
        Assert.Empty(await DrainAsync(again, "q"));
    }

    [Fact]
    public async Task ACheckpointThatFindsNoSpace_CostsNothingButSpace()
    {
        var refused = 0;
        _folder.Disk.Before = (operation, path) =>
        {
            if (operation == "create" && path.Contains("checkpoints", StringComparison.Ordinal))
            {
                refused++;
                throw FileFaults.DiskFull(path);
            }
        };
        var sent = new List<string>();
        await using (var backend = await _folder.OpenAsync())
        {
            for (var i = 0; i < 200; i++)
            {
                sent.Add($"message {i} {new string('.', 100)}");
                await SendAsync(backend, "q", sent[^1]);
            }
        }

        Assert.NotEqual(0, refused);
        _folder.Disk.Before = null;
        await using var again = await _folder.OpenAsync();
        Assert.Equal(sent, await DrainAsync(again, "q"));
    }

    /// <summary>Sends until the disk is full.</summary>
    private async Task<List<string>> FillAsync(FileBackend backend, int? room = 16 * 1024)
    {
        if (room is not null)
        {
            _folder.Disk.Capacity = _folder.Disk.Used + room.Value;
        }

        var sent = new List<string>();
        while (true)
        {
            var text = $"message {sent.Count} {new string('.', 200)}";
            try
            {
                await SendAsync(backend, "q", text);
                sent.Add(text);
                TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            }
            catch (BackendUnavailableException fault)
            {
                Assert.Contains("the disk is full", fault.Message, StringComparison.Ordinal);
                Assert.False(fault.MayHaveBeenApplied);
                return sent;
            }
        }
    }

    /// <summary>Again and again, because space is freed in the background.</summary>
    private static async Task RetryAsync(Func<Task> send)
    {
        while (true)
        {
            try
            {
                await send();
                return;
            }
            catch (BackendUnavailableException)
            {
                TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
                await Task.Yield();
            }
        }
    }
}
