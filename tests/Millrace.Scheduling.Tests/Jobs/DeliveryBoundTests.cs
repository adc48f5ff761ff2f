using System.Threading.Channels;
using Millrace.Scheduling.Triggers;
using Millrace.Storage;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>Queues that dead-letter a message after fewer deliveries than retry policies ask for (Q7).</summary>
public sealed class DeliveryBoundTests
{
    private static readonly JobRetry FiveTimes = new() { MaxAttempts = 5, Kind = RetryDelay.Fixed, Delay = TimeSpan.Zero };

    private readonly Channel<int> _followed = Channel.CreateUnbounded<int>();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AWorker_WhoseJobAsksForMoreAttemptsThanItsQueueAllows_IsRefusedAtItsStart()
    {
        await using var site = await OpenAsync(maxAttempts: 3);

        var refused = await Assert.ThrowsAsync<MillraceConfigurationException>(() => site.StartAsync());

        Assert.Contains("'note' asks for 3 attempts", refused.Message, StringComparison.Ordinal);
        Assert.Contains("'jobs' dead-letters a message after 2 deliveries", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AJob_ThatAsksForMoreAttemptsThanItsQueueAllows_HasFailedAfterTheLastOne(bool isTracked)
    {
        await using var site = await OpenAsync(maxAttempts: 2);
        await using var worker = await site.StartAsync();
        var options = new JobOptions { Retry = FiveTimes, Track = isTracked }.Then(new Following(1), ContinuationOn.Failed);

        var sent = await site.Jobs.EnqueueAsync(new Note(1), options, Token);

        Assert.Equal(1, await _followed.Reader.ReadAsync(Token));
        var runs = (await site.WaitForRunsAsync(3)).Where(run => run.Run == sent.Id.ToString()).ToList();
        Assert.Equal([RunOutcome.Failed, RunOutcome.Retried], runs.Select(run => run.Outcome));
        Assert.Equal("max-deliveries: System.InvalidOperationException: no", runs[0].Error);
        await worker.StopAsync(Token);
        Assert.Equal("max-deliveries", (await site.Admin.GetMessageAsync("jobs!dead", sent.Id, Token))!.Message.DeadLetter!.Reason);
        Assert.Equal(JobState.Failed, (await site.Jobs.GetAsync(sent.Id, cancellationToken: Token))!.State);
    }

    [Fact]
    public async Task ABatch_AndASchedule_EndWithIt()
    {
        await using var site = await OpenAsync(maxAttempts: 2);
        await using var worker = await site.StartAsync();
        await site.Mill.Schedules.PutAsync(
            new ScheduleDefinition { Name = "s", Trigger = Trigger.Daily(new TimeOnly(3, 0)), Target = site.Jobs.TargetOf(new Note(1)), Retry = FiveTimes }, cancellationToken: Token);

        await site.Jobs.StartBatchAsync([new Note(1)], new Following(7), new JobOptions { Retry = FiveTimes }, cancellationToken: Token);
        await site.Mill.Schedules.RunNowAsync("s", Token);

        Assert.Equal(7, await _followed.Reader.ReadAsync(Token));
        await site.WaitForRunsAsync(5);
        await worker.StopAsync(Token);
        var info = (await site.Mill.Schedules.GetAsync("s", Token))!;
        Assert.Equal((1, 0, RunOutcome.Failed), (info.Failed, info.OpenRuns.Count, info.LastOutcome));
    }

    private async Task<JobSite> OpenAsync(int maxAttempts)
    {
        var site = await JobSite.OpenAsync(configure: options =>
        {
            options.Jobs.Add<Note>((_, _, _) => throw new InvalidOperationException("no"), job => job.Retry = FiveTimes with { MaxAttempts = maxAttempts });
            options.Jobs.Add<Following>((next, _, token) => _followed.Writer.WriteAsync(next.Number, token).AsTask(), job => job.Retry = JobRetry.None);
        });
        await site.Admin.CreateQueueAsync("jobs", new QueueSettings { MaxDeliveries = 2 }, Token);
        return site;
    }
}
