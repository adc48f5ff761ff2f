using System.Globalization;
using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests;

/// <summary>
/// What depends on time, by the servers' own clock: the laws run by one that tests move. What must not happen before its time is checked; what happens late is the machine's.
/// </summary>
public sealed class RealTimeTests
{
    private static readonly TimeSpan Time = TimeSpan.FromMilliseconds(250);

    // Two clocks of one machine.
    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(5);

    private readonly string _prefix = "r" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Message_WithADelay_WakesAReceiverWhenItIsDue()
    {
        await using var backend = await OpenAsync();
        await using var receiver = await ReceiverAsync(backend, TimeSpan.FromMinutes(1));
        var waiting = LeaseAsync(receiver);
        var start = TimeProvider.System.GetTimestamp();
        await SendAsync(backend, "later", delay: Time);
        Assert.Equal("later", Text(await waiting));
        AssertPassed(start);
    }

    [Fact]
    public async Task Lease_ThatEnds_GivesTheMessageToAReceiverThatWaits()
    {
        await using var backend = await OpenAsync();
        await using var first = await ReceiverAsync(backend, Time);
        await using var second = await ReceiverAsync(backend, TimeSpan.FromMinutes(1));
        await SendAsync(backend, "m");
        var start = TimeProvider.System.GetTimestamp();
        var lost = await LeaseAsync(first);
        var again = await LeaseAsync(second);
        AssertPassed(start);
        Assert.Equal((2, true), (again.Attempt, again.Redelivered));
        Assert.Equal(SettleResult.LeaseLost, await SettleAsync(backend, lost));
        Assert.Equal(SettleResult.Settled, await SettleAsync(backend, again));
    }

    [Fact]
    public async Task Lease_ThatIsRenewed_LastsAFullLeaseFromThen()
    {
        await using var backend = await OpenAsync();
        await using var first = await ReceiverAsync(backend, Time);
        await using var second = await ReceiverAsync(backend, TimeSpan.FromMinutes(1));
        await SendAsync(backend, "m");
        var renewed = TimeProvider.System.GetTimestamp();
        var delivery = await LeaseAsync(first);
        var waiting = LeaseAsync(second);
        for (var i = 0; i < 3; i++)
        {
            // Where the machine was too slow for that, the lease has ended, and there is nothing to see.
            await Task.Delay(Time / 2, TimeProvider.System, Cancellation);
            var start = TimeProvider.System.GetTimestamp();
            if ((await first.RenewAsync(Cancellation)).Count > 0 || waiting.IsCompleted)
            {
                break;
            }

            renewed = start;
        }

        Assert.Equal(2, (await waiting).Attempt);
        AssertPassed(renewed);
        Assert.Equal(SettleResult.LeaseLost, await SettleAsync(backend, delivery));
    }

    [Fact]
    public async Task Message_ThatHasExpired_IsNotDelivered()
    {
        await using var backend = await OpenAsync();
        await SendAsync(backend, "gone", ttl: Time);
        await SendAsync(backend, "there");
        await Task.Delay(Time + Tolerance, TimeProvider.System, Cancellation);
        await using var receiver = await ReceiverAsync(backend, TimeSpan.FromMinutes(1));
        Assert.Equal("there", Text(await LeaseAsync(receiver)));
        Assert.Equal(0, await receiver.LeaseAsync(new Delivery[1], TimeSpan.Zero, Cancellation));
    }

    [Fact]
    public async Task Lock_WhoseLeaseEnds_IsFree_AndWhoWaitsLearnsOfIt()
    {
        await using var backend = await OpenAsync();
        var locks = backend.Locks!;
        var start = TimeProvider.System.GetTimestamp();
        var first = await locks.TryAcquireAsync("l", "a", Time, Cancellation);
        await locks.WaitForReleaseAsync("l", Cancellation);
        AssertPassed(start);
        var second = await locks.TryAcquireAsync("l", "b", TimeSpan.FromMinutes(1), Cancellation);
        Assert.True(second!.FencingToken > first!.FencingToken);
        Assert.False(await locks.RenewAsync("l", "a", first.FencingToken, Time, Cancellation));
    }

    [Fact]
    public async Task Records_OlderThanTheirTime_AreLetGo()
    {
        await using var backend = await OpenAsync();
        var context = new StreamPartitionContext { Stream = "s", Partition = 0, PartitionCount = 1, Retention = new StreamRetention { MaxAge = Time } };
        await using var partition = await backend.Streams!.OpenPartitionAsync(context, Cancellation);
        await partition.AppendAsync(new AppendRequest(new StreamRecord[2]), Cancellation);
        await Task.Delay(Time + Tolerance, TimeProvider.System, Cancellation);
        await partition.AppendAsync(new AppendRequest(new StreamRecord[1]), Cancellation);
        Assert.InRange((await partition.GetStatsAsync(Cancellation)).EarliestOffset, 2, 3);
    }

    private static void AssertPassed(long start) => Assert.True(TimeProvider.System.GetElapsedTime(start) >= Time - Tolerance, "It happened before its time.");

    private static async Task<Delivery> LeaseAsync(IQueueReceiver receiver)
    {
        var into = new Delivery[1];
        Assert.Equal(1, await receiver.LeaseAsync(into, TimeSpan.FromSeconds(30), Cancellation));
        return into[0];
    }

    private static string Text(Delivery delivery) => Encoding.UTF8.GetString(delivery.Message.Body.Span);

    private static async Task SendAsync(Backend backend, string text, TimeSpan delay = default, TimeSpan? ttl = null) =>
        await backend.Queues!.EnqueueAsync("q", new[] { new Envelope(Encoding.UTF8.GetBytes(text)) { Delay = delay, TimeToLive = ttl } }, default, Cancellation);

    private static async Task<SettleResult> SettleAsync(Backend backend, Delivery delivery)
    {
        var results = new SettleResult[1];
        await backend.Queues!.SettleAsync("q", new[] { Settlement.Complete(delivery.Token) }, results, Cancellation);
        return results[0];
    }

    private static ValueTask<IQueueReceiver> ReceiverAsync(Backend backend, TimeSpan lease) =>
        backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = lease }, Cancellation);

    private async Task<Backend> OpenAsync() =>
        await RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{(await RedisFixture.Server).EndPoint}?prefix={_prefix}"), new BackendContext(), Cancellation);
}
