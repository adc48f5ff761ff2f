using System.Text;
using Millrace.Client;
using Millrace.Storage;
using Millrace.Streams;
using Millrace.Testing;
using Millrace.Tests.Hosting;
using Xunit;

namespace Millrace.Tests.Streams;

/// <summary>Groups as applications have them, with all that runs by itself.</summary>
public sealed class ConsumerGroupTests : IAsyncLifetime
{
    private readonly ManualTimeProvider _clock = new();
    private MillraceClient _client = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _client = await MillraceClient.OpenAsync("memory:", options => options.TimeProvider = _clock, Cancel);
        await _client.Streams.CreateAsync("s", new StreamSettings { Partitions = 4 }, Cancel);
    }

    public ValueTask DisposeAsync() => _client.DisposeAsync();

    [Fact]
    public async Task S6_Members_ShareAtOnce_AndTakeOverWhenOneLeaves()
    {
        await using var first = Member();
        await first.ReadAsync(1, TimeSpan.Zero, Cancel);
        Assert.Equal([0, 1, 2, 3], first.Assignment);

        // Without the clock: the bell, not the next beat.
        var second = Member();
        await second.ReadAsync(1, TimeSpan.Zero, Cancel);
        await ManualTime.WhenAsync(() => second.Assignment.Count == 2, Cancel);
        Assert.Equal([0, 1], first.Assignment);
        Assert.Equal([2, 3], second.Assignment);

        await second.DisposeAsync();
        await ManualTime.WhenAsync(() => first.Assignment.Count == 4, Cancel);
    }

    [Fact]
    public async Task S6_APartitionThatIsGivenUp_IsFirstHandledAndCommitted()
    {
        await AppendAsync(3, "a");
        await using var first = Member();
        Assert.Single(await first.ReadAsync(10, TimeSpan.Zero, Cancel));
        await using var second = Member();
        Assert.Empty(await second.ReadAsync(10, TimeSpan.Zero, Cancel));
        await ManualTime.WhenAsync(() => second.Assignment.Count == 1, Cancel);
        Assert.DoesNotContain(3, second.Assignment);

        // The next read says that "a" is handled.
        await first.ReadAsync(10, TimeSpan.Zero, Cancel);
        await ManualTime.WhenAsync(() => second.Assignment.Count == 2, Cancel);

        Assert.Equal([2, 3], second.Assignment);
        Assert.Empty(await second.ReadAsync(10, TimeSpan.Zero, Cancel));
        Assert.Equal(1, (await PositionAsync(3)).Offset);
    }

    [Fact]
    public async Task S6_ASilentMembersPartitions_GoToOthers_AndItsCommitIsRefused()
    {
        await AppendAsync(0, "a");
        var silent = Member(new() { Group = "g", RunsByItself = false });
        var message = Assert.Single(await silent.ReadAsync(10, TimeSpan.Zero, Cancel));
        await using var other = Member();
        await other.ReadAsync(10, TimeSpan.Zero, Cancel);

        await ManualTime.AdvanceUntilAsync(_clock, () => other.Assignment.Count == 4, Cancel, timers: 2);
        var again = Assert.Single(await other.ReadAsync(10, TimeSpan.Zero, Cancel));
        var refused = await silent.CommitAsync(message, Cancel);
        var accepted = await other.CommitAsync(Cancel);

        Assert.Equal("a", again.Value);
        Assert.True(again.Epoch > message.Epoch);
        Assert.Equal([0], refused.Lost);
        Assert.Equal([new StreamPosition(0, 1)], accepted.Committed);
        Assert.Empty(await silent.ReadAsync(10, TimeSpan.Zero, Cancel));
    }

    [Fact]
    public async Task AStaleCommit_OfWhatIsCommittedAlready_IsRefusedToo()
    {
        await AppendAsync(0, "a");
        await using var member = Member(new() { Group = "g", RunsByItself = false });
        var message = Assert.Single(await member.ReadAsync(10, TimeSpan.Zero, Cancel));
        Assert.True((await member.CommitAsync(message, Cancel)).IsComplete);

        await _client.Streams.SeekGroupAsync("s", "g", 0, 1, Cancel);

        Assert.Equal([0], (await member.CommitAsync(message, Cancel)).Lost);
    }

    [Fact]
    public async Task AutoCommit_AtDisposal_CoversWhatWasHandled_AndNotTheLastRead()
    {
        await AppendAsync(0, "a");
        await AppendAsync(0, "b");
        var first = Member();
        await first.ReadAsync(1, TimeSpan.Zero, Cancel);
        await first.ReadAsync(1, TimeSpan.Zero, Cancel);

        await first.DisposeAsync();

        await using var second = Member();
        Assert.Equal("b", Assert.Single(await second.ReadAsync(10, TimeSpan.Zero, Cancel)).Value);
    }

    [Fact]
    public async Task AutoCommit_EveryInterval_CoversWhatWasHandled()
    {
        await AppendAsync(0, "a");
        await using var member = Member();
        await member.ReadAsync(1, TimeSpan.Zero, Cancel);
        await member.ReadAsync(1, TimeSpan.Zero, Cancel);

        var committed = 0L;
        await ManualTime.AdvanceUntilAsync(_clock, () => (committed = PositionAsync(0).AsTask().Result.Offset) == 1, Cancel, timers: 2);

        Assert.Equal(1, committed);
    }

    [Fact]
    public async Task WithoutAutoCommit_OnlyCommitsMoveTheGroup()
    {
        await AppendAsync(0, "a");
        var first = Member(new() { Group = "g", AutoCommit = false });
        await first.ReadAsync(1, TimeSpan.Zero, Cancel);
        await first.ReadAsync(1, TimeSpan.Zero, Cancel);
        await first.DisposeAsync();

        var second = Member(new() { Group = "g", AutoCommit = false });
        Assert.Single(await second.ReadAsync(1, TimeSpan.Zero, Cancel));
        Assert.Equal([new StreamPosition(0, 1)], (await second.CommitAsync([new StreamPosition(0, 1)], Cancel)).Committed);
        await second.DisposeAsync();

        await using var third = Member();
        Assert.Empty(await third.ReadAsync(1, TimeSpan.Zero, Cancel));
    }

    [Fact]
    public async Task SeekGroup_MovesTheMemberThatOwnsThePartition()
    {
        await AppendAsync(0, "a");
        await AppendAsync(0, "b");
        await using var member = Member();
        await member.ReadAsync(10, TimeSpan.Zero, Cancel);
        await member.CommitAsync(Cancel);

        await _client.Streams.SeekGroupAsync("s", "g", 0, 1, Cancel);

        Assert.Equal("b", Assert.Single(await member.ReadAsync(10, Timeout.InfiniteTimeSpan, Cancel)).Value);
        var position = await PositionAsync(0);
        Assert.Equal((1L, 3L, 1L), (position.Offset, position.Epoch, position.Lag));
    }

    [Fact]
    public async Task Start_Latest_IsSettledAtTheFirstClaim()
    {
        await AppendAsync(0, "before");
        var first = Member(new() { Group = "g", Start = StreamStart.Latest });
        await first.ReadAsync(10, TimeSpan.Zero, Cancel);
        await first.DisposeAsync();
        await AppendAsync(0, "after");

        await using var second = Member(new() { Group = "g", Start = StreamStart.Latest });

        Assert.Equal("after", Assert.Single(await second.ReadAsync(10, TimeSpan.Zero, Cancel)).Value);
    }

    [Fact]
    public void BlockingForms_OnAThreadWithAContext_DoNotDeadlock()
    {
        var thread = new Thread(() =>
        {
            SynchronizationContext.SetSynchronizationContext(new DeafContext());
            using var cancellation = new CancellationTokenSource();
            var producer = _client.StreamProducer<string>("s");
            var consumer = Member();
            producer.Append("a", cancellationToken: cancellation.Token);
            producer.AppendBatch(["b", "c"], cancellationToken: cancellation.Token);
            producer.Flush(cancellation.Token);
            var count = 0;
            while (count < 3)
            {
                count += consumer.Read(10, Timeout.InfiniteTimeSpan, cancellation.Token).Count;
            }

            Assert.True(consumer.Commit(cancellation.Token).IsComplete);
        });

        thread.Start();

        Assert.True(thread.Join(TimeSpan.FromSeconds(30)));
    }

    private StreamConsumer<string> Member(StreamConsumerOptions? options = null) => _client.StreamConsumer<string>("s", options ?? new() { Group = "g" });

    private async ValueTask<StreamGroupPosition> PositionAsync(int partition) =>
        (await _client.Streams.GetGroupAsync("s", "g", Cancel)).Single(position => position.Partition == partition);

    private async Task AppendAsync(int partition, string body)
    {
        var opened = await _client.Streams.OpenPartitionAsync("s", partition, Cancel);
        await opened.AppendAsync(new AppendRequest(new[] { new StreamRecord { Body = Encoding.UTF8.GetBytes(body) } }), Cancel);
    }

    /// <summary>A context whose thread never gets to what is posted to it, as one that blocks.</summary>
    private sealed class DeafContext : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state)
        {
        }
    }
}
