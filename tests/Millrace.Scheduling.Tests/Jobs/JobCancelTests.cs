using Millrace.Hosting;
using Millrace.Scheduling.Jobs;
using Millrace.Testing;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>Jobs that are cancelled or put to another time.</summary>
public sealed class JobCancelTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("memory", true)]
    [InlineData("file", false)]
    [InlineData("sqlite", false)]
    public async Task AJobThatRuns_HasItsTokenCancelled_AndCountsAsCancelled(string backend, bool track)
    {
        var entered = new TaskCompletionSource();
        await using var site = await JobSite.OpenAsync(backend, options => options.Jobs.Add<Note>(async (_, _, token) =>
        {
            entered.SetResult();
            await Task.Delay(Timeout.Infinite, token);
        }));
        await using var worker = await site.StartAsync();
        var sent = await site.Jobs.EnqueueAsync(new Note(1), new JobOptions { Track = track }, Token);
        await entered.Task.WaitAsync(Token);

        Assert.Equal(CancelOutcome.Requested, await site.Jobs.CancelAsync(sent.Id, cancellationToken: Token));

        Assert.Equal(RunOutcome.Cancelled, Assert.Single(await site.WaitForRunsAsync(1)).Outcome);
        await worker.StopAsync(Token);
        Assert.Null(await site.Admin.GetMessageAsync("jobs", sent.Id, Token));
        Assert.Empty((await site.State.ListAsync("!cancel!", null, 10, Token)).Documents);
        Assert.Equal(track ? JobState.Cancelled : null, (await site.Jobs.GetAsync(sent.Id, cancellationToken: Token))?.State);
        Assert.Equal(CancelOutcome.NotFound, await site.Jobs.CancelAsync(sent.Id, cancellationToken: Token));
    }

    [Fact]
    public async Task APlainJobThatWaits_IsRemoved_AndRecorded()
    {
        await using var site = await JobSite.OpenAsync();
        var sent = await site.Jobs.ScheduleAsync(new Note(1), TimeSpan.FromHours(1), cancellationToken: Token);

        Assert.Equal(JobState.Waiting, (await site.Jobs.GetAsync(sent.Id, cancellationToken: Token))!.State);
        Assert.Equal(CancelOutcome.Cancelled, await site.Jobs.CancelAsync(sent.Id, cancellationToken: Token));

        Assert.Equal(RunOutcome.Cancelled, Assert.Single(await site.WaitForRunsAsync(1)).Outcome);
        Assert.Null(await site.Jobs.GetAsync(sent.Id, cancellationToken: Token));
        Assert.Equal(CancelOutcome.NotFound, await site.Jobs.CancelAsync(sent.Id, cancellationToken: Token));
    }

    [Fact]
    public async Task ATrackedJobThatWaits_DoesNotRun_AndIsFollowedAsAfterAFailure()
    {
        var ran = new List<int>();
        var followed = new TaskCompletionSource<int>();
        await using var site = await JobSite.OpenAsync(configure: options =>
        {
            options.Jobs.Add<Note>((note, _, _) =>
            {
                ran.Add(note.Number);
                return Task.CompletedTask;
            });
            options.Jobs.Add<Following>((job, _, _) =>
            {
                followed.SetResult(job.Number);
                return Task.CompletedTask;
            });
        });
        var options = new JobOptions { Track = true }.Then(new Following(2), ContinuationOn.Failed).Then(new Following(3));
        var sent = await site.Jobs.ScheduleAsync(new Note(1), TimeSpan.FromHours(1), options, Token);

        Assert.Equal(CancelOutcome.Cancelled, await site.Jobs.CancelAsync(sent.Id, cancellationToken: Token));
        await using var worker = await site.StartAsync();

        Assert.Equal(2, await followed.Task.WaitAsync(Token));
        Assert.Equal(JobState.Cancelled, (await site.WaitForAsync(sent.Id, job => job.HasEnded)).State);
        Assert.Empty(ran);
    }

    [Fact]
    public async Task AJobThatWaits_CanBeMadeDueNow()
    {
        var ran = new TaskCompletionSource();
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>((_, _, _) =>
        {
            ran.SetResult();
            return Task.CompletedTask;
        }));
        await using var worker = await site.StartAsync();
        var sent = await site.Jobs.ScheduleAsync(new Note(1), TimeSpan.FromHours(1), new JobOptions { Track = true }, Token);
        var due = site.Jobs.Environment.Now.AddHours(2);

        Assert.True(await site.Jobs.RescheduleAsync(sent.Id, due, cancellationToken: Token));
        Assert.Equal(due, (await site.Jobs.GetAsync(sent.Id, cancellationToken: Token))!.DueAt!.Value, TimeSpan.FromSeconds(10));
        Assert.True(await site.Jobs.RescheduleAsync(sent.Id, TimeSpan.Zero, cancellationToken: Token));

        await ran.Task.WaitAsync(Token);
        var ended = await site.WaitForAsync(sent.Id, job => job.HasEnded);
        var run = Assert.Single(await site.WaitForRunsAsync(1));
        Assert.Equal(ended.DueAt!.Value, run.ScheduledAt, TimeSpan.FromMicroseconds(1));
        Assert.True(run.ScheduledAt <= run.StartedAt);
        await worker.StopAsync(Token);
        Assert.False(await site.Jobs.RescheduleAsync(sent.Id, TimeSpan.Zero, cancellationToken: Token));
        Assert.Empty((await site.State.ListAsync("!moved!", null, 10, Token)).Documents);
    }

    [Fact]
    public async Task AWorker_HearsOfAJobThatIsPutToAnotherTime()
    {
        await using var site = await JobSite.OpenAsync();
        var sent = await site.Jobs.ScheduleAsync(new Note(1), TimeSpan.FromHours(1), cancellationToken: Token);
        var heard = new TaskCompletionSource<string>();
        var moves = new JobMarks(site.State, JobKeys.Moves, TimeProvider.System, heard.SetResult);
        await moves.LoadAsync();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var watching = moves.WatchAsync(new LoopTokens(end.Token, end.Token));

        Assert.True(await site.Jobs.RescheduleAsync(sent.Id, TimeSpan.FromHours(2), cancellationToken: Token));

        Assert.Equal(sent.Id.ToString(), await heard.Task.WaitAsync(Token));
        Assert.True(moves.Contains(sent.Id.ToString()));
        await end.CancelAsync();
        await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    [Theory]
    [InlineData(false, 5, 1)]
    [InlineData(true, 5, 1)]
    [InlineData(false, 1, 5)]
    [InlineData(true, 1, 5)]
    public async Task AJobThatIsPutToAnotherTime_WasDueThen(bool track, int minutes, int insteadMinutes)
    {
        var clock = new ManualTimeProvider();
        var dueAt = new TaskCompletionSource<DateTimeOffset>();
        await using var site = await JobSite.OpenAsync(configure: options =>
        {
            options.TimeProvider = clock;
            options.Jobs.Add<Note>((_, context, _) =>
            {
                dueAt.SetResult(context.DueAt);
                return Task.CompletedTask;
            });
        });
        var due = clock.GetUtcNow().AddMinutes(insteadMinutes);
        var sent = await site.Jobs.ScheduleAsync(new Note(1), TimeSpan.FromMinutes(minutes), new JobOptions { Track = track }, Token);

        Assert.True(await site.Jobs.RescheduleAsync(sent.Id, TimeSpan.FromMinutes(insteadMinutes), cancellationToken: Token));
        clock.Advance(TimeSpan.FromMinutes(insteadMinutes));
        await using var worker = await site.StartAsync();

        Assert.Equal(due, await dueAt.Task.WaitAsync(Token));
        var run = Assert.Single(await site.WaitForRunsAsync(1));
        Assert.Equal((due, due), (run.ScheduledAt, run.StartedAt));
        await worker.StopAsync(Token);
        Assert.Empty((await site.State.ListAsync("!moved!", null, 10, Token)).Documents);
    }
}
