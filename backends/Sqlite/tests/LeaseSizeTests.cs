using Millrace.Storage;
using Xunit;

namespace Millrace.Sqlite.Tests;

/// <summary>How much one lease call reads into memory.</summary>
public sealed class LeaseSizeTests : IAsyncLifetime
{
    private const int MiB = 1024 * 1024;

    private readonly TemporaryFolder _folder = new();
    private Backend _backend = null!;

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() =>
        _backend = await SqliteBackend.OpenAsync(BackendUrl.Parse(_folder.Url("durability=none")), new BackendContext(), Ending);

    public async ValueTask DisposeAsync()
    {
        await _backend.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ALeaseCall_StopsOnceItsBodiesPass8MiB_AndTheRestComesInOrder(bool settleOnLease)
    {
        int[] sizes = [3 * MiB, 3 * MiB, 3 * MiB, 1, 20 * MiB, 5 * MiB, 3 * MiB, 2];
        foreach (var size in sizes)
        {
            await _backend.Queues!.EnqueueAsync("q", new Envelope[] { new(new byte[size]) }, default, Ending);
        }

        await using var receiver = await _backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions { SettleOnLease = settleOnLease }, Ending);
        var calls = new List<int[]>();
        var into = new Delivery[100];
        while (await receiver.LeaseAsync(into, TimeSpan.Zero, Ending) is var count and > 0)
        {
            calls.Add(Array.ConvertAll(into[..count], delivery => delivery.Message.Body.Length));
            if (!settleOnLease)
            {
                await _backend.Queues.SettleAsync("q", Array.ConvertAll(into[..count], delivery => Settlement.Complete(delivery.Token)), default, Ending);
            }
        }

        Assert.Equal([[3 * MiB, 3 * MiB, 3 * MiB], [1, 20 * MiB], [5 * MiB, 3 * MiB], [2]], calls);
        var stats = await _backend.Require<IQueueAdmin>().GetStatsAsync("q", Ending);
        Assert.Equal((0, 0), (stats.Ready, stats.Leased));
    }

    [Fact]
    public async Task AWaitingReceiver_GetsTheRestOfALargeBacklogAtOnce()
    {
        await using var receiver = await _backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Ending);
        var into = new Delivery[100];
        var waiting = receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan, Ending).AsTask();
        await _backend.Queues.EnqueueAsync("q", new Envelope[] { new(new byte[9 * MiB]), new(new byte[9 * MiB]) }, default, Ending);

        Assert.Equal(1, await waiting);
        Assert.Equal(1, await receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan, Ending));
    }
}
