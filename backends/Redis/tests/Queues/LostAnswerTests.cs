using System.Globalization;
using System.Text;
using Millrace.Redis.Tests.Proxies;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Queues;

/// <summary>Lease calls whose answers are lost on the way: what they have taken is leased again at once, as if it had not been.</summary>
public sealed class LostAnswerTests
{
    private readonly string _prefix = "l" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("q", false)]
    [InlineData("q", true)]
    [InlineData("q!dead", false)]
    public async Task Lease_WhoseAnswerIsLost_IsMadeAgain(string queue, bool hasKeys)
    {
        await using var near = await OpenAsync((await RedisFixture.Server).EndPoint, "");
        await using var proxy = new MutingProxy((await RedisFixture.Server).Port);
        await using var far = await OpenAsync(proxy.EndPoint, "");
        await WarmUpAsync(near, far, queue, hasKeys);
        await SendAsync(near, hasKeys);
        if (queue != "q")
        {
            await BuryAllAsync(near);
        }

        await using var receiver = await far.Queues!.OpenReceiverAsync(queue, new ReceiverOptions { LeaseDuration = TimeSpan.FromMinutes(10) }, Cancellation);
        proxy.Mute();
        var into = new Delivery[3];
        var leasing = receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation).AsTask();
        await Eventually.HoldsAsync(async () => (await StatsAsync(near, queue)).Leased == 3);
        proxy.Unmute();
        proxy.Cut();

        Assert.Equal(3, await leasing);
        AssertUntouched(into, queue == "q" ? 1 : 2);
        var results = new SettleResult[3];
        await far.Queues.SettleAsync(queue, Array.ConvertAll(into, delivery => Settlement.Complete(delivery.Token)), results, Cancellation);
        Assert.All(results, result => Assert.Equal(SettleResult.Settled, result));
        var stats = await StatsAsync(near, queue);
        Assert.Equal((0, 0, 0), (stats.Ready, stats.Leased, stats.Scheduled));
    }

    [Fact]
    public async Task Lease_WhoseAnswerIsLost_WithTheServer_IsGivenBackBeforeTheNext()
    {
        await using var near = await OpenAsync((await RedisFixture.Server).EndPoint, "");
        await using var proxy = new MutingProxy((await RedisFixture.Server).Port);
        await using var far = await OpenAsync(proxy.EndPoint, "&timeoutMs=1000&connectTimeoutMs=1000");
        await WarmUpAsync(near, far, "q", hasKeys: false);
        await SendAsync(near, hasKeys: false);
        await using var receiver = await far.Queues!.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = TimeSpan.FromMinutes(10) }, Cancellation);
        proxy.Mute();

        // Those that it makes next are mute as well, so it stays lost for longer than a call may take.
        var into = new Delivery[3];
        var lost = await Assert.ThrowsAsync<BackendUnavailableException>(() => receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation).AsTask());
        Assert.True(lost.MayHaveBeenApplied);
        await Eventually.HoldsAsync(async () => (await StatsAsync(near, "q")).Leased == 3);
        proxy.Unmute();
        proxy.Cut();

        await Eventually.HoldsAsync(async () =>
        {
            try
            {
                return await receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation) == 3;
            }
            catch (BackendUnavailableException)
            {
                // The connection that was mute is found out by and by.
                return false;
            }
        });
        AssertUntouched(into);
    }

    [Fact]
    public async Task Receiver_ThatIsDisposed_GivesBackWhatALostAnswerHad()
    {
        await using var near = await OpenAsync((await RedisFixture.Server).EndPoint, "");
        await using var proxy = new MutingProxy((await RedisFixture.Server).Port);
        await using var far = await OpenAsync(proxy.EndPoint, "&timeoutMs=1000&connectTimeoutMs=1000");
        await WarmUpAsync(near, far, "q", hasKeys: false);
        await SendAsync(near, hasKeys: false);
        var receiver = await far.Queues!.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = TimeSpan.FromMinutes(10) }, Cancellation);
        proxy.Mute();
        await Assert.ThrowsAsync<BackendUnavailableException>(() => receiver.LeaseAsync(new Delivery[3], TimeSpan.Zero, Cancellation).AsTask());
        proxy.Unmute();
        proxy.Cut();
        await receiver.DisposeAsync();
        var stats = await StatsAsync(near, "q");
        Assert.Equal((3, 0), (stats.Ready, stats.Leased));
    }

    private static void AssertUntouched(Delivery[] deliveries, int attempt = 1)
    {
        Assert.Equal(["0", "1", "2"], deliveries.Select(delivery => Encoding.UTF8.GetString(delivery.Message.Body.Span)));
        Assert.All(deliveries, delivery => Assert.Equal((attempt, true), (delivery.Attempt, delivery.Redelivered)));
    }

    private static async Task SendAsync(Backend backend, bool hasKeys, int count = 3) => await backend.Queues!.EnqueueAsync(
        "q", Enumerable.Range(0, count).Select(i => new Envelope(Encoding.UTF8.GetBytes($"{i}")) { Key = hasKeys ? $"k{i}" : null }).ToArray(), default, Cancellation);

    private static async Task BuryAllAsync(Backend backend, int count = 3)
    {
        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var into = new Delivery[count];
        Assert.Equal(count, await receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation));
        await backend.Queues.SettleAsync("q", Array.ConvertAll(into, delivery => Settlement.DeadLetter(delivery.Token, "spoilt")), default, Cancellation);
    }

    private static async Task<QueueStats> StatsAsync(Backend backend, string queue) => await backend.Require<IQueueAdmin>().GetStatsAsync(queue, Cancellation);

    /// <summary>Works one message off, so that the server has the scripts and the lanes know what is in the queue: the answer that is lost is then that of the lease.</summary>
    private static async Task WarmUpAsync(Backend near, Backend far, string queue, bool hasKeys)
    {
        await SendAsync(near, hasKeys, 1);
        if (queue != "q")
        {
            await BuryAllAsync(near, 1);
        }

        await using var receiver = await far.Queues!.OpenReceiverAsync(queue, new ReceiverOptions(), Cancellation);
        var into = new Delivery[1];
        Assert.Equal(1, await receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation));
        await far.Queues.SettleAsync(queue, new[] { Settlement.Complete(into[0].Token) }, default, Cancellation);
    }

    private async Task<Backend> OpenAsync(string endPoint, string options) =>
        await RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{endPoint}?prefix={_prefix}{options}"), new BackendContext(), Cancellation);
}
