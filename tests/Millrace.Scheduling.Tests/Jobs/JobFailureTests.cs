using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>Jobs that fail, take too long, are not known, or are stopped.</summary>
public sealed class JobFailureTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(RetryDelay.Exponential)]
    [InlineData(RetryDelay.Fixed)]
    [InlineData(RetryDelay.Linear)]
    [InlineData(RetryDelay.Random)]
    public async Task AJobThatFails_IsTriedAsOftenAsItsPolicySays_AndThenDeadLettered(RetryDelay kind)
    {
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>((_, context, _) => throw new TimeoutException($"attempt {context.Attempt}")));
        await using var worker = await site.StartAsync();
        var retry = new JobRetry { MaxAttempts = 3, Kind = kind, Delay = TimeSpan.FromMilliseconds(1), MaxDelay = TimeSpan.FromMilliseconds(2) };

        var sent = await site.Jobs.EnqueueAsync(new Note(1), new JobOptions { Retry = retry, Track = true }, Token);

        var ended = await site.WaitForAsync(sent.Id, job => job.HasEnded);
        Assert.Equal((JobState.Failed, 3), (ended.State, ended.Attempt));
        Assert.Equal("max-attempts: System.TimeoutException: attempt 3", ended.Error);
        var runs = await site.WaitForRunsAsync(3);
        Assert.Equal([RunOutcome.Failed, RunOutcome.Retried, RunOutcome.Retried], runs.Select(run => run.Outcome));
        Assert.Equal([3, 2, 1], runs.Select(run => run.Attempt));
        await worker.StopAsync(Token);
        Assert.Equal(("max-attempts", 3), await DeadLetterAsync(site, sent.Id));
    }

    [Theory]
    [InlineData("TimeoutException", "", 1)]
    [InlineData("InvalidOperationException", "", 2)]
    [InlineData("", "System.InvalidOperationException", 1)]
    [InlineData("", "ArgumentException", 2)]
    public async Task AFailure_IsRepeatedOnlyIfThePolicyNamesIt(string retryOn, string failOn, int attempts)
    {
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>(
            (_, _, _) => throw new InvalidOperationException("no"),
            options => options.Retry = new JobRetry { MaxAttempts = 2, Delay = TimeSpan.Zero, RetryOn = retryOn.Length == 0 ? [] : [retryOn], FailOn = failOn.Length == 0 ? [] : [failOn] }));
        await using var worker = await site.StartAsync();

        var sent = await site.Jobs.EnqueueAsync(new Note(1), cancellationToken: Token);

        await site.WaitForRunsAsync(attempts);
        await worker.StopAsync(Token);
        Assert.Equal((attempts == 1 ? "not-retryable" : "max-attempts", attempts), await DeadLetterAsync(site, sent.Id));
    }

    [Fact]
    public async Task AJobThatTakesTooLong_HasItsTokenCancelled_AndHasFailed()
    {
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>((_, _, token) => Task.Delay(Timeout.Infinite, token)));
        await using var worker = await site.StartAsync();

        var sent = await site.Jobs.EnqueueAsync(
            new Note(1), new JobOptions { Timeout = TimeSpan.FromMilliseconds(20), Retry = JobRetry.None, Track = true }, Token);

        var ended = await site.WaitForAsync(sent.Id, job => job.HasEnded);
        Assert.Equal(JobState.Failed, ended.State);
        Assert.Contains("took longer than 00:00:00.0200000", ended.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AJobThatNobodyKnows_GoesBackForAWhile_AndIsThenDeadLettered()
    {
        var clock = new ManualTimeProvider();
        await using var site = await JobSite.OpenAsync(configure: options =>
        {
            options.TimeProvider = clock;
            options.Jobs.Add<Following>((_, _, _) => Task.CompletedTask);
        });
        await using var worker = await site.StartAsync();
        var sent = await site.Jobs.EnqueueAsync(new Note(1), cancellationToken: Token);
        var startedAt = clock.GetUtcNow();

        var runs = await AdvanceUntilAsync(clock, site.WaitForRunsAsync(1));

        Assert.Equal(RunOutcome.Failed, Assert.Single(runs).Outcome);
        Assert.Contains("no job 'note'", runs[0].Error, StringComparison.Ordinal);
        Assert.True(clock.GetUtcNow() - startedAt > TimeSpan.FromMinutes(1));
        await worker.StopAsync(Token);
        Assert.Equal("unknown-job", (await DeadLetterAsync(site, sent.Id)).Reason);
    }

    [Fact]
    public async Task AJobThatNobodyKnew_RunsWhenAWorkerThatKnowsItComes()
    {
        var ran = new TaskCompletionSource();
        var backend = new SharedBackend();
        await using var old = await backend.OpenAsync(options => options.Jobs.Add<Following>((_, _, _) => Task.CompletedTask));
        await using var young = await backend.OpenAsync(options => options.Jobs.Add<Note>((_, _, _) =>
        {
            ran.SetResult();
            return Task.CompletedTask;
        }));
        await using var oldWorker = old.JobWorker();
        await oldWorker.StartAsync(Token);
        await old.Jobs.EnqueueAsync(new Note(1), cancellationToken: Token);

        await using var youngWorker = young.JobWorker();
        await youngWorker.StartAsync(Token);

        await ran.Task.WaitAsync(Token);
    }

    [Fact]
    public async Task AStop_WaitsForTheJobsThatRun_AndReturnsTheOthers_WithoutCountingOrRecordingThem()
    {
        var entered = new TaskCompletionSource();
        var leave = new TaskCompletionSource();
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>(async (_, _, token) =>
        {
            entered.TrySetResult();
            await leave.Task.WaitAsync(token);
        }));
        await using var worker = await site.StartAsync(new JobWorkerOptions { Concurrency = 1, Prefetch = 5 });
        await site.Jobs.EnqueueBatchAsync(Enumerable.Range(0, 4).Select(i => new Note(i)), cancellationToken: Token);
        await entered.Task.WaitAsync(Token);

        var stop = worker.StopAsync(Token);
        while ((await site.Admin.GetStatsAsync("jobs", Token)).Ready < 3)
        {
            await Task.WhenAny(stop, Task.Delay(1, Token));
        }

        leave.SetResult();
        await stop;

        Assert.Single(await site.WaitForRunsAsync(1));
        Assert.Equal(3, (await site.Admin.GetStatsAsync("jobs", Token)).Ready);
        var page = await site.Admin.BrowseAsync("jobs", new BrowseQuery(), Token);
        Assert.All(page.Messages, message => Assert.Equal(0, message.Attempts));
    }

    [Fact]
    public async Task AStop_ThatWaitsNoLonger_CancelsTheJob_AndItsMessageGoesBackUncounted()
    {
        var entered = new TaskCompletionSource();
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>(async (_, _, token) =>
        {
            entered.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
        }));
        await using var worker = await site.StartAsync(new JobWorkerOptions { DrainTimeout = TimeSpan.Zero });
        var sent = await site.Jobs.EnqueueAsync(new Note(1), new JobOptions { Track = true }, Token);
        await entered.Task.WaitAsync(Token);

        await worker.StopAsync(Token);

        var message = await site.Admin.GetMessageAsync("jobs", sent.Id, Token);
        Assert.Equal((MessageState.Ready, 0), (message!.State, message.Attempts));
        Assert.False((await site.Jobs.GetAsync(sent.Id, cancellationToken: Token))!.HasEnded);
        Assert.Empty((await site.Jobs.History.ListAsync(new RunQuery(), Token)).Runs);
    }

    [Fact]
    public async Task AWorker_ThatWasStopped_CannotBeStartedAgain_AndSaysSo()
    {
        await using var site = await JobSite.OpenAsync();
        await using var worker = await site.StartAsync();
        await worker.StopAsync(Token);

        Assert.Contains("cannot be started again", (await Assert.ThrowsAsync<InvalidOperationException>(() => worker.StartAsync(Token))).Message, StringComparison.Ordinal);
    }

    private static async Task<T> AdvanceUntilAsync<T>(ManualTimeProvider clock, Task<T> task)
    {
        while (!task.IsCompleted)
        {
            // The clock is pushed until what is waited for has happened; between two pushes others get to run.
            clock.Advance(TimeSpan.FromSeconds(20));
            await Task.WhenAny(task, Task.Delay(2, Token));
        }

        return await task;
    }

    private static async Task<(string Reason, int Attempts)> DeadLetterAsync(JobSite site, MessageId id)
    {
        var dead = (await site.Admin.GetMessageAsync("jobs!dead", id, Token))!.Message.DeadLetter!;
        return (dead.Reason, dead.Attempts);
    }
}
