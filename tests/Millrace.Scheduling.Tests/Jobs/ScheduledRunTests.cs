using Millrace.Scheduling.Triggers;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>Runs of schedules from their firing to their end, by a real worker.</summary>
public sealed class ScheduledRunTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ASchedule_ThatSaysNothingOfRetries_FollowsTheJobsOwnPolicy()
    {
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>((_, _, _) => throw new InvalidOperationException("no"), job => job.Retry = JobRetry.None));
        await using var worker = await site.StartAsync();
        await site.Mill.Schedules.PutAsync(Nightly(site), cancellationToken: Token);

        await site.Mill.Schedules.RunNowAsync("s", Token);

        var run = Assert.Single(await site.WaitForRunsAsync(1));
        Assert.Equal((RunOutcome.Failed, 1), (run.Outcome, run.Attempt));
    }

    [Fact]
    public async Task ARunThatWaitsForItsRetry_GoesOn_WhenTheScheduleIsChanged()
    {
        var attempts = 0;
        var failed = new TaskCompletionSource();
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>((_, _, _) =>
        {
            if (Interlocked.Increment(ref attempts) > 1)
            {
                return Task.CompletedTask;
            }

            failed.SetResult();
            throw new InvalidOperationException("once");
        }));
        await using var worker = await site.StartAsync();
        var definition = Nightly(site) with { Retry = new JobRetry { Kind = RetryDelay.Fixed, Delay = TimeSpan.FromHours(1) } };
        await site.Mill.Schedules.PutAsync(definition, cancellationToken: Token);
        var run = (await site.Mill.Schedules.RunNowAsync("s", Token))!;
        await failed.Task.WaitAsync(Token);
        while (!await site.Jobs.RescheduleAsync(run, TimeSpan.FromHours(2), cancellationToken: Token))
        {
            await Task.Yield();
        }

        await site.Mill.Schedules.PutAsync(definition with { Trigger = Trigger.Daily(new TimeOnly(4, 0)) }, cancellationToken: Token);
        Assert.True(await site.Jobs.RescheduleAsync(run, TimeSpan.Zero, cancellationToken: Token));

        Assert.Equal([RunOutcome.Succeeded, RunOutcome.Retried], (await site.WaitForRunsAsync(2)).Select(record => record.Outcome));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Progress_IsKeptWithTheRun_AndOfATrackedScheduleSeenWhileItRuns(bool track)
    {
        var reported = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>(async (_, context, token) =>
        {
            await context.ReportProgressAsync(0.4, "page 4", token);
            reported.SetResult();
            await go.Task.WaitAsync(token);
            context.SetResult(4);
        }));
        await using var worker = await site.StartAsync();
        await site.Mill.Schedules.PutAsync(Nightly(site) with { Track = track }, cancellationToken: Token);

        var run = (await site.Mill.Schedules.RunNowAsync("s", Token))!;
        await reported.Task.WaitAsync(Token);
        var during = (await site.Jobs.GetAsync(run, cancellationToken: Token))!;
        go.SetResult();

        Assert.Equal((track, JobState.Running, track ? 0.4 : (double?)null, track ? "page 4" : null), (during.IsTracked, during.State, during.Progress, during.ProgressText));
        var record = Assert.Single(await site.WaitForRunsAsync(1));
        Assert.Equal((0.4, "page 4", "4"), (record.Progress, record.ProgressText, record.Result));
        await worker.StopAsync(Token);
        var after = await site.Jobs.GetAsync(run, cancellationToken: Token);
        Assert.Equal(track ? "Succeeded 4" : null, after is null ? null : $"{after.State} {after.Result}");
        Assert.Equal(track ? 0.4 : (double?)null, after?.Progress);
    }

    [Fact]
    public async Task TheRecord_OfATrackedOccurrenceThatDoesNotRun_IsClosed()
    {
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>((_, _, _) => Task.CompletedTask));
        await site.Mill.Schedules.PutAsync(Nightly(site) with { Track = true }, cancellationToken: Token);
        var run = (await site.Mill.Schedules.RunNowAsync("s", Token))!;
        Assert.Equal(JobState.Waiting, (await site.Jobs.GetAsync(run, cancellationToken: Token))!.State);
        await site.Mill.Schedules.PutAsync(Nightly(site) with { Track = true, Trigger = Trigger.Daily(new TimeOnly(4, 0)) }, cancellationToken: Token);

        await using var worker = await site.StartAsync();

        Assert.Equal("skipped", (await site.WaitForAsync(run, job => job.State == JobState.Cancelled)).Error);
    }

    private static ScheduleDefinition Nightly(JobSite site) => new()
    {
        Name = "s",
        Trigger = Trigger.Daily(new TimeOnly(3, 0)),
        Target = site.Jobs.TargetOf(new Note(5)),
    };
}
