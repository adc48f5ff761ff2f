using System.Text;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Topologies;

/// <summary>Those who wait and subscribe when another server becomes the primary: they go on there.</summary>
public sealed class FailOverTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Waiters_WhenSentinelsFailOver_GoOnWithTheNewPrimary()
    {
        await using var set = await LocalRedisSentinels.StartAsync(cancellationToken: Cancellation);
        var url = $"redis+sentinel://{set.EndPoints}/{set.Name}/0?wait=1";
        await GoOnAsync(url, async () => await set.FailOverAsync(primary => primary.KillAsync(Cancellation), Cancellation));
    }

    [Fact]
    public async Task Waiters_WhenAllPrimariesOfAClusterChange_GoOnWithTheNewOnes()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(cancellationToken: Cancellation);
        await GoOnAsync($"redis://{cluster.EndPoints}", async () =>
        {
            foreach (var replica in cluster.Servers.Skip(3))
            {
                await cluster.FailOverAsync(replica, Cancellation);
            }
        });
    }

    private static async Task GoOnAsync(string url, Func<Task> failOver)
    {
        await using var here = await RedisBackend.OpenAsync(BackendUrl.Parse(url), new BackendContext(), Cancellation);
        await using var there = await RedisBackend.OpenAsync(BackendUrl.Parse(url), new BackendContext(), Cancellation);
        var context = new StreamPartitionContext { Stream = "s", Partition = 0, PartitionCount = 1 };
        await using var reading = await here.Streams!.OpenPartitionAsync(context, Cancellation);
        await using var writing = await there.Streams!.OpenPartitionAsync(context, Cancellation);
        await AppendAsync(writing, 0);
        var grant = await there.Locks!.TryAcquireAsync("l", "b", TimeSpan.FromMinutes(10), Cancellation);
        await using var subscription = await here.Channels!.SubscribeAsync(TopicPattern.Parse("t*"), SubscriptionOptions.Default, Cancellation);
        var revision = (await here.State!.ListAsync("a/", cancellationToken: Cancellation)).Revision;

        var grown = reading.WaitForAsync(1, Cancellation).AsTask();
        var released = here.Locks!.WaitForReleaseAsync("l", Cancellation).AsTask();
        var changed = here.State!.WaitForChangeAsync("a/", revision, Cancellation).AsTask();
        await failOver();

        await RepeatAsync(() => AppendAsync(writing, 1));
        await RepeatAsync(() => there.Locks!.ReleaseAsync("l", "b", grant!.FencingToken, Cancellation).AsTask());
        await RepeatAsync(() => there.State!.PutAsync("a/k", new byte[] { 1 }, null, Cancellation).AsTask());
        await RepeatAsync(() => there.Channels!.PublishAsync("t", new Envelope("after"u8.ToArray()), Cancellation).AsTask());

        await Task.WhenAll(grown, released, changed).WaitAsync(Patience, TimeProvider.System, Cancellation);
        Assert.Equal(2, (await reading.ReadAsync(0, 10, 1000, Cancellation)).Records.Length);
        Assert.Null(await here.Locks!.InspectAsync("l", Cancellation));
        var into = new ChannelMessage[1];
        Assert.Equal(1, await subscription.ReadAsync(into, Cancellation).AsTask().WaitAsync(Patience, TimeProvider.System, Cancellation));
        Assert.Equal("after", Encoding.UTF8.GetString(into[0].Body.Span));
    }

    private static Task<AppendResult> AppendAsync(IStreamPartition partition, long sequence) =>
        partition.AppendAsync(new AppendRequest(new StreamRecord[1]) { ProducerId = "p", FirstSequence = sequence }, Cancellation).AsTask();

    // While there is no primary, or no replica has caught up with it, a write fails, and may have been applied.
    private static async Task RepeatAsync(Func<Task> write)
    {
        using var patience = new CancellationTokenSource(Patience, TimeProvider.System);
        while (true)
        {
            try
            {
                await write();
                return;
            }
            catch (MillraceException fault) when (fault.IsTransient && !patience.IsCancellationRequested)
            {
                // Again.
            }
        }
    }
}
