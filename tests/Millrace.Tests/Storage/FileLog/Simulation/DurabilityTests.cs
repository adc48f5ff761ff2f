using Millrace.Storage;
using Millrace.Testing;
using Xunit;
using static Millrace.Tests.Storage.FileLog.Simulation.SimulatedFolder;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>What may be said to whom before the disk has it; and what a disk that fails, a folder that is gone or a clock that goes back mean to queues, documents and locks.</summary>
public sealed class DurabilityTests : IDisposable
{
    private readonly SimulatedFolder _folder = new();
    private readonly ManualResetEventSlim _flushes = new(initialState: true);
    private readonly TaskCompletionSource _flushBegins = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _flushes.Dispose();

    [Fact]
    public async Task ARepeatedId_IsNotAcknowledged_BeforeTheMessageItRepeatsIsDurable()
    {
        await using var backend = await OpenWithFlushesAsync();
        var first = SendAsync(backend, "q", "text", "id");
        await _flushBegins.Task;
        var second = SendAsync(backend, "q", "text", "id");
        Assert.False(first.IsCompleted || second.IsCompleted);
        _flushes.Set();
        await first;
        await second;
        Assert.Equal(["text"], await DrainAsync(backend, "q"));
    }

    [Fact]
    public async Task AVersionThatWasSeen_AndLostInAPowerCut_IsNotGivenAgain()
    {
        var power = new PoweredDisk(_folder.Disk);
        var backend = await OpenWithFlushesAsync(power);
        _flushes.Set();
        await backend.State!.PutAsync("key", new byte[1], null, Cancellation);
        _flushes.Reset();
        var put = backend.State.PutAsync("key", new byte[2], null, Cancellation).AsTask();
        var seen = (await backend.State.GetAsync("key", Cancellation))!.Version;
        power.Cut();
        _flushes.Set();
        await backend.AbandonAsync();
        await Assert.ThrowsAsync<BackendUnavailableException>(() => put);
        _folder.Disk.Before = null;
        _folder.Disk.Crash();

        await using var again = await _folder.OpenAsync();
        var result = await again.State!.PutAsync("key", new byte[3], null, Cancellation);
        Assert.True(result.Version > seen, $"{result.Version} after {seen}");
    }

    [Fact]
    public async Task AnIdThatWasSettledWithoutAWindow_IsNotKnownAfterARestart_AlsoIfThereIsOneNow()
    {
        var backend = await _folder.OpenAsync();
        await backend.Require<IQueueAdmin>().CreateQueueAsync("q", new QueueSettings { DedupWindow = TimeSpan.Zero }, Cancellation);
        await SendAsync(backend, "q", "first", "id");
        Assert.Equal(["first"], await DrainAsync(backend, "q"));
        await backend.Require<IQueueAdmin>().UpdateSettingsAsync("q", QueueSettings.Default, Cancellation);
        await backend.AbandonAsync();

        await using var again = await _folder.OpenAsync();
        await SendAsync(again, "q", "second", "id");
        Assert.Equal(["second"], await DrainAsync(again, "q"));
    }

    [Fact]
    public async Task AFailedFlush_EndsTheStore_WhichSaysSo_AndHasEverythingAcknowledgedWhenItIsOpenedAgain()
    {
        var backend = await _folder.OpenAsync();
        await SendAsync(backend, "q", "kept");
        await using var receiver = await backend.Queues!.OpenReceiverAsync("idle", new ReceiverOptions(), Cancellation);
        var waiting = receiver.LeaseAsync(new Delivery[1], Timeout.InfiniteTimeSpan, Cancellation).AsTask();
        _folder.Disk.Before = (operation, path) => _ = operation == "flush" && path.Contains("journal", StringComparison.Ordinal) ? throw new IOException("broken") : 0;
        var fault = await Assert.ThrowsAsync<BackendUnavailableException>(() => SendAsync(backend, "q", "not acknowledged"));
        Assert.True(fault.MayHaveBeenApplied);
        fault = await Assert.ThrowsAsync<BackendUnavailableException>(() => SendAsync(backend, "q", "later"));
        Assert.Contains("opened again", fault.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<BackendUnavailableException>(() => waiting);
        _folder.Disk.Before = null;
        var health = await backend.ProbeAsync(Cancellation);
        Assert.False(health.IsHealthy);
        Assert.Contains("flush failed", health.Error, StringComparison.Ordinal);
        await backend.DisposeAsync();

        await using var again = await _folder.OpenAsync();
        Assert.Equal(["kept"], await DrainAsync(again, "q"));
    }

    [Fact]
    public async Task AClockThatWasSetBack_LetsDelaysAndTokensGoOn()
    {
        long token;
        await using (var backend = await _folder.OpenAsync())
        {
            await SendAsync(backend, "q", "delayed", delay: TimeSpan.FromMinutes(1));
            await SendAsync(backend, "q", "mortal", life: TimeSpan.FromMinutes(1));
            await SendAsync(backend, "q", "known", "id");
            Assert.Equal(["mortal", "known"], await DrainAsync(backend, "q"));
            token = (await backend.Locks!.TryAcquireAsync("lock", "owner", TimeSpan.FromMinutes(1), Cancellation))!.FencingToken;
        }

        _folder.Clock = new ManualTimeProvider(_folder.Clock.GetUtcNow().AddDays(-1));
        await using var again = await _folder.OpenAsync();
        await SendAsync(again, "q", "repeat", "id");
        Assert.Empty(await DrainAsync(again, "q"));
        Assert.True((await again.Locks!.TryAcquireAsync("lock", "other", TimeSpan.FromMinutes(1), Cancellation))!.FencingToken > token);

        // What was settled later than now counts from now, and what is due by the clock is due when it has come there again.
        _folder.Clock.Advance(TimeSpan.FromMinutes(11));
        await SendAsync(again, "q", "new", "id");
        Assert.Equal(["new"], await DrainAsync(again, "q"));
        _folder.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal(["delayed"], await DrainAsync(again, "q"));
    }

    [Fact]
    public async Task TokensRise_AlsoWhereAPowerCutLosesGrants_AndTheClockStandsStill()
    {
        var last = 0L;
        for (var round = 0; round < 5; round++)
        {
            var power = new PoweredDisk(_folder.Disk);
            var backend = await _folder.OpenAsync(power);
            for (var i = 0; i < 3; i++)
            {
                var grant = await backend.Locks!.TryAcquireAsync($"lock{i}", "owner", TimeSpan.FromMinutes(1), Cancellation);
                Assert.True(grant!.FencingToken > last);
                last = grant.FencingToken;
            }

            power.Cut();
            await backend.AbandonAsync();
            _folder.Disk.Crash();
        }
    }

    [Fact]
    public async Task ADeletedQueue_WhoseMessagesAreReturnedLater_TakesNothingOfOthersWithIt()
    {
        await using var backend = await _folder.OpenAsync();
        await SendAsync(backend, "kept", "kept");
        for (var i = 0; i < 3; i++)
        {
            await SendAsync(backend, "gone", $"mortal {i} {new string('.', 300)}", life: TimeSpan.FromMinutes(1));
        }

        await using (var receiver = await backend.Queues!.OpenReceiverAsync("gone", new ReceiverOptions { LeaseDuration = TimeSpan.FromHours(1) }, Cancellation))
        {
            Assert.Equal(3, await receiver.LeaseAsync(new Delivery[3], TimeSpan.Zero, Cancellation));
            await backend.Require<IQueueAdmin>().DeleteQueueAsync("gone", Cancellation);
            _folder.Clock.Advance(TimeSpan.FromMinutes(2));
        }

        var first = _folder.Segments()[0];
        for (var i = 0; i < 100 && _folder.Disk.FileExists(first); i++)
        {
            await SendAsync(backend, "q", new string('.', 1000));
            await DrainAsync(backend, "q");
        }

        await backend.DisposeAsync();
        await using var again = await _folder.OpenAsync();
        Assert.Equal(["kept"], await DrainAsync(again, "kept"));
    }

    [Fact]
    public async Task AReadOnlyFolder_IsAClearError()
    {
        _folder.Disk.Before = (operation, path) => _ = operation == "create" ? throw new UnauthorizedAccessException(path) : 0;
        var fault = await Assert.ThrowsAsync<BackendUnavailableException>(() => _folder.OpenAsync());
        Assert.Contains("read-only", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnotherOwnerOfTheFolder_IsNamed()
    {
        await using var backend = await _folder.OpenAsync();
        var fault = await Assert.ThrowsAsync<BackendUnavailableException>(() => _folder.OpenAsync());
        Assert.Contains($"process {Environment.ProcessId}", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFolderThatIsRemovedWhileItIsInUse_IsNoticedBeforeAnythingIsAcknowledged()
    {
        using var folder = new TemporaryFolder();
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(folder.Url(), cancellationToken: Cancellation);
        await SendAsync(backend, "q", "text");
        Directory.Delete(folder.Data, recursive: true);
        var fault = await Assert.ThrowsAsync<BackendUnavailableException>(() => SendAsync(backend, "q", "lost"));
        Assert.Contains("removed, moved or replaced", fault.Message, StringComparison.Ordinal);
    }

    /// <summary>Opens the folder; from then on flushes of the journal wait until they are let go.</summary>
    private async Task<Millrace.Storage.FileLog.FileBackend> OpenWithFlushesAsync(PoweredDisk? power = null)
    {
        var backend = await _folder.OpenAsync(power);
        await backend.Require<IQueueAdmin>().CreateQueueAsync("q", QueueSettings.Default, Cancellation);
        _flushes.Reset();
        _folder.Disk.Before = (operation, path) =>
        {
            if (operation == "flush" && path.Contains("journal", StringComparison.Ordinal))
            {
                _flushBegins.TrySetResult();
                _flushes.Wait(CancellationToken.None);
            }
        };
        return backend;
    }
}
