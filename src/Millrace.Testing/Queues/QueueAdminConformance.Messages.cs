using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueAdminConformance<TFixture>
{
    [Fact]
    public async Task Admin_Browsing_ShowsReadyMessagesInTheirOrder()
    {
        Require(QueueFeatures.Browsing | QueueFeatures.Priorities);
        await SendAsync(Make("mid 1"), Make("low", 0), Make("high", 9), Make("mid 2"));
        var seen = await BrowseAsync();
        Assert.Equal(["high", "mid 1", "mid 2", "low"], seen.Select(one => Text(one.Message)));
        Assert.All(seen, one => Assert.Equal((MessageState.Ready, 0, null, null), (one.State, one.Attempts, one.DueAt, one.LastError)));
        await AssertDepthsAsync(ready: 4);
    }

    [Fact]
    public async Task Admin_Browsing_ShowsScheduledMessagesByDueTime()
    {
        Require(QueueFeatures.Browsing);
        var now = Clock.TimeProvider.GetUtcNow();
        await SendAsync(Make("2", delay: 2 * Clock.LongLease), Make("1", delay: Clock.LongLease), Make("3", delay: 3 * Clock.LongLease), Make("now"));
        var seen = await BrowseAsync(MessageState.Scheduled);
        Assert.Equal(["1", "2", "3"], seen.Select(one => Text(one.Message)));
        Assert.All(seen, one => Assert.Equal(MessageState.Scheduled, one.State));
        if (Clock.Margin == TimeSpan.Zero)
        {
            Assert.Equal([now + Clock.LongLease, now + (2 * Clock.LongLease), now + (3 * Clock.LongLease)], seen.Select(one => one.DueAt!.Value));
        }
    }

    [Fact]
    public async Task Admin_Browsing_ShowsLeasedMessages()
    {
        Require(QueueFeatures.Browsing);
        await SendTextsAsync("a", "b", "c");
        var receiver = await OpenAsync();
        await SettledAsync(Settlement.Release((await TakeAsync(receiver, "a")).Token, error: "once"));
        await PollAsync(receiver, 2);
        var seen = (await BrowseAsync(MessageState.Leased)).OrderBy(one => Text(one.Message), StringComparer.Ordinal).ToList();
        Assert.Equal(["a", "b"], seen.Select(one => Text(one.Message)));
        Assert.Equal([2, 1], seen.Select(one => one.Attempts));
        Assert.Equal(["once", null], seen.Select(one => one.LastError));
        Assert.Equal(["c"], (await BrowseAsync()).Select(one => Text(one.Message)));
    }

    [Fact]
    public async Task Admin_Browsing_ShowsKeysThatWait_AndMessagesWhoseTimeHasCome()
    {
        Require(QueueFeatures.Browsing | QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k"), Make("k2", key: "k"), Make("due", delay: Clock.Unit), Make("lost", 9));
        await TakeAsync(await OpenAsync(Clock.Unit), "lost");
        await TakeAsync(await OpenAsync(), "k1");
        await PassAsync(Clock.Unit);
        Assert.Equal(["due", "k2", "lost"], (await BrowseAsync()).Select(one => Text(one.Message)).Order(StringComparer.Ordinal));
        await AssertDepthsAsync(ready: 3, leased: 1);
        Assert.Empty(await BrowseAsync(MessageState.Scheduled));
    }

    [Theory]
    [InlineData(MessageState.Ready)]
    [InlineData(MessageState.Scheduled)]
    [InlineData(MessageState.Leased)]
    public async Task Admin_Browsing_InPages_ShowsEachMessageOnce(MessageState state)
    {
        Require(QueueFeatures.Browsing);
        const int Messages = 25;
        await SendAsync([.. Enumerable.Range(0, Messages).Select(i => Make($"{i:00}", i % 3, delay: state == MessageState.Scheduled ? Clock.LongLease : TimeSpan.Zero))]);
        if (state == MessageState.Leased)
        {
            await PollAsync(await OpenAsync());
        }

        var whole = (await BrowseAsync(state)).Select(one => Text(one.Message)).ToList();
        var paged = new List<string>();
        string? continuation = null;
        do
        {
            var page = await Soon(Admin.BrowseAsync(Queue, new BrowseQuery { State = state, Limit = 4, Continuation = continuation }, Cancellation));
            Assert.True(page.Messages.Count <= 4);
            Assert.True(paged.Count <= Messages, "The pages do not end.");
            paged.AddRange(page.Messages.Select(one => Text(one.Message)));
            continuation = page.Next;
        }
        while (continuation is not null);

        Assert.Equal(Messages, whole.Count);
        Assert.Equal(Messages, paged.Distinct().Count());
        if (state != MessageState.Leased)
        {
            Assert.Equal(whole, paged);
        }
    }

    [Fact]
    public async Task Admin_ABrowsedBody_IsACopyThatStaysValid()
    {
        Require(QueueFeatures.Browsing);
        await SendAsync(Make("body", id: "x"));
        var browsed = (await BrowseAsync())[0].Message;
        var got = (await Soon(Admin.GetMessageAsync(Queue, "x", Cancellation)))!.Message;
        Assert.Equal(["body"], await DrainAsync());
        await SendTextsAsync([.. Enumerable.Repeat("something else", 50)]);
        Assert.Equal(("body", "body"), (Text(browsed), Text(got)));
    }

    [Fact]
    public async Task Admin_GettingAMessage_ShowsWhereItStands()
    {
        await SendAsync(Make("s", id: "s", delay: Clock.LongLease), Make("l", 9, id: "l"), Make("r", id: "r"));
        await TakeAsync(await OpenAsync(), "l");
        foreach (var (id, state) in new[] { ("s", MessageState.Scheduled), ("l", MessageState.Leased), ("r", MessageState.Ready) })
        {
            var seen = (await Soon(Admin.GetMessageAsync(Queue, id, Cancellation)))!;
            Assert.Equal((id, state, state == MessageState.Leased ? 1 : 0), (Text(seen.Message), seen.State, seen.Attempts));
            Assert.Equal(state == MessageState.Scheduled, seen.DueAt is not null);
        }

        Assert.Null(await Soon(Admin.GetMessageAsync(Queue, "absent", Cancellation)));
    }

    [Fact]
    public async Task Admin_AMessage_IsFoundByTheIdThatTheStoreAssigned()
    {
        var id = (await SendTextsAsync("m"))[0].Id;
        Assert.Equal("m", Text((await Soon(Admin.GetMessageAsync(Queue, id, Cancellation)))!.Message));
        Assert.Equal(MessageChange.Done, await Soon(Admin.RemoveMessageAsync(Queue, MessageId.Parse(id.ToString()), Cancellation)));
        await AssertDepthsAsync();
    }

    [Fact]
    public async Task Admin_Removing_TakesReadyAndScheduledMessages_NotLeasedOnes()
    {
        await SendAsync(Make("leased", id: "leased"), Make("ready", id: "ready"), Make("scheduled", id: "scheduled", delay: Clock.LongLease), Make("stays"));
        var leased = await TakeAsync(await OpenAsync(), "leased");
        Assert.Equal(MessageChange.Done, await Soon(Admin.RemoveMessageAsync(Queue, "ready", Cancellation)));
        Assert.Equal(MessageChange.Done, await Soon(Admin.RemoveMessageAsync(Queue, "scheduled", Cancellation)));
        Assert.Equal(MessageChange.Leased, await Soon(Admin.RemoveMessageAsync(Queue, "leased", Cancellation)));
        Assert.Equal(MessageChange.NotFound, await Soon(Admin.RemoveMessageAsync(Queue, "ready", Cancellation)));
        await CompleteAsync(leased);
        Assert.Equal(["stays"], await DrainAsync());
    }

    [Fact]
    public async Task Admin_Rescheduling_MovesReadyAndScheduledMessages_NotLeasedOnes()
    {
        await SendAsync(Make("leased", id: "leased"), Make("ready", id: "ready"), Make("scheduled", id: "scheduled", delay: Clock.LongLease));
        var leased = await TakeAsync(await OpenAsync(), "leased");
        Assert.Equal(MessageChange.Done, await Soon(Admin.RescheduleMessageAsync(Queue, "ready", 2 * Clock.Unit, Cancellation)));
        Assert.Equal(MessageChange.Done, await Soon(Admin.RescheduleMessageAsync(Queue, "scheduled", Clock.Unit, Cancellation)));
        Assert.Equal(MessageChange.Leased, await Soon(Admin.RescheduleMessageAsync(Queue, "leased", Clock.Unit, Cancellation)));
        Assert.Equal(MessageChange.NotFound, await Soon(Admin.RescheduleMessageAsync(Queue, "absent", Clock.Unit, Cancellation)));
        await AssertDepthsAsync(scheduled: 2, leased: 1);
        await CompleteAsync(leased);
        await PassAsync(2 * Clock.Unit);
        Assert.Equal(["scheduled", "ready"], await DrainAsync());
    }

    [Fact]
    public async Task Admin_Rescheduling_KeepsAttemptsAndError()
    {
        await SendAsync(Make("m", id: "x"));
        var receiver = await OpenAsync();
        await SettledAsync(Settlement.Release((await TakeAsync(receiver)).Token, Clock.LongLease, error: "e"));
        Assert.Equal(MessageChange.Done, await Soon(Admin.RescheduleMessageAsync(Queue, "x", TimeSpan.Zero, Cancellation)));
        Assert.Equal("e", (await Soon(Admin.GetMessageAsync(Queue, "x", Cancellation)))!.LastError);
        Assert.Equal(2, (await TakeAsync(receiver)).Attempt);
    }

    [Fact]
    public async Task Admin_ANegativeRescheduling_IsRefused()
    {
        await SendAsync(Make("m", id: "x"));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Soon(Admin.RescheduleMessageAsync(Queue, "x", TimeSpan.FromTicks(-1), Cancellation)));
        await AssertDepthsAsync(ready: 1);
    }

    [Fact]
    public async Task Admin_Purging_RemovesReadyAndScheduledMessages_AndLeavesLeasesAndDeadLetters()
    {
        await BuryAsync(Make("dead"));
        await SendAsync(Make("leased"), Make("ready"), Make("waits for its key", key: "k"), Make("scheduled", delay: Clock.LongLease));
        var leased = await TakeAsync(await OpenAsync(), "leased");
        Assert.Equal(3, await Soon(Admin.PurgeAsync(Queue, Cancellation)));
        await AssertDepthsAsync(leased: 1, dead: 1);
        Assert.Equal(6, (await StatsAsync()).Bytes);
        await SettledAsync(Settlement.Release(leased.Token));
        Assert.Equal(["leased"], await DrainAsync());
    }
}
