using Millrace.Scheduling.Schedules;
using Millrace.Scheduling.Triggers;
using Xunit;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>What users do with schedules.</summary>
public sealed class ScheduleClientTests : IAsyncDisposable
{
    private readonly ScheduleWorld _world = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Put_OfANewOne_CreatesItAndTellsOfIt()
    {
        var noticed = new List<string>();
        _world.Client.OnChanged = noticed.Add;
        Assert.Equal(ScheduleChange.Created, await _world.Client.PutAsync(ScheduleWorld.EverySecond("s", 10), "file:x", Cancel));

        var info = await _world.Client.GetAsync("s", Cancel);
        Assert.Equal((1, "file:x", ScheduleStatus.Active, 0), (info!.Version, info.Source, info.Status, info.Fired));
        Assert.Equal(ScheduleWorld.Start, info.CreatedAt);
        Assert.Equal(ScheduleWorld.Start.AddSeconds(10), info.NextDue);
        Assert.Equal(["s"], noticed);
        Assert.Contains("s", (await _world.Store.ReadChangesAsync(Cancel)).Value.Names);
        Assert.Null(await _world.Client.GetAsync("t", Cancel));
    }

    [Fact]
    public async Task Put_OfTheSameAgain_ChangesNothing()
    {
        var start = new DateTimeOffset(2031, 1, 1, 2, 0, 0, TimeSpan.FromHours(2));
        var definition = ScheduleWorld.EverySecond("s") with { Start = start, Metadata = new Dictionary<string, string> { ["b"] = "1", ["a"] = "2" }, Target = Job(" {\"a\": 1}\n") };
        await _world.Client.PutAsync(definition, cancellationToken: Cancel);
        var revision = (await _world.Store.ReadAsync("s", Cancel))!.Value.Revision;
        _world.Clock.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(ScheduleChange.Unchanged, await _world.Client.PutAsync(definition, cancellationToken: Cancel));
        var reordered = definition with { Metadata = new Dictionary<string, string> { ["a"] = "2", ["b"] = "1" }, Start = start.ToUniversalTime() };
        Assert.Equal(ScheduleChange.Unchanged, await _world.Client.PutAsync(reordered, cancellationToken: Cancel));
        Assert.Equal(revision, (await _world.Store.ReadAsync("s", Cancel))!.Value.Revision);
    }

    [Fact]
    public async Task Put_OfWhatIsDoneOrWhen_RaisesTheVersion_AndOfOtherThingsDoesNot()
    {
        var definition = ScheduleWorld.EverySecond("s");
        await _world.Client.PutAsync(definition, cancellationToken: Cancel);
        var version = (await _world.Client.GetAsync("s", Cancel))!.Version;
        ScheduleDefinition[] others =
        [
            definition with { Description = "D" }, definition with { Tags = ["t"] }, definition with { Priority = 7 }, definition with { MaxRuns = 5 },
            definition with { Overlap = OverlapPolicy.BufferOne }, definition with { Misfire = MisfirePolicy.Skip }, definition with { Retry = JobRetry.None }, definition with { IsEnabled = false },
        ];
        foreach (var other in others)
        {
            Assert.Equal(ScheduleChange.Updated, await _world.Client.PutAsync(other, cancellationToken: Cancel));
            Assert.Equal(version, (await _world.Client.GetAsync("s", Cancel))!.Version);
        }

        ScheduleDefinition[] changes =
        [
            ScheduleWorld.EverySecond("s", 2), definition with { Target = Job("1") }, definition with { Start = ScheduleWorld.Start }, definition with { End = ScheduleWorld.Start.AddDays(1) },
            definition with { Jitter = TimeSpan.FromSeconds(1) },
        ];
        foreach (var change in changes)
        {
            _world.Clock.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(ScheduleChange.Updated, await _world.Client.PutAsync(change, cancellationToken: Cancel));
            var stored = (await _world.Store.ReadAsync("s", Cancel))!.Value.Value;
            Assert.True(stored.Version > version);
            Assert.Equal(_world.Clock.GetUtcNow(), stored.Since);
            version = stored.Version;
        }
    }

    [Fact]
    public async Task Put_OfOneThatIsNeverDue_IsRefused()
    {
        var past = ScheduleWorld.EverySecond("s") with { Trigger = Trigger.Once(ScheduleWorld.Start.AddDays(-1)) };
        var refused = await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await _world.Client.PutAsync(past, cancellationToken: Cancel));

        Assert.Contains("'s' is never due", refused.Message, StringComparison.Ordinal);
        Assert.Null(await _world.Client.GetAsync("s", Cancel));
    }

    [Fact]
    public async Task PutMany_WithInvalidOnes_RefusesThemAlone()
    {
        ScheduleDefinition[] definitions =
            [ScheduleWorld.EverySecond("a"), ScheduleWorld.EverySecond("b@"), ScheduleWorld.EverySecond("c") with { Priority = 10 }, ScheduleWorld.EverySecond("d")];
        var results = await _world.Client.PutManyAsync(definitions, cancellationToken: Cancel);

        Assert.Equal(["a", "b@", "c", "d"], results.Select(result => result.Name));
        Assert.Equal([true, false, false, true], results.Select(result => result.Error is null));
        Assert.Equal([ScheduleChange.Created, ScheduleChange.Unchanged, ScheduleChange.Unchanged, ScheduleChange.Created], results.Select(result => result.Change));
        Assert.IsType<InvalidNameException>(results[1].Error);
        Assert.Equal(["a", "d"], (await _world.Client.ListAsync(cancellationToken: Cancel)).Select(info => info.Definition.Name));
    }

    [Fact]
    public async Task PutMany_OfSeveralWithOneName_DefinesNoneOfThem()
    {
        var results = await _world.Client.PutManyAsync([ScheduleWorld.EverySecond("a"), ScheduleWorld.EverySecond("b"), ScheduleWorld.EverySecond("a", 2)], cancellationToken: Cancel);

        Assert.All([results[0], results[2]], result => Assert.Contains("'a' is defined 2 times", result.Error!.Message, StringComparison.Ordinal));
        Assert.Equal(["b"], (await _world.Client.ListAsync(cancellationToken: Cancel)).Select(info => info.Definition.Name));
    }

    [Fact]
    public async Task RunNow_UsesUpNoneOfTheRunsOfTheSchedule()
    {
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s") with { MaxRuns = 2, Overlap = OverlapPolicy.Allow() }, cancellationToken: Cancel);
        await _world.Client.RunNowAsync("s", Cancel);
        await _world.Client.RunNowAsync("s", Cancel);
        var asked = (await _world.Client.GetAsync("s", Cancel))!;
        _world.Clock.Advance(TimeSpan.FromSeconds(5));
        await _world.Firer.FireAsync("s", Cancel);
        var ended = (await _world.Client.GetAsync("s", Cancel))!;

        Assert.Equal((ScheduleStatus.Active, 2), (asked.Status, asked.Fired));
        Assert.Equal((ScheduleStatus.Ended, 4), (ended.Status, ended.Fired));
    }

    [Fact]
    public async Task PutMany_OfMoreThanAnnouncementsName_TellsThatAnythingMayHaveChanged()
    {
        var before = (await _world.Store.ReadChangesAsync(Cancel)).Value.Count;
        await _world.Client.PutManyAsync([.. Enumerable.Range(0, 1000).Select(i => ScheduleWorld.EverySecond($"s{i:D4}"))], cancellationToken: Cancel);

        Assert.Null((await _world.Store.ReadChangesAsync(Cancel)).Value.Since(before));
        Assert.Equal(1000, (await _world.Client.ListAsync(limit: 1000, cancellationToken: Cancel)).Count);
    }

    [Fact]
    public async Task Pause_StopsFiring_AndResumeLeavesTheRestToTheMisfirePolicy()
    {
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s") with { Misfire = MisfirePolicy.FireAll(2) with { Grace = MisfirePolicy.ShortestGrace }, Overlap = OverlapPolicy.Allow() }, cancellationToken: Cancel);
        Assert.True(await _world.Client.PauseAsync("s", Cancel));
        Assert.True(await _world.Client.PauseAsync("s", Cancel));
        _world.Clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(new Firing(true, (await _world.Store.ReadAsync("s", Cancel))!.Value.Revision, null), await _world.Firer.FireAsync("s", Cancel));
        Assert.Equal((ScheduleStatus.Paused, null), ((await _world.Client.GetAsync("s", Cancel))!.Status, (await _world.Client.GetAsync("s", Cancel))!.NextDue));

        // A new definition leaves the pause.
        await _world.Client.PutAsync((await _world.Client.GetAsync("s", Cancel))!.Definition with { Description = "D" }, cancellationToken: Cancel);
        Assert.Equal(ScheduleStatus.Paused, (await _world.Client.GetAsync("s", Cancel))!.Status);

        Assert.True(await _world.Client.ResumeAsync("s", Cancel));
        _world.Clock.Advance(TimeSpan.FromMilliseconds(1));

        // Two of nine that were missed, and the tenth, which is in time.
        Assert.Equal(3, (await _world.Firer.FireAsync("s", Cancel)).Fired);
        Assert.Equal(7, (await _world.Client.GetAsync("s", Cancel))!.Skipped);
        Assert.False(await _world.Client.PauseAsync("t", Cancel));
        Assert.False(await _world.Client.ResumeAsync("t", Cancel));
    }

    [Fact]
    public async Task Remove_AndDefineAgain_BeginsAnewWithIdsThatNobodyHasUsed()
    {
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s"), cancellationToken: Cancel);
        var first = (await _world.Client.GetAsync("s", Cancel))!.Version;
        _world.Clock.Advance(TimeSpan.FromSeconds(1));
        await _world.Firer.FireAsync("s", Cancel);

        Assert.True(await _world.Client.RemoveAsync("s", Cancel));
        Assert.False(await _world.Client.RemoveAsync("s", Cancel));
        Assert.Null(await _world.State.GetAsync(ScheduleKeys.OfCursor("s"), Cancel));
        Assert.Equal(Firing.Gone, await _world.Firer.FireAsync("s", Cancel));

        Assert.Equal(ScheduleChange.Created, await _world.Client.PutAsync(ScheduleWorld.EverySecond("s"), cancellationToken: Cancel));
        var info = (await _world.Client.GetAsync("s", Cancel))!;
        Assert.True(info.Version > first);
        Assert.Equal((0, 0), (info.Fired, info.OpenRuns.Count));
    }

    [Fact]
    public async Task Remove_HeldUpUntilItIsDefinedAgain_LeavesTheNewCursor()
    {
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s"), cancellationToken: Cancel);
        await _world.State.DeleteAsync(ScheduleKeys.OfDefinition("s"), null, Cancel);

        // The remover stands still here.
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s"), cancellationToken: Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(1));
        await _world.Firer.FireAsync("s", Cancel);
        await _world.Store.RemoveCursorAsync("s", Cancel);

        Assert.Equal(1, (await _world.CursorAsync("s")).Fired);
    }

    [Fact]
    public async Task RunNow_SendsOneMore_AndLeavesTheTriggerAlone()
    {
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("s", 60), cancellationToken: Cancel);
        await _world.Client.PauseAsync("s", Cancel);
        var first = await _world.Client.RunNowAsync("s", Cancel);
        var second = await _world.Client.RunNowAsync("s", Cancel);

        Assert.NotEqual(first, second);
        Assert.Equal([first!, second!], await _world.SentAsync());
        var info = (await _world.Client.GetAsync("s", Cancel))!;
        Assert.Equal([first!, second!], info.OpenRuns);
        await _world.Client.ResumeAsync("s", Cancel);
        Assert.Equal(ScheduleWorld.Start.AddSeconds(60), (await _world.Client.GetAsync("s", Cancel))!.NextDue);
        Assert.Null(await _world.Client.RunNowAsync("t", Cancel));
    }

    [Fact]
    public async Task List_ByPrefixTagStatusAndPages_IsInOrder()
    {
        for (var i = 0; i < 30; i++)
        {
            await _world.Client.PutAsync(ScheduleWorld.EverySecond($"{(i % 2 == 0 ? "a" : "b")}{i:D2}") with { Tags = i % 3 == 0 ? ["third"] : [] }, cancellationToken: Cancel);
        }

        await _world.Client.PauseAsync("a00", Cancel);
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("c") with { IsEnabled = false }, cancellationToken: Cancel);
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("d") with { Trigger = Trigger.Once(ScheduleWorld.Start.AddSeconds(1)) }, cancellationToken: Cancel);
        _world.Clock.Advance(TimeSpan.FromSeconds(1));
        await _world.Firer.FireAsync("d", Cancel);

        Assert.Equal(15, (await NamesAsync(new() { Prefix = "a" })).Count);
        Assert.Equal(["a00", "a06", "a12", "a18", "a24"], await NamesAsync(new() { Prefix = "a", Tag = "third" }));
        Assert.Equal(["a00"], await NamesAsync(new() { Status = ScheduleStatus.Paused }));
        Assert.Equal(["c"], await NamesAsync(new() { Status = ScheduleStatus.Disabled }));
        Assert.Equal(["d"], await NamesAsync(new() { Status = ScheduleStatus.Ended }));
        var pages = new List<string>();
        while (await _world.Client.ListAsync(after: pages.LastOrDefault(), limit: 7, cancellationToken: Cancel) is { Count: > 0 } page)
        {
            pages.AddRange(page.Select(info => info.Definition.Name));
        }

        Assert.Equal(32, pages.Count);
        Assert.Equal(pages.Order(StringComparer.Ordinal), pages);
    }

    [Fact]
    public async Task Orphans_OfASource_AreMarkedAndComeBackWithTheirDefinition()
    {
        await _world.Client.PutManyAsync([ScheduleWorld.EverySecond("a"), ScheduleWorld.EverySecond("b")], "code:app", Cancel);
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("c"), cancellationToken: Cancel);

        Assert.Equal(["b"], await _world.Client.OrphanAsync("code:app", new HashSet<string> { "a" }, Cancel));
        Assert.Equal((ScheduleStatus.Orphaned, null), ((await _world.Client.GetAsync("b", Cancel))!.Status, (await _world.Client.GetAsync("b", Cancel))!.NextDue));
        Assert.Equal(ScheduleStatus.Active, (await _world.Client.GetAsync("c", Cancel))!.Status);

        Assert.Equal(ScheduleChange.Updated, await _world.Client.PutAsync(ScheduleWorld.EverySecond("b"), "code:app", Cancel));
        Assert.Equal((ScheduleStatus.Active, 1), ((await _world.Client.GetAsync("b", Cancel))!.Status, (await _world.Client.GetAsync("b", Cancel))!.Version));
    }

    [Fact]
    public async Task UnreadableDefinition_LeavesTheOthers_AndCanBeDefinedAgainOrRemoved()
    {
        await _world.Client.PutManyAsync([ScheduleWorld.EverySecond("a"), ScheduleWorld.EverySecond("b")], "code:app", Cancel);
        await _world.PutTextAsync(ScheduleKeys.OfDefinition("a"), "{\"version\":\"?\"}");

        Assert.Equal(["b"], await NamesAsync(null));
        Assert.Equal(["b"], await _world.Client.OrphanAsync("code:app", new HashSet<string>(), Cancel));
        var unreadable = await Assert.ThrowsAsync<StorageCorruptException>(async () => await _world.Client.GetAsync("a", Cancel));
        Assert.Contains("!schedule!a", unreadable.Message, StringComparison.Ordinal);
        Assert.Contains("'version'", unreadable.Message, StringComparison.Ordinal);
        Assert.Equal(ScheduleChange.Updated, await _world.Client.PutAsync(ScheduleWorld.EverySecond("a"), cancellationToken: Cancel));
        Assert.NotNull(await _world.Client.GetAsync("a", Cancel));
        await _world.PutTextAsync(ScheduleKeys.OfDefinition("a"), "{");
        Assert.True(await _world.Client.RemoveAsync("a", Cancel));
    }

    [Fact]
    public void Preview_IsByTriggerStartAndEnd()
    {
        var definition = ScheduleWorld.EverySecond("s", 10) with { Start = ScheduleWorld.Start.AddSeconds(20), End = ScheduleWorld.Start.AddSeconds(50) };

        Assert.Equal([20, 30, 40], ScheduleClient.Preview(definition, ScheduleWorld.Start, 100).Select(due => (int)(due - ScheduleWorld.Start).TotalSeconds));
        Assert.Equal(2, ScheduleClient.Preview(definition, ScheduleWorld.Start, 2).Count());
    }

    private static JobTarget Job(string arguments) => new() { Job = "work", Arguments = System.Text.Encoding.UTF8.GetBytes(arguments) };

    private async Task<List<string>> NamesAsync(ScheduleQuery? query) =>
        [.. (await _world.Client.ListAsync(query, limit: 1000, cancellationToken: Cancel)).Select(info => info.Definition.Name)];
}
