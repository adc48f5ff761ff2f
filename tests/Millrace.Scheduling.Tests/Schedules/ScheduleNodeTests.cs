using Millrace.Scheduling.Schedules;
using Millrace.Scheduling.Triggers;
using Xunit;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>Nodes with their real loops: when they wake, and what they look at.</summary>
public sealed class ScheduleNodeTests : IAsyncDisposable
{
    // Who looks at what somebody else has done looks a little later.
    private static readonly TimeSpan AfterAPendingOne = ScheduleFirer.PendingTooLong + TimeSpan.FromMilliseconds(50);

    private readonly ScheduleWorld _world = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Node_SleepsUntilTheFirstDueTime_AndFiresThen()
    {
        await _world.Client.PutAsync(Allowing("s", 10), cancellationToken: Cancel);
        var node = await _world.StartNodeAsync();
        await _world.AsleepAsync();

        Assert.Equal(TimeSpan.FromSeconds(10), _world.Clock.UntilNextTimer);
        Assert.Equal((1, ScheduleWorld.Start.AddSeconds(10)), (node.Stats.Count, node.Stats.FirstDue));
        _world.Clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(["s@1@1893456010000"], await _world.SentAsync(1));
        await ScheduleWorld.WhenAsync(() => node.Stats is { Fired: 1, FirstDue: { } next } && next == ScheduleWorld.Start.AddSeconds(20));
    }

    [Fact]
    public async Task Node_WithNothingDue_LooksAtItsClockEachMinuteOnly()
    {
        await _world.Client.PutAsync(Allowing("s", 86_400), cancellationToken: Cancel);
        await _world.StartNodeAsync();
        await _world.AsleepAsync();

        Assert.Equal(TimeSpan.FromMinutes(1), _world.Clock.UntilNextTimer);
    }

    [Fact]
    public async Task EarlierSchedule_AddedByAnotherNode_WakesTheNode()
    {
        await _world.Client.PutAsync(Allowing("late", 50), cancellationToken: Cancel);
        var node = await _world.StartNodeAsync();
        await _world.AsleepAsync();

        // Announced through the store alone.
        await _world.Client.PutAsync(Allowing("early", 5), cancellationToken: Cancel);
        await ScheduleWorld.WhenAsync(() => node.Stats.FirstDue == ScheduleWorld.Start.AddSeconds(5));
        await ScheduleWorld.WhenAsync(() => _world.Clock.UntilNextTimer == TimeSpan.FromSeconds(5));
        _world.Clock.Advance(TimeSpan.FromSeconds(5));

        Assert.StartsWith("early@", Assert.Single(await _world.SentAsync(1)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task PausedAndRemovedSchedules_AreNotFired_AndResumedOnesAre()
    {
        await _world.Client.PutManyAsync([Allowing("a", 10), Allowing("b", 10), Allowing("c", 20)], cancellationToken: Cancel);
        var node = await _world.StartNodeAsync();
        await _world.Client.PauseAsync("a", Cancel);
        await _world.Client.RemoveAsync("b", Cancel);
        await ScheduleWorld.WhenAsync(() => node.Stats.Count == 2 && node.Stats.FirstDue == ScheduleWorld.Start.AddSeconds(20));
        await ScheduleWorld.WhenAsync(() => _world.Clock.UntilNextTimer == TimeSpan.FromSeconds(20));
        _world.Clock.Advance(TimeSpan.FromSeconds(20));
        Assert.StartsWith("c@", Assert.Single(await _world.SentAsync(1)), StringComparison.Ordinal);

        await _world.Client.ResumeAsync("a", Cancel);
        Assert.Equal(2, (await _world.SentAsync(3)).Count(id => id.StartsWith("a@", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task DisabledSchedules_AreNotFired_UntilTheyAreEnabled()
    {
        var disabled = Allowing("off", 10) with { IsEnabled = false };
        await _world.Client.PutManyAsync([disabled, Allowing("on", 20)], cancellationToken: Cancel);
        var node = await _world.StartNodeAsync();
        await ScheduleWorld.WhenAsync(() => _world.Clock.UntilNextTimer == TimeSpan.FromSeconds(20));
        _world.Clock.Advance(TimeSpan.FromSeconds(20));
        Assert.StartsWith("on@", Assert.Single(await _world.SentAsync(1)), StringComparison.Ordinal);

        await _world.Client.PutAsync(disabled with { IsEnabled = true }, cancellationToken: Cancel);
        await ScheduleWorld.WhenAsync(() => node.Stats.FirstDue == ScheduleWorld.Start.AddSeconds(30));
        await ScheduleWorld.WhenAsync(() => _world.Clock.UntilNextTimer == TimeSpan.FromSeconds(10));
        _world.Clock.Advance(TimeSpan.FromSeconds(10));

        Assert.Contains(await _world.SentAsync(2), id => id.StartsWith("off@", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ChangeOfVeryMany_IsFoundByAFullRead()
    {
        var node = await _world.StartNodeAsync();
        await _world.Client.PutManyAsync([.. Enumerable.Range(0, 500).Select(i => Allowing($"s{i}", 60))], cancellationToken: Cancel);

        await ScheduleWorld.WhenAsync(() => node.Stats.Count == 500 && node.Stats.FirstDue == ScheduleWorld.Start.AddSeconds(60));
    }

    [Fact]
    public async Task UnreadableDocuments_LeaveTheOthersFiring()
    {
        await _world.Client.PutManyAsync([Allowing("a", 10), Allowing("b", 10), Allowing("c", 10)], cancellationToken: Cancel);
        await _world.PutTextAsync(ScheduleKeys.OfDefinition("a"), "{}");
        await _world.PutTextAsync(ScheduleKeys.OfCursor("b"), "nonsense");
        await _world.StartNodeAsync();
        await _world.AdvanceAsync(TimeSpan.FromSeconds(10));

        Assert.StartsWith("c@", Assert.Single(await _world.SentAsync(1)), StringComparison.Ordinal);
        await ScheduleWorld.WhenAsync(() => _world.Logger.Entries.Any(entry => entry.Id == 1413 && entry.Text.Contains("'a'", StringComparison.Ordinal))
            && _world.Logger.Entries.Count(entry => entry.Id == 1413 && entry.Text.Contains("'b'", StringComparison.Ordinal)) >= 2);

        // They are not tried every second.
        await _world.AdvanceAsync(TimeSpan.FromSeconds(5));
        await _world.AsleepAsync();
        Assert.Equal(0, _world.Logger.Count(1414));
        Assert.InRange(_world.Logger.Count(1413), 3, 3);
    }

    [Fact]
    public async Task ClockSetForward_IsNoticedWithinAMinute()
    {
        var clock = new ShiftedTime(_world.Clock);
        await _world.Client.PutAsync(Allowing("s", 3600), cancellationToken: Cancel);
        await _world.StartNodeAsync(clock);
        await _world.AsleepAsync();
        clock.Offset = TimeSpan.FromHours(1);
        _world.Clock.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(["s@1@1893459600000"], await _world.SentAsync(1));
    }

    [Fact]
    public async Task FarthestDueTime_OfAFollower_StopsNoNode()
    {
        var last = new DateTimeOffset(9999, 12, 31, 23, 59, 59, 999, TimeSpan.Zero);
        await _world.Client.PutAsync(Allowing("far", 1) with { Trigger = Trigger.Once(last), Jitter = TimeSpan.FromDays(1) }, cancellationToken: Cancel);
        await _world.Client.PutAsync(Allowing("far2", 1) with { Trigger = Trigger.AnyOf(Trigger.Once(ScheduleWorld.Start.AddSeconds(2)), Trigger.Once(last)) }, cancellationToken: Cancel);
        await _world.Client.PutAsync(Allowing("near", 5), cancellationToken: Cancel);
        await _world.StartNodeAsync();
        await _world.StartNodeAsync();
        await _world.AdvanceAsync(TimeSpan.FromSeconds(2));
        Assert.Single(await _world.SentAsync(1));
        await _world.AdvanceAsync(TimeSpan.FromSeconds(3));

        Assert.Equal(2, (await _world.SentAsync(2)).Length);
    }

    [Fact]
    public async Task TwoNodes_FireEachOccurrenceOnce_AndWhoLosesFollows()
    {
        await _world.Client.PutAsync(Allowing("s", 1), cancellationToken: Cancel);
        var one = await _world.StartNodeAsync();
        var other = await _world.StartNodeAsync();
        for (var i = 1; i <= 20; i++)
        {
            await ScheduleWorld.WhenAsync(() => one.Stats.FirstDue >= ScheduleWorld.Start.AddSeconds(i) && other.Stats.FirstDue >= ScheduleWorld.Start.AddSeconds(i));
            await _world.AsleepAsync();
            _world.Clock.Advance(ScheduleWorld.Start.AddSeconds(i) - _world.Clock.GetUtcNow());
            await _world.SentAsync(i);
            await ScheduleWorld.WhenAsync(() => one.Stats.Fired + other.Stats.Fired == i);

            // The one that follows looks a little later.
            await _world.AsleepAsync();
            _world.Clock.Advance(TimeSpan.FromMilliseconds(60));
        }

        Assert.Equal(20, (await _world.SentAsync()).Length);
        Assert.Equal(20, (await _world.CursorAsync("s")).Fired);
        Assert.True(one.Stats.Fired >= 18 || other.Stats.Fired >= 18, $"{one.Stats.Fired} and {other.Stats.Fired}");
    }

    [Fact]
    public async Task Follower_LooksALittleLaterThanTheOther()
    {
        await _world.Client.PutAsync(Allowing("s", 10), cancellationToken: Cancel);
        var node = await _world.StartNodeAsync();
        await _world.AsleepAsync();

        // Somebody else is faster.
        _world.Clock.Advance(TimeSpan.FromSeconds(9));
        await new ShiftedFirer(_world).FireAsync(TimeSpan.FromSeconds(1));
        await _world.AdvanceAsync(TimeSpan.FromSeconds(1));

        await ScheduleWorld.WhenAsync(() => node.Stats.FirstDue == ScheduleWorld.Start.AddSeconds(20).AddMilliseconds(50));
        Assert.Equal(0, node.Stats.Fired);
    }

    [Fact]
    public async Task ClaimOfADeadNode_IsSentAfterFiveSeconds()
    {
        await _world.Client.PutAsync(Allowing("s", 60), cancellationToken: Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(60));

        // A node dies between its claim and its message.
        var claim = new OpenOccurrence("s@1@1893456060000", ScheduleWorld.Start.AddSeconds(60), "jobs", _world.Clock.GetUtcNow());
        await _world.Store.WriteCursorAsync("s", new CursorDocument { Version = 1, Cursor = claim.Due, Open = [claim], Fired = 1 }, 0, Cancel);
        var node = await _world.StartNodeAsync();
        await ScheduleWorld.WhenAsync(() => node.Stats.FirstDue == _world.Clock.GetUtcNow() + AfterAPendingOne);
        Assert.Empty(await _world.SentAsync());
        await ScheduleWorld.WhenAsync(() => _world.Clock.UntilNextTimer == AfterAPendingOne);
        _world.Clock.Advance(AfterAPendingOne);

        Assert.Equal([claim.Id], await _world.SentAsync(1));
        await ScheduleWorld.WhenAsync(() => node.Stats.FirstDue >= ScheduleWorld.Start.AddSeconds(120));
        Assert.Null((await _world.CursorAsync("s")).Open[0].PendingSince);
        Assert.Equal(1, _world.Logger.Count(1412));
    }

    [Fact]
    public async Task QueueThatIsAway_GetsItsOccurrencesWhenItIsBack()
    {
        var queues = new FailingQueues(_world.Queues) { IsAway = true };
        await _world.Client.PutAsync(Allowing("s", 60), cancellationToken: Cancel);
        var node = await _world.StartNodeAsync(queues: queues);
        await _world.AdvanceAsync(TimeSpan.FromSeconds(60));
        await ScheduleWorld.WhenAsync(() => _world.Logger.Count(1411) == 1);

        // Overdue since it was due.
        await ScheduleWorld.WhenAsync(() => node.Stats.FirstDue == ScheduleWorld.Start.AddSeconds(60));
        queues.IsAway = false;
        await ScheduleWorld.WhenAsync(() => _world.Clock.UntilNextTimer == TimeSpan.FromSeconds(5));
        _world.Clock.Advance(TimeSpan.FromSeconds(5));

        Assert.Single(await _world.SentAsync(1));
        await ScheduleWorld.WhenAsync(() => node.Stats.FirstDue >= ScheduleWorld.Start.AddSeconds(120));
        Assert.Equal((0, 0, 1), (_world.Logger.Count(1412), _world.Logger.Count(1414), _world.Logger.Count(1419)));
    }

    [Fact]
    public async Task LeftoverCursor_IsRemovedAtTheStart()
    {
        await _world.Client.PutAsync(Allowing("s", 60), cancellationToken: Cancel);
        await _world.Store.WriteCursorAsync("gone", new CursorDocument { Version = 1 }, 0, Cancel);
        await _world.Store.WriteCursorAsync("s", new CursorDocument { Version = 1, Cursor = ScheduleWorld.Start }, 0, Cancel);
        await _world.StartNodeAsync();

        Assert.Null(await _world.State.GetAsync(ScheduleKeys.OfCursor("gone"), Cancel));
        Assert.NotNull(await _world.State.GetAsync(ScheduleKeys.OfCursor("s"), Cancel));
    }

    private static ScheduleDefinition Allowing(string name, int seconds) => ScheduleWorld.EverySecond(name, seconds) with { Overlap = OverlapPolicy.Allow() };

    /// <summary>A node whose clock is a little ahead.</summary>
    private sealed class ShiftedFirer(ScheduleWorld world)
    {
        public async Task FireAsync(TimeSpan ahead) =>
            Assert.Equal(1, (await world.NewFirer(new ShiftedTime(world.Clock) { Offset = ahead }).FireAsync("s", Cancel)).Fired);
    }
}
