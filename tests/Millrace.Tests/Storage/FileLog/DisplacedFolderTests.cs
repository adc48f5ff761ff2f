using System.Text;
using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Testing;
using Millrace.Tests.Storage.FileLog.Simulation;
using Xunit;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>Somebody removes, moves or replaces folders that are in use. Nothing is acknowledged that is then gone, no offset is given twice, and what another process makes there stays as it is.</summary>
public sealed class DisplacedFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ManualTimeProvider _clock = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Stream => Path.Combine(_folder.Data, "streams", "s");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("full")]
    [InlineData("process")]
    public async Task TheWholeFolder_Removed_MakesAllFail_AndIsNotMadeAnew(string durability)
    {
        var backend = await OpenAsync(durability);
        var partition = await PartitionAsync(backend);
        await AppendAsync(partition, "0");
        await AppendAsync(partition, "1");
        Directory.Delete(_folder.Data, recursive: true);
        for (var i = 0; i < 3; i++)
        {
            await Assert.ThrowsAsync<BackendUnavailableException>(() => AppendAsync(partition, "lost"));
            await Assert.ThrowsAsync<BackendUnavailableException>(() => PartitionAsync(backend));
            await Assert.ThrowsAsync<BackendUnavailableException>(() => SimulatedFolder.SendAsync(backend, "q", "lost"));
        }

        await AssertFailedAsync(backend, "removed, moved or replaced");
        Assert.False(Directory.Exists(_folder.Data));
        await backend.DisposeAsync();
        Assert.False(Directory.Exists(_folder.Data));
    }

    [Fact]
    public async Task AFolderThatAnotherOneHasMadeThere_IsLeftAlone()
    {
        var backend = await OpenAsync();
        var partition = await PartitionAsync(backend);
        await AppendAsync(partition, "0");
        Directory.Delete(_folder.Data, recursive: true);
        await using (var other = await OpenAsync())
        {
            var others = await PartitionAsync(other);
            Assert.Equal(0, await AppendAsync(others, "others"));
            await Assert.ThrowsAsync<BackendUnavailableException>(() => AppendAsync(partition, "lost"));
            await Assert.ThrowsAsync<BackendUnavailableException>(() => AppendAsync(partition, "lost"));
            await Assert.ThrowsAsync<BackendUnavailableException>(() => SimulatedFolder.SendAsync(backend, "q", "lost"));
            await AssertFailedAsync(backend, "removed, moved or replaced");
            await backend.DisposeAsync();
            Assert.Equal(1, await AppendAsync(others, "others"));
            await SimulatedFolder.SendAsync(other, "q", "others");
        }

        await using var again = await OpenAsync();
        Assert.Equal(2, (await (await PartitionAsync(again)).GetStatsAsync(Cancellation)).EndOffset);
        Assert.Equal(["others"], await SimulatedFolder.DrainAsync(again, "q"));
    }

    [Fact]
    public async Task AStreamThatWasMovedAway_FailsUntilItIsBack()
    {
        await using var backend = await OpenAsync();
        var partition = await PartitionAsync(backend);
        await AppendAsync(partition, "0");
        var elsewhere = Path.Combine(_folder.Path, "elsewhere");
        Directory.Move(Stream, elsewhere);
        for (var i = 0; i < 3; i++)
        {
            await Assert.ThrowsAsync<BackendUnavailableException>(() => AppendAsync(partition, "lost"));
            await Assert.ThrowsAsync<BackendUnavailableException>(() => PartitionAsync(backend));
        }

        var second = new StreamPartitionContext { Stream = "s", Partition = 1, PartitionCount = 2 };
        await Assert.ThrowsAsync<BackendUnavailableException>(() => backend.Streams!.OpenPartitionAsync(second, Cancellation).AsTask());
        Assert.False(Directory.Exists(Stream));
        await AssertFailedAsync(backend, "stream 's'");

        // Others are not touched by it.
        await SimulatedFolder.SendAsync(backend, "q", "sent");

        Directory.Move(elsewhere, Stream);
        Assert.Equal(1, await AppendAsync(partition, "1"));
        Assert.Null(backend.Health.FindPermanentFailure());
        Assert.True((await backend.Health.ProbeAsync(Cancellation)).IsHealthy);
    }

    [Fact]
    public async Task AStreamThatWasRemoved_CanBeDeletedAndMadeAgain()
    {
        await using var backend = await OpenAsync();
        var partition = await PartitionAsync(backend);
        await AppendAsync(partition, "0");
        Directory.Delete(Stream, recursive: true);
        await Assert.ThrowsAsync<BackendUnavailableException>(() => AppendAsync(partition, "lost"));
        Assert.True(await backend.Streams!.DeletePartitionAsync(Context(0), Cancellation));
        Assert.False(await backend.Streams!.DeletePartitionAsync(Context(1), Cancellation));
        await Assert.ThrowsAsync<BackendUnavailableException>(() => AppendAsync(partition, "deleted"));
        Assert.Equal(0, await AppendAsync(await PartitionAsync(backend), "new"));
        Assert.Null(backend.Health.FindPermanentFailure());
    }

    [Fact]
    public async Task ALockThatWasRemoved_EndsTheStore_WithinAMinute()
    {
        await using var backend = await OpenAsync();
        var partition = await PartitionAsync(backend);
        await AppendAsync(partition, "0");
        File.Delete(Path.Combine(_folder.Data, "lock"));
        _clock.Advance(TimeSpan.FromMinutes(1));
        await Assert.ThrowsAsync<BackendUnavailableException>(() => AppendAsync(partition, "lost"));
        await Assert.ThrowsAsync<BackendUnavailableException>(() => SimulatedFolder.SendAsync(backend, "q", "lost"));
        await AssertFailedAsync(backend, "'lock'");
    }

    private static StreamPartitionContext Context(int partition) => new() { Stream = "s", Partition = partition, PartitionCount = 2 };

    private static async Task AssertFailedAsync(Backend backend, string words)
    {
        Assert.Contains(words, backend.Health.FindPermanentFailure(), StringComparison.Ordinal);
        var report = await backend.Health.ProbeAsync(Cancellation);
        Assert.False(report.IsHealthy);
        Assert.Contains(words, report.Error, StringComparison.Ordinal);
    }

    private static async Task<IStreamPartition> PartitionAsync(Backend backend) => await backend.Streams!.OpenPartitionAsync(Context(0), Cancellation);

    private static async Task<long> AppendAsync(IStreamPartition partition, string text) =>
        (await partition.AppendAsync(new AppendRequest(new[] { new StreamRecord { Body = Encoding.UTF8.GetBytes(text) } }), Cancellation)).FirstOffset;

    private async Task<Backend> OpenAsync(string durability = "full") =>
        await FileBackend.OpenAsync(BackendUrl.Parse(_folder.Url($"durability={durability}&segmentBytes=65536")), new BackendContext { TimeProvider = _clock }, Cancellation);
}
