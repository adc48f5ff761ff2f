using System.Threading.Channels;
using Millrace.Scheduling.Jobs;
using Millrace.Scheduling.Triggers;
using Millrace.Storage;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>Dead letters of jobs that are put back into their queue (Q12): they run again, whatever documents say of their end.</summary>
public sealed class RedriveTests
{
    private readonly Channel<int> _ran = Channel.CreateUnbounded<int>();
    private readonly Channel<int> _followed = Channel.CreateUnbounded<int>();
    private int _failures = 1;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true, null)]
    [InlineData(false, "key")]
    [InlineData(true, "key")]
    public async Task ARedrivenJob_RunsAgain_AndWhatFollowsItsNewEndIsEnqueued(bool isTracked, string? key)
    {
        await using var site = await OpenAsync();
        await using var worker = await site.StartAsync();
        var options = new JobOptions { Track = isTracked, UniqueKey = key }
            .Then(new Following(1), ContinuationOn.Succeeded).Then(new Following(2), ContinuationOn.Any).Then(new Following(3), ContinuationOn.Failed);
        var sent = await site.Jobs.EnqueueAsync(new Note(7), options, Token);
        await WaitForBurialAsync(site, sent.Id);
        Assert.Equal([2, 3], new[] { await _followed.Reader.ReadAsync(Token), await _followed.Reader.ReadAsync(Token) }.Order());

        Assert.Equal(1, await site.Admin.RedriveAsync("jobs", DeadLetterFilter.All, Token));

        var ended = await site.WaitForAsync(sent.Id, job => job.State == JobState.Succeeded);
        Assert.Equal((isTracked, 1, null), (ended.IsTracked, ended.Attempt, ended.Error));
        Assert.Equal(1, await _followed.Reader.ReadAsync(Token));
        await worker.StopAsync(Token);
        Assert.Equal((2, 0), (_ran.Reader.Count, _followed.Reader.Count));
        Assert.Equal((0, 0), await LeftAsync(site));
        Assert.Equal([RunOutcome.Succeeded, RunOutcome.Failed], await OutcomesAsync(site, sent.Id));
    }

    [Fact]
    public async Task ARedrivenJob_ThatIsRetried_IsStillRun_AndMayBeRedrivenAsOftenAsItFails()
    {
        _failures = 5;
        await using var site = await OpenAsync();
        await using var worker = await site.StartAsync();
        var retry = new JobRetry { MaxAttempts = 2, Kind = RetryDelay.Fixed, Delay = TimeSpan.Zero };
        var sent = await site.Jobs.EnqueueAsync(new Note(7), new JobOptions { UniqueKey = "key", Retry = retry }, Token);

        for (var round = 0; round < 2; round++)
        {
            await WaitForBurialAsync(site, sent.Id);
            Assert.Equal(1, await site.Admin.RedriveAsync("jobs", DeadLetterFilter.All, Token));
        }

        await site.WaitForAsync(sent.Id, job => job.State == JobState.Succeeded);
        await worker.StopAsync(Token);
        Assert.Equal(6, _ran.Reader.Count);
        Assert.Equal((0, 0), await LeftAsync(site));
    }

    [Fact]
    public async Task ARedrivenJob_WhoseKeyIsAnothersByNow_IsADeadLetterAgain_UntilThatHasEnded()
    {
        await using var site = await OpenAsync();
        await using var worker = await site.StartAsync();
        var first = await site.Jobs.EnqueueAsync(new Note(1), new JobOptions { UniqueKey = "key" }, Token);
        await WaitForBurialAsync(site, first.Id);
        var second = await site.Jobs.EnqueueAsync(new Note(2), new JobOptions { UniqueKey = "key", Delay = TimeSpan.FromHours(1), Track = true }, Token);

        Assert.Equal(1, await site.Admin.RedriveAsync("jobs", DeadLetterFilter.All, Token));
        var dead = await DeadLetterAsync(site, first.Id);
        Assert.True(await site.Jobs.RescheduleAsync(second.Id, TimeSpan.Zero, cancellationToken: Token));
        await site.WaitForAsync(second.Id, job => job.HasEnded);
        Assert.Equal(1, await site.Admin.RedriveAsync("jobs", DeadLetterFilter.All, Token));

        await site.WaitForAsync(first.Id, job => job.State == JobState.Succeeded);
        Assert.Equal("unique-key-taken", dead.Reason);
        Assert.Contains(second.Id.ToString(), dead.LastError!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ARedrivenMemberOfABatch_RunsAgain_ThoughItsBatchHasEnded()
    {
        await using var site = await OpenAsync();
        await using var worker = await site.StartAsync();
        var batch = await site.Jobs.StartBatchAsync([new Note(7)], new Following(1), cancellationToken: Token);
        Assert.Equal(1, await _followed.Reader.ReadAsync(Token));
        await WaitForBurialAsync(site, batch.Jobs[0]);

        Assert.Equal(1, await site.Admin.RedriveAsync("jobs", DeadLetterFilter.All, Token));

        await site.WaitForAsync(batch.Jobs[0], job => job.State == JobState.Succeeded);
        await worker.StopAsync(Token);
        Assert.Equal((2, 0), (_ran.Reader.Count, _followed.Reader.Count));
        Assert.Equal(new JobBatchEnd(batch.Id, 1, 1), await site.Jobs.GetBatchAsync(batch.Id, Token));
    }

    [Theory]
    [InlineData("kept")]
    [InlineData("changed")]
    [InlineData("removed")]
    public async Task ARedrivenOccurrence_RunsAgain_AndIsCounted(string schedule)
    {
        await using var site = await OpenAsync();
        await using var worker = await site.StartAsync();
        var definition = new ScheduleDefinition
        {
            Name = "s",
            Trigger = Trigger.Daily(new TimeOnly(3, 0)),
            Target = site.Jobs.TargetOf(new Note(7)),
            Retry = JobRetry.None,
        };
        await site.Mill.Schedules.PutAsync(definition, cancellationToken: Token);
        var run = (await site.Mill.Schedules.RunNowAsync("s", Token))!;
        await WaitForBurialAsync(site, run);
        if (schedule == "changed")
        {
            await site.Mill.Schedules.PutAsync(definition with { Trigger = Trigger.Daily(new TimeOnly(4, 0)) }, cancellationToken: Token);
        }
        else if (schedule == "removed")
        {
            await site.Mill.Schedules.RemoveAsync("s", Token);
        }

        Assert.Equal(1, await site.Admin.RedriveAsync("jobs", DeadLetterFilter.All, Token));

        await site.WaitForAsync(run, job => job.State == JobState.Succeeded);
        await worker.StopAsync(Token);
        Assert.Equal(2, _ran.Reader.Count);
        Assert.Equal([RunOutcome.Succeeded, RunOutcome.Failed], await OutcomesAsync(site, run));
        if (schedule != "removed")
        {
            var info = (await site.Mill.Schedules.GetAsync("s", Token))!;
            Assert.Equal((1, 1, 0), (info.Failed, info.Succeeded, info.OpenRuns.Count));
        }
    }

    private Task<JobSite> OpenAsync() => JobSite.OpenAsync(configure: options =>
    {
        options.Jobs.Add<Note>(
            (note, _, _) =>
            {
                _ran.Writer.TryWrite(note.Number);
                return Interlocked.Decrement(ref _failures) >= 0 ? throw new InvalidOperationException("no") : Task.CompletedTask;
            },
            job => job.Retry = JobRetry.None);
        options.Jobs.Add<Following>((next, _, token) => _followed.Writer.WriteAsync(next.Number, token).AsTask());
    });

    /// <summary>Waits until a job's message is a dead letter, and its record says so.</summary>
    private static async Task WaitForBurialAsync(JobSite site, MessageId id)
    {
        await DeadLetterAsync(site, id);
        while (true)
        {
            var revision = (await site.State.ListAsync("!job!", null, 1, Token)).Revision;
            if (await site.State.GetAsync(JobKeys.OfJob(id.ToString()), Token) is { } document && JobDocuments.ReadJob(document.Value).Buried)
            {
                return;
            }

            await site.State.WaitForChangeAsync("!job!", revision, Token);
        }
    }

    private static async Task<DeadLetterInfo> DeadLetterAsync(JobSite site, MessageId id)
    {
        while (true)
        {
            if ((await site.Admin.GetMessageAsync("jobs!dead", id, Token))?.Message.DeadLetter is { } dead)
            {
                return dead;
            }

            await Task.Delay(1, Token);
        }
    }

    private static async Task<(long Waiting, long Dead)> LeftAsync(JobSite site)
    {
        var stats = await site.Admin.GetStatsAsync("jobs", Token);
        return (stats.Ready + stats.Scheduled + stats.Leased, stats.Dead);
    }

    private static async Task<IEnumerable<RunOutcome>> OutcomesAsync(JobSite site, MessageId id) =>
        (await site.Jobs.History.ListAsync(new RunQuery { Run = id.ToString() }, Token)).Runs.Select(run => run.Outcome);
}
