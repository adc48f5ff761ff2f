using Millrace.Scheduling.Jobs;
using Millrace.Scheduling.Schedules;
using Millrace.Storage;
using Xunit;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>The steps of a firing, one schedule at a time.</summary>
public sealed class ScheduleFirerTests : IAsyncDisposable
{
    private readonly ScheduleWorld _world = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Message_OfAJob_SaysWhatWorkersNeed()
    {
        await _world.Client.PutAsync(
            ScheduleWorld.EverySecond("s") with { Overlap = OverlapPolicy.BufferOne, Priority = 8, Target = new JobTarget { Job = "send", Version = 2, Arguments = "[1]"u8.ToArray() } },
            cancellationToken: Cancel);
        await FireAsync();

        var message = (await _world.Queues.BrowseAsync("jobs", new BrowseQuery(), Cancel)).Messages[0].Message;
        Assert.Equal(("s@1@1893456001000", "s", 8, "send;2"), (message.Id.ToString(), message.Key, message.Priority, message.Headers[JobMessage.JobHeader]));
        Assert.Equal("[1]"u8.ToArray(), message.Body.ToArray());
        var terms = JobMessage.TermsOf(message.Headers);
        Assert.Equal(("s", 1, 1_893_456_001_000), (terms.Schedule, terms.Version, terms.Due));
        Assert.Equal(JobQueues.Settings, await _world.Queues.GetSettingsAsync("jobs", Cancel));
    }

    [Fact]
    public async Task Message_ThatIsPlain_IsSentAndForgotten()
    {
        await _world.Client.PutAsync(
            ScheduleWorld.EverySecond("s") with { Queue = "plain", Target = new MessageTarget { Body = "x"u8.ToArray(), Headers = MessageHeaders.Of(("h", "1")) } }, cancellationToken: Cancel);
        await FireAsync();
        await FireAsync();

        var message = (await _world.Queues.BrowseAsync("plain", new BrowseQuery(), Cancel)).Messages[0].Message;
        Assert.Equal(("s", "1893456001000", "1"), (message.Headers[JobMessage.ScheduleHeader], message.Headers[JobMessage.DueHeader], message.Headers["h"]));
        Assert.Equal(2, (await _world.SentAsync("plain")).Length);
        Assert.Empty((await _world.CursorAsync("s")).Open);
    }

    [Fact]
    public async Task Message_ThatIsPlain_IsInTheHistoryAsSent_AndTheLastRun()
    {
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s") with { Queue = "plain", Target = new MessageTarget() }, cancellationToken: Cancel);
        await FireAsync();

        var record = Assert.Single(_world.Records);
        Assert.Equal(("s@1@1893456001000", "s", "plain", RunOutcome.Sent, null, 1), (record.Run, record.Schedule, record.Queue, record.Outcome, record.Job, record.Count));
        var info = (await _world.Client.GetAsync("s", Cancel))!;
        Assert.Equal((1, RunOutcome.Sent, ScheduleWorld.Start.AddSeconds(1)), (info.Fired, info.LastOutcome, info.LastScheduledAt));
    }

    [Theory]
    [InlineData("skip", new[] { "s", "s", "s" })]
    [InlineData("cancelRunning", new[] { "s", "s", "s" })]
    [InlineData("allow", new string?[] { null, null, null })]
    public async Task Messages_OfWhatIsMadeUpFor_HaveOneOrderingKey(string policy, string?[] keys)
    {
        var overlap = policy switch { "cancelRunning" => OverlapPolicy.CancelRunning, "allow" => OverlapPolicy.Allow(), _ => OverlapPolicy.Skip };
        await _world.Client.PutAsync(
            ScheduleWorld.EverySecond("s") with { Overlap = overlap, End = ScheduleWorld.Start.AddSeconds(3.5), Misfire = MisfirePolicy.FireAll(3) }, cancellationToken: Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(60));
        await _world.Firer.FireAsync("s", Cancel);

        Assert.Equal(keys, (await _world.Queues.BrowseAsync("jobs", new BrowseQuery(), Cancel)).Messages.Select(message => message.Message.Key));
    }

    [Fact]
    public async Task WhatIsMadeUpFor_SentByAnotherNode_IsNotCancelledByItself()
    {
        var firer = _world.NewFirer(_world.Clock, new FailingQueues(_world.Queues) { IsAway = true });
        await _world.Client.PutAsync(
            ScheduleWorld.EverySecond("s") with { Overlap = OverlapPolicy.CancelRunning, End = ScheduleWorld.Start.AddSeconds(3.5), Misfire = MisfirePolicy.FireAll(3) }, cancellationToken: Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(60));
        await firer.FireAsync("s", Cancel);
        await _world.Firer.FireAsync("s", Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(5));
        await _world.Firer.FireAsync("s", Cancel);

        Assert.Equal(3, (await _world.SentAsync()).Length);
        Assert.Empty(_world.Cancelled);
    }

    [Fact]
    public async Task PlainMessages_BeyondOneBatch_GoOnAtOnce()
    {
        await _world.Client.PutAsync(
            ScheduleWorld.Every("s", TimeSpan.FromMilliseconds(10)) with { Queue = "plain", Target = new MessageTarget(), Misfire = MisfirePolicy.FireOnce with { Grace = TimeSpan.FromHours(1) } },
            cancellationToken: Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(25));
        for (var firing = default(Firing?); firing is null || firing.Value.NextLook <= _world.Clock.GetUtcNow();)
        {
            firing = await _world.Firer.FireAsync("s", Cancel);
        }

        Assert.Equal(2500, (await _world.Queues.GetStatsAsync("plain", Cancel)).Ready);
        Assert.Equal((2500, 0), ((await _world.CursorAsync("s")).Fired, (await _world.CursorAsync("s")).Skipped));
    }

    [Fact]
    public async Task QueueThatIsFull_GetsWhatFits_AndWhatDoesNotIsNotCountedAsFired()
    {
        await _world.Queues.CreateQueueAsync("plain", new QueueSettings { MaxLength = 5 }, Cancel);
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s") with { Queue = "plain", Target = new MessageTarget() }, cancellationToken: Cancel);
        for (var i = 0; i < 8; i++)
        {
            await FireAsync();
        }

        Assert.Equal(5, (await _world.Client.GetAsync("s", Cancel))!.Fired);
        await _world.Queues.PurgeAsync("plain", Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(20));
        var firing = await _world.Firer.FireAsync("s", Cancel);

        // Three that could not be sent, of the twenty that are due now none.
        Assert.Equal((true, 3), (firing.IsUnsent, (await _world.Queues.GetStatsAsync("plain", Cancel)).Ready));
        Assert.Equal(8, (await _world.Client.GetAsync("s", Cancel))!.Fired);
    }

    [Fact]
    public async Task QueueThatStaysFull_IsReportedOnce_AndWhenItIsNotAnyMore()
    {
        await _world.Queues.CreateQueueAsync("plain", new QueueSettings { MaxLength = 1 }, Cancel);
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s", 60) with { Queue = "plain", Target = new MessageTarget() }, cancellationToken: Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(60));
        await _world.Firer.FireAsync("s", Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(60));
        for (var i = 0; i < 10; i++)
        {
            var firing = await _world.Firer.FireAsync("s", Cancel);
            Assert.Equal((true, _world.Clock.GetUtcNow() + ScheduleFirer.PendingTooLong), (firing.IsUnsent, firing.NextLook));
            _world.Clock.Advance(ScheduleFirer.PendingTooLong);
        }

        Assert.Contains("'plain' is full", Assert.Single(_world.Logger.Entries, entry => entry.Id is >= 1410 and <= 1419).Text, StringComparison.Ordinal);
        await _world.Queues.PurgeAsync("plain", Cancel);
        Assert.False((await _world.Firer.FireAsync("s", Cancel)).IsUnsent);
        Assert.Equal([1411, 1419], _world.Logger.Entries.Select(entry => entry.Id).Where(id => id is >= 1410 and <= 1419));
    }

    [Fact]
    public async Task SkippedOccurrences_AreInTheHistoryWithTheirReason()
    {
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s") with { Misfire = MisfirePolicy.FireOnce with { Grace = TimeSpan.FromSeconds(1) } }, cancellationToken: Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(5));
        await _world.Firer.FireAsync("s", Cancel);

        // Due at 1 to 5; 4 and 5 are in time, 3 is made up for, and under the overlap policy one of those runs.
        Assert.Equal(["s@1@1893456003000"], await _world.SentAsync());
        Assert.Equal(
            [(1, SkipReason.Misfire), (2, SkipReason.Misfire), (4, SkipReason.Overlap), (5, SkipReason.Overlap)],
            _world.Records.Select(record => ((int)(record.ScheduledAt - ScheduleWorld.Start).TotalSeconds, record.Error!)));
        Assert.All(_world.Records, record => Assert.Equal((RunOutcome.Skipped, "s", "work", 0), (record.Outcome, record.Schedule, record.Job, record.Attempt)));
    }

    [Fact]
    public async Task SkippedOccurrences_ThatAreVeryMany_AreOneRecordWithTheirNumber()
    {
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s") with { Misfire = MisfirePolicy.Skip, End = ScheduleWorld.Start.AddSeconds(1261.5) }, cancellationToken: Cancel);
        _world.Clock.Advance(TimeSpan.FromHours(1));
        await _world.Firer.FireAsync("s", Cancel);

        var record = Assert.Single(_world.Records);
        Assert.Equal(
            ("s@1@1893456001000", 1261, ScheduleWorld.Start.AddSeconds(1), ScheduleWorld.Start.AddSeconds(1261), SkipReason.Misfire),
            (record.Run, record.Count, record.ScheduledAt, record.ScheduledUntil, record.Error));
        Assert.Equal(1261, (await _world.CursorAsync("s")).Skipped);
    }

    [Fact]
    public async Task SkippedOccurrences_AreInTheHistory_AlsoWhenTheQueueIsAway()
    {
        var firer = _world.NewFirer(_world.Clock, new FailingQueues(_world.Queues) { IsAway = true });
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s"), cancellationToken: Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(3));
        var firing = await firer.FireAsync("s", Cancel);

        Assert.Equal(_world.Clock.GetUtcNow().AddSeconds(1), firing.NextLook);
        Assert.Equal(2, _world.Records.Count);
    }

    [Fact]
    public async Task OpenOccurrence_WhoseMessageIsGone_HoldsNothingBack()
    {
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s"), cancellationToken: Cancel);
        await FireAsync();
        await FireAsync();
        Assert.Single(await _world.SentAsync());
        await _world.Queues.PurgeAsync("jobs", Cancel);
        await FireAsync();

        Assert.Equal(["s@1@1893456003000"], await _world.SentAsync());
        Assert.Equal(1, _world.Logger.Count(1410));
        Assert.Equal(["s@1@1893456003000"], (await _world.CursorAsync("s")).Open.Select(open => open.Id));
    }

    [Fact]
    public async Task OpenOccurrence_ThatRuns_HoldsTheNextVersionBack()
    {
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s"), cancellationToken: Cancel);
        await FireAsync();
        var running = ScheduleWorld.OccurrenceOf((await _world.SentAsync())[0]);
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s", 2), cancellationToken: Cancel);
        await FireAsync();
        Assert.Single(await _world.SentAsync());

        await _world.Gate.EndAsync(running, ScheduleWorld.Ended(running), Cancel);
        await FireAsync();
        await FireAsync();
        Assert.Equal(2, (await _world.SentAsync()).Length);
        Assert.Equal(1, (await _world.CursorAsync("s")).Succeeded);
    }

    [Fact]
    public async Task Firing_WithADefinitionThatWasChangedMeanwhile_DoesNotSetTheCursorBack()
    {
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s") with { Overlap = OverlapPolicy.Allow() }, cancellationToken: Cancel);
        var changing = new ChangingState(_world.State);
        var firer = _world.NewFirer(_world.Clock, store: new ScheduleStore(changing));
        _world.Clock.Advance(TimeSpan.FromSeconds(1));
        changing.BeforeGet = async key =>
        {
            // Between its two reads the definition changes, and another node fires it.
            if (changing.Gets == 2)
            {
                await _world.Client.PutAsync(ScheduleWorld.EverySecond("s", 2) with { Overlap = OverlapPolicy.Allow() }, cancellationToken: Cancel);
                _world.Clock.Advance(TimeSpan.FromSeconds(1));
                await _world.Firer.FireAsync("s", Cancel);
            }
        };
        await firer.FireAsync("s", Cancel);

        var version = (await _world.Client.GetAsync("s", Cancel))!.Version;
        var cursor = await _world.CursorAsync("s");
        Assert.Equal((version, ScheduleWorld.Start.AddSeconds(2), 1), (cursor.Version, cursor.Cursor, cursor.Fired));
    }

    [Fact]
    public async Task ClaimOfAnEarlierVersion_ThatWasNotSent_IsGivenUpAndRecorded()
    {
        var firer = _world.NewFirer(_world.Clock, new FailingQueues(_world.Queues) { IsAway = true });
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s"), cancellationToken: Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(1));
        await firer.FireAsync("s", Cancel);
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s", 600), cancellationToken: Cancel);
        await _world.Firer.FireAsync("s", Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(5));
        await _world.Firer.FireAsync("s", Cancel);

        Assert.Equal(("s@1@1893456001000", SkipReason.Superseded), (Assert.Single(_world.Records).Run, Assert.Single(_world.Records).Error));
        Assert.Empty((await _world.CursorAsync("s")).Open);
        Assert.Equal(1, (await _world.CursorAsync("s")).Skipped);
        Assert.Empty(await _world.SentAsync());
    }

    [Fact]
    public async Task Cancelling_ThatADeadNodeDidNotComeTo_IsDoneWithTheMessage()
    {
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s", 60) with { Overlap = OverlapPolicy.CancelRunning }, cancellationToken: Cancel);
        OpenOccurrence[] open = [new("s@1@1", ScheduleWorld.Start, "jobs", null), new("s@1@2", ScheduleWorld.Start, "jobs", ScheduleWorld.Start)];
        await _world.Store.WriteCursorAsync("s", new CursorDocument { Version = 1, Cursor = ScheduleWorld.Start, Open = open, Fired = 2 }, 0, Cancel);
        await _world.Firer.FireAsync("s", Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(5));
        await _world.Firer.FireAsync("s", Cancel);

        Assert.Equal(["s@1@1"], _world.Cancelled);
        Assert.Equal(["s@1@2"], await _world.SentAsync());
    }

    [Fact]
    public async Task SentAgain_LongAfterItHasEnded_IsNotRunAgain()
    {
        await _world.Queues.CreateQueueAsync("jobs", JobQueues.Settings, Cancel);
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s"), cancellationToken: Cancel);
        await FireAsync();
        var id = (await _world.SentAsync())[0];
        await using var receiver = await _world.Queues.OpenReceiverAsync("jobs", new ReceiverOptions(), Cancel);
        var deliveries = new Delivery[1];
        Assert.Equal(1, await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Cancel));
        await _world.Gate.EndAsync(ScheduleWorld.OccurrenceOf(id), ScheduleWorld.Ended(ScheduleWorld.OccurrenceOf(id)), Cancel);
        await _world.Queues.SettleAsync("jobs", new[] { Settlement.Complete(deliveries[0].Token) }, default, Cancel);

        // A node stood still before its message for longer than the queue remembers ids.
        _world.Clock.Advance(TimeSpan.FromHours(3));
        await new OccurrenceSender(_world.Queues, _world.Queues, (_, _) => default, (_, _) => default, _world.Clock, "late")
            .SendAsync((await _world.Store.ReadAsync("s", Cancel))!.Value.Value, [new OpenOccurrence(id, ScheduleWorld.Start.AddSeconds(1), "jobs", null)], Cancel);

        Assert.Equal(1, await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Cancel));
        Assert.Equal(OccurrenceAction.Drop, (await _world.Gate.BeginAsync(ScheduleWorld.OccurrenceOf(id), Cancel)).Action);
    }

    private async Task FireAsync()
    {
        _world.Clock.Advance(TimeSpan.FromSeconds(1));
        await _world.Firer.FireAsync("s", Cancel);
    }
}
