using Millrace.Scheduling.Schedules;
using Xunit;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>A scheduler from start to stop.</summary>
public sealed class SchedulerTests : IAsyncDisposable
{
    private readonly ScheduleWorld _world = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Start_DefinesWhatTheCodeSays_MarksWhatItDoesNotSayAnyMore_AndFires()
    {
        await using (var first = NewScheduler(ScheduleWorld.EverySecond("a", 60), ScheduleWorld.EverySecond("old", 60)))
        {
            await first.StartAsync(Cancel);
            await first.StopAsync(Cancel);
            await first.Completion;
        }

        await using var second = NewScheduler(ScheduleWorld.EverySecond("a", 60), ScheduleWorld.EverySecond("b@", 60), ScheduleWorld.EverySecond("c", 30));
        await second.StartAsync(Cancel);

        Assert.Equal(["a", "c", "old"], (await _world.Client.ListAsync(cancellationToken: Cancel)).Select(info => info.Definition.Name));
        Assert.Equal((ScheduleStatus.Orphaned, "code:app"), ((await _world.Client.GetAsync("old", Cancel))!.Status, (await _world.Client.GetAsync("old", Cancel))!.Source));
        Assert.Contains(_world.Logger.Entries, entry => entry.Id == 1415 && entry.Text.Contains("'b@'", StringComparison.Ordinal));
        Assert.Contains(_world.Logger.Entries, entry => entry.Id == 1417 && entry.Text.EndsWith("old. Remove them, or define them again.", StringComparison.Ordinal));
        Assert.Equal(2, _world.Logger.Entries.Count(entry => entry.Id == 1416 && entry.Text.Contains("created", StringComparison.Ordinal) && !entry.Text.Contains("'old'", StringComparison.Ordinal)));
        Assert.Equal((3, ScheduleWorld.Start.AddSeconds(30), TimeSpan.Zero), (second.Stats.Schedules, second.Stats.NextDue, second.Stats.Overdue));

        await ScheduleWorld.WhenAsync(() => _world.Clock.ActiveTimers >= 2);
        _world.Clock.Advance(TimeSpan.FromSeconds(30));
        Assert.StartsWith("c@", Assert.Single(await _world.SentAsync(1)), StringComparison.Ordinal);
        await second.StopAsync(Cancel);
        await Assert.ThrowsAsync<InvalidOperationException>(() => second.StartAsync(Cancel));
    }

    [Fact]
    public async Task Start_WithTwoSchedulesOfOneName_IsRefused_AndDefinesNothing()
    {
        await using var scheduler = NewScheduler(ScheduleWorld.EverySecond("a"), ScheduleWorld.EverySecond("twice"), ScheduleWorld.EverySecond("twice", 5));

        Assert.Contains("'twice' 2 times", (await Assert.ThrowsAsync<MillraceConfigurationException>(() => scheduler.StartAsync(Cancel))).Message, StringComparison.Ordinal);
        Assert.Empty(await _world.Client.ListAsync(cancellationToken: Cancel));
    }

    [Fact]
    public async Task ApplicationThatDefinesNoneAnyMore_MarksThoseItDid_AndNoOthers()
    {
        var application = System.Reflection.Assembly.GetEntryAssembly()!.GetName().Name;
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("old"), $"code:{application}", Cancel);
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("other"), "code:other", Cancel);
        await _world.Client.PutAsync(ScheduleWorld.EverySecond("by-hand"), cancellationToken: Cancel);
        await Scheduler.DefineNoneAsync(_world.Client, _world.Logger, Cancel);

        Assert.Equal(
            ["by-hand Active", "old Orphaned", "other Active"],
            (await _world.Client.ListAsync(cancellationToken: Cancel)).Select(info => $"{info.Definition.Name} {info.Status}"));
        Assert.Equal(1, _world.Logger.Count(1417));
    }

    private Scheduler NewScheduler(params ScheduleDefinition[] schedules) => new(
        _world.Client,
        new ScheduleNode(_world.Store, _world.Firer, _world.Clock, _world.Logger, 64),
        new SchedulerOptions { Application = "app", Schedules = schedules },
        _world.Clock,
        _world.Logger);
}
