using Millrace.Scheduling.Schedules;
using Millrace.Scheduling.Triggers;
using Millrace.Storage;
using Xunit;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>Which occurrences may run.</summary>
public sealed class OccurrenceGateTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Begin_OfOneThatIsOpen_RunsWithTheDefinition()
    {
        await using var world = new ScheduleWorld();
        var occurrence = await FireAsync(world, ScheduleWorld.EverySecond("s") with { Description = "D" });

        var verdict = await world.Gate.BeginAsync(occurrence, Cancel);

        Assert.Equal(OccurrenceAction.Run, verdict.Action);
        Assert.Equal("D", verdict.Definition!.Description);
    }

    [Fact]
    public async Task Begin_OfOneThatHasEnded_DropsItForEver()
    {
        await using var world = new ScheduleWorld();
        var occurrence = await FireAsync(world, ScheduleWorld.EverySecond("s"));
        await world.Gate.EndAsync(occurrence, ScheduleWorld.Ended(occurrence), Cancel);

        Assert.Equal(OccurrenceAction.Drop, (await world.Gate.BeginAsync(occurrence, Cancel)).Action);

        // Long after the queue has forgotten its id.
        world.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal(OccurrenceAction.Drop, (await world.Gate.BeginAsync(occurrence, Cancel)).Action);
        Assert.Empty(world.Records);
    }

    [Theory]
    [InlineData(RunOutcome.Succeeded)]
    [InlineData(RunOutcome.Failed)]
    [InlineData(RunOutcome.Cancelled)]
    public async Task End_IsCountedOnce_AndIsTheLastRun(RunOutcome outcome)
    {
        await using var world = new ScheduleWorld();
        var occurrence = await FireAsync(world, ScheduleWorld.EverySecond("s"));
        await world.Gate.EndAsync(occurrence, ScheduleWorld.Ended(occurrence, outcome), Cancel);
        await world.Gate.EndAsync(occurrence, ScheduleWorld.Ended(occurrence, outcome), Cancel);

        var info = await world.Client.GetAsync("s", Cancel);
        Assert.Equal(1, outcome switch { RunOutcome.Succeeded => info!.Succeeded, RunOutcome.Failed => info!.Failed, _ => info!.Cancelled });
        Assert.Equal((1, 1, 0), (info.Succeeded + info.Failed + info.Cancelled, info.Fired, info.Skipped));
        Assert.Equal((outcome, occurrence.Due, occurrence.Due.AddSeconds(1)), (info.LastOutcome, info.LastScheduledAt, info.LastFinishedAt));
        Assert.Empty(info.OpenRuns);
    }

    [Fact]
    public async Task Begin_OfAnEarlierVersionThatHasStarted_LetsItGoOn_UntilItHasEnded()
    {
        await using var world = new ScheduleWorld();
        var occurrence = await FireAsync(world, ScheduleWorld.EverySecond("s")) with { HasStarted = true };
        await world.Client.PutAsync(ScheduleWorld.EverySecond("s", 5) with { Description = "new" }, cancellationToken: Cancel);

        var verdict = await world.Gate.BeginAsync(occurrence, Cancel);
        await world.Gate.EndAsync(occurrence, ScheduleWorld.Ended(occurrence), Cancel);

        Assert.Equal((OccurrenceAction.Run, "new"), (verdict.Action, verdict.Definition!.Description));
        Assert.Equal(OccurrenceAction.Drop, (await world.Gate.BeginAsync(occurrence, Cancel)).Action);
        Assert.Empty(world.Records);
    }

    [Fact]
    public async Task Begin_OfAnEarlierVersion_DropsItAndSaysSo()
    {
        await using var world = new ScheduleWorld();
        var occurrence = await FireAsync(world, ScheduleWorld.EverySecond("s"));
        await world.Client.PutAsync(ScheduleWorld.EverySecond("s", 5), cancellationToken: Cancel);

        Assert.Equal(OccurrenceAction.Drop, (await world.Gate.BeginAsync(occurrence, Cancel)).Action);
        var record = Assert.Single(world.Records);
        Assert.Equal((occurrence.Id, RunOutcome.Skipped, SkipReason.Superseded), (record.Run, record.Outcome, record.Error));
        Assert.Empty((await world.CursorAsync("s")).Open);
    }

    [Fact]
    public async Task Begin_OfAScheduleThatWasRemovedAndDefinedAgain_DropsAlsoWhatHasStarted_AndWhatIsOpenIsNotOfTheNewOne()
    {
        await using var world = new ScheduleWorld();
        var occurrence = await FireAsync(world, ScheduleWorld.EverySecond("s")) with { HasStarted = true };
        var cursor = (await world.State.GetAsync(ScheduleKeys.OfCursor("s"), Cancel))!.Value;
        await world.Client.RemoveAsync("s", Cancel);
        await world.Client.PutAsync(ScheduleWorld.EverySecond("s", 5), cancellationToken: Cancel);

        // As it is where somebody read it before it was removed with its schedule.
        await world.State.PutAsync(ScheduleKeys.OfCursor("s"), cursor, null, Cancel);
        var info = await world.Client.GetAsync("s", Cancel);

        Assert.Equal((0, 0), (info!.Fired, info.OpenRuns.Count));
        Assert.Equal(OccurrenceAction.Drop, (await world.Gate.BeginAsync(occurrence, Cancel)).Action);
        Assert.Equal((occurrence.Id, SkipReason.Superseded), (Assert.Single(world.Records).Run, Assert.Single(world.Records).Error));
    }

    [Fact]
    public async Task Begin_OfARemovedSchedule_DropsIt()
    {
        await using var world = new ScheduleWorld();
        var occurrence = await FireAsync(world, ScheduleWorld.EverySecond("s"));
        await world.Client.RemoveAsync("s", Cancel);

        Assert.Equal(OccurrenceAction.Drop, (await world.Gate.BeginAsync(occurrence, Cancel)).Action);
    }

    [Fact]
    public async Task Begin_OfOneBeyondTheCursor_RunsIt()
    {
        await using var world = new ScheduleWorld();
        var occurrence = await FireAsync(world, ScheduleWorld.EverySecond("s"));

        // The state store has lost the claim.
        await world.State.DeleteAsync(ScheduleKeys.OfCursor("s"), null, Cancel);

        Assert.Equal(OccurrenceAction.Run, (await world.Gate.BeginAsync(occurrence, Cancel)).Action);
    }

    [Fact]
    public async Task Begin_OfOneThatALaterOneCancels_SkipsIt()
    {
        await using var world = new ScheduleWorld();
        var first = await FireAsync(world, ScheduleWorld.EverySecond("s") with { Overlap = OverlapPolicy.CancelRunning });
        var second = await FireNextAsync(world);

        Assert.Equal([first.Id], world.Cancelled);
        Assert.Equal(OccurrenceAction.Drop, (await world.Gate.BeginAsync(first, Cancel)).Action);
        Assert.Equal((first.Id, SkipReason.Overlap), (Assert.Single(world.Records).Run, Assert.Single(world.Records).Error));
        Assert.Equal(OccurrenceAction.Run, (await world.Gate.BeginAsync(second, Cancel)).Action);
        Assert.Equal((2, 1), ((await world.CursorAsync("s")).Fired, (await world.CursorAsync("s")).Skipped));
    }

    [Theory]
    [InlineData(QueueFeatures.All, OccurrenceAction.Run)]
    [InlineData(QueueFeatures.All & ~QueueFeatures.OrderedKeys, OccurrenceAction.PutOff)]
    public async Task Begin_OfTheBufferedOne_IsPutOffWhereTheQueueDoesNotKeepThemApart(QueueFeatures features, object action)
    {
        await using var world = new ScheduleWorld(features);
        var first = await FireAsync(world, ScheduleWorld.EverySecond("s") with { Overlap = OverlapPolicy.BufferOne });
        var second = await FireNextAsync(world);

        Assert.Equal(action, (await world.Gate.BeginAsync(second, Cancel)).Action);
        Assert.Equal(OccurrenceAction.Run, (await world.Gate.BeginAsync(first, Cancel)).Action);
        await world.Gate.EndAsync(first, ScheduleWorld.Ended(first), Cancel);
        Assert.Equal(OccurrenceAction.Run, (await world.Gate.BeginAsync(second, Cancel)).Action);
    }

    [Fact]
    public async Task Begin_OfOneThatSomebodyAskedFor_RunsUntilItHasEnded()
    {
        await using var world = new ScheduleWorld();
        await world.Client.PutAsync(ScheduleWorld.EverySecond("s", 60), cancellationToken: Cancel);
        var occurrence = ScheduleWorld.OccurrenceOf((await world.Client.RunNowAsync("s", Cancel))!);

        Assert.Equal(OccurrenceAction.Run, (await world.Gate.BeginAsync(occurrence, Cancel)).Action);
        await world.Gate.EndAsync(occurrence, ScheduleWorld.Ended(occurrence), Cancel);
        Assert.Equal(OccurrenceAction.Drop, (await world.Gate.BeginAsync(occurrence, Cancel)).Action);
    }

    [Theory]
    [InlineData("skip", QueueFeatures.All, OccurrenceAction.Run)]
    [InlineData("skip", QueueFeatures.All & ~QueueFeatures.OrderedKeys, OccurrenceAction.PutOff)]
    [InlineData("bufferOne", QueueFeatures.All & ~QueueFeatures.OrderedKeys, OccurrenceAction.PutOff)]
    [InlineData("cancelRunning", QueueFeatures.All, OccurrenceAction.Run)]
    [InlineData("cancelRunning", QueueFeatures.All & ~QueueFeatures.OrderedKeys, OccurrenceAction.PutOff)]
    public async Task Begin_OfWhatIsMadeUpFor_IsOneAfterTheOther(string policy, QueueFeatures features, object action)
    {
        await using var world = new ScheduleWorld(features);
        var made = await MissAsync(world, policy);

        Assert.Equal(["s@1@1893456001000", "s@1@1893456002000", "s@1@1893456003000"], made.Select(occurrence => occurrence.Id));
        foreach (var (place, occurrence) in made.Index())
        {
            foreach (var later in made[(place + 1)..])
            {
                Assert.Equal(action, (await world.Gate.BeginAsync(later, Cancel)).Action);
            }

            Assert.Equal(OccurrenceAction.Run, (await world.Gate.BeginAsync(occurrence, Cancel)).Action);
            await world.Gate.EndAsync(occurrence, ScheduleWorld.Ended(occurrence), Cancel);
        }

        Assert.Empty(world.Records);
        Assert.Equal((3, 3, 0), ((await world.CursorAsync("s")).Fired, (await world.CursorAsync("s")).Succeeded, (await world.CursorAsync("s")).Skipped));
    }

    [Fact]
    public async Task Begin_OfWhatIsMadeUpFor_WaitsForOneThatRanBefore()
    {
        await using var world = new ScheduleWorld();
        var running = await FireAsync(world, MakingUp(OverlapPolicy.Skip));
        await world.Client.PauseAsync("s", Cancel);
        world.Clock.Advance(TimeSpan.FromSeconds(60));
        await world.Client.ResumeAsync("s", Cancel);
        await world.Firer.FireAsync("s", Cancel);
        var first = ScheduleWorld.OccurrenceOf((await world.CursorAsync("s")).Open[1].Id);

        // What runs has no ordering key, so the queue cannot keep them apart.
        Assert.Equal(OccurrenceAction.PutOff, (await world.Gate.BeginAsync(first, Cancel)).Action);
        await world.Gate.EndAsync(running, ScheduleWorld.Ended(running), Cancel);
        Assert.Equal(OccurrenceAction.Run, (await world.Gate.BeginAsync(first, Cancel)).Action);
    }

    [Fact]
    public async Task Begin_OfWhatIsMadeUpFor_IsReplacedByOneThatComesDue_WhereThatCancels()
    {
        await using var world = new ScheduleWorld();
        var made = await MissAsync(world, "cancelRunning");
        world.Clock.Advance(TimeSpan.FromSeconds(40));
        var next = await FireNextAsync(world);

        Assert.Equal(made.Select(occurrence => occurrence.Id), world.Cancelled);
        Assert.Equal(OccurrenceAction.Drop, (await world.Gate.BeginAsync(made[1], Cancel)).Action);
        Assert.Equal(SkipReason.Overlap, Assert.Single(world.Records).Error);
        Assert.Equal(OccurrenceAction.Run, (await world.Gate.BeginAsync(next, Cancel)).Action);
    }

    private static ScheduleDefinition MakingUp(OverlapPolicy overlap) =>
        ScheduleWorld.EverySecond("s") with { Overlap = overlap, Misfire = MisfirePolicy.FireAll(3) with { Grace = TimeSpan.FromSeconds(1) } };

    /// <summary>Misses three occurrences, and fires them; another one is due a minute later.</summary>
    private static async Task<List<Occurrence>> MissAsync(ScheduleWorld world, string policy)
    {
        var trigger = Trigger.AnyOf(Trigger.Every(TimeSpan.FromSeconds(1)).Between(ScheduleWorld.Start, ScheduleWorld.Start.AddSeconds(3.5)), Trigger.Once(ScheduleWorld.Start.AddSeconds(60)));
        var overlap = policy switch { "bufferOne" => OverlapPolicy.BufferOne, "cancelRunning" => OverlapPolicy.CancelRunning, _ => OverlapPolicy.Skip };
        await world.Client.PutAsync(MakingUp(overlap) with { Trigger = trigger }, cancellationToken: Cancel);
        world.Clock.Advance(TimeSpan.FromSeconds(20));
        await world.Firer.FireAsync("s", Cancel);
        return [.. (await world.CursorAsync("s")).Open.Select(open => ScheduleWorld.OccurrenceOf(open.Id))];
    }

    private static async Task<Occurrence> FireAsync(ScheduleWorld world, ScheduleDefinition definition)
    {
        await world.Client.PutAsync(definition, cancellationToken: Cancel);
        return await FireNextAsync(world);
    }

    private static async Task<Occurrence> FireNextAsync(ScheduleWorld world)
    {
        world.Clock.Advance(TimeSpan.FromSeconds(1));
        await world.Firer.FireAsync("s", Cancel);
        return ScheduleWorld.OccurrenceOf((await world.CursorAsync("s")).Open[^1].Id);
    }
}
