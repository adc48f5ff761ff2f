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

    private Scheduler NewScheduler(params ScheduleDefinition[] schedules) => new(
        _world.Client,
        new ScheduleNode(_world.Store, _world.Firer, _world.Clock, _world.Logger, 64),
        new SchedulerOptions { Application = "app", Schedules = schedules },
        _world.Clock,
        _world.Logger);
}
