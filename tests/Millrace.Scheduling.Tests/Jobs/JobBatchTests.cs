using System.Collections.Concurrent;
using Millrace.Scheduling.Jobs;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>Batches of jobs, and what follows them.</summary>
public sealed class JobBatchTests
{
    private readonly ConcurrentQueue<JobBatchEnd> _completions = new();
    private readonly TaskCompletionSource _completed = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("memory", 2_500)]
    [InlineData("file", 1_100)]
    [InlineData("sqlite", 1_100)]
    public async Task ABatch_WhoseMembersEndTogetherOnTwoWorkers_IsFollowedOnce_AndSaysHowManyFailed(string backend, int count)
    {
        var ran = new ConcurrentDictionary<int, int>();
        await using var site = await JobSite.OpenAsync(backend, options =>
        {
            options.Jobs.Add<Note>(
                (note, _, _) =>
                {
                    ran.AddOrUpdate(note.Number, 1, (_, before) => before + 1);
                    return note.Number % 100 == 7 ? throw new InvalidOperationException("seven") : Task.CompletedTask;
                },
                options => options.Retry = JobRetry.None);
            options.Jobs.Add<Following>(CompleteAsync);
        });
        await using var first = await site.StartAsync(new JobWorkerOptions { Concurrency = 16, Prefetch = 100 });
        await using var second = await site.StartAsync(new JobWorkerOptions { Concurrency = 16, Prefetch = 100 });

        var batch = await site.Jobs.StartBatchAsync(Enumerable.Range(0, count).Select(i => new Note(i)), new Following(1), cancellationToken: Token);

        await _completed.Task.WaitAsync(Token);
        await first.StopAsync(Token);
        await second.StopAsync(Token);
        Assert.Equal(count, batch.Jobs.Distinct().Count());
        Assert.Equal(new JobBatchEnd(batch.Id, count, count / 100), Assert.Single(_completions));
        Assert.Equal(new JobBatchEnd(batch.Id, count, count / 100), await site.Jobs.GetBatchAsync(batch.Id, Token));
        Assert.Equal(count, ran.Count);
        Assert.All(ran.Values, times => Assert.Equal(1, times));
        Assert.Equal(0, (await site.Admin.GetStatsAsync("jobs", Token)).Ready);
    }

    [Fact]
    public async Task ABatch_OfNone_IsFollowedAtOnce()
    {
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Following>(CompleteAsync));
        await using var worker = await site.StartAsync();

        var batch = await site.Jobs.StartBatchAsync<Note, Following>([], new Following(1), cancellationToken: Token);

        await _completed.Task.WaitAsync(Token);
        Assert.Equal(new JobBatchEnd(batch.Id, 0, 0), Assert.Single(_completions));
    }

    [Fact]
    public async Task ABatch_WithAMemberThatWasCancelledWhileItWaited_IsFollowedAllTheSame()
    {
        await using var site = await JobSite.OpenAsync(configure: options =>
        {
            options.Jobs.Add<Note>((_, _, _) => Task.CompletedTask);
            options.Jobs.Add<Following>(CompleteAsync);
        });
        var batch = await site.Jobs.StartBatchAsync([new Note(1), new Note(2)], new Following(1), new JobOptions { Track = true }, cancellationToken: Token);

        Assert.Equal(CancelOutcome.Cancelled, await site.Jobs.CancelAsync(batch.Jobs[0], cancellationToken: Token));
        await using var worker = await site.StartAsync();

        await _completed.Task.WaitAsync(Token);
        Assert.Equal(new JobBatchEnd(batch.Id, 2, 1), Assert.Single(_completions));
        Assert.Equal(JobState.Cancelled, (await site.Jobs.GetAsync(batch.Jobs[0], cancellationToken: Token))!.State);
        Assert.Equal(JobState.Succeeded, (await site.Jobs.GetAsync(batch.Jobs[1], cancellationToken: Token))!.State);
    }

    [Fact]
    public async Task ManyEnds_AtTheSameTime_ShareWrites()
    {
        const int count = BatchPart.Size;
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Following>(CompleteAsync));
        var environment = site.Jobs.Environment;
        var batches = new JobBatches(environment, new JobFollowUps(environment, new UniqueJobs(environment)));
        await batches.StartAsync("b", count, completion: null, Token);
        var before = (await site.State.ListAsync("", null, 1, Token)).Revision;

        await Task.WhenAll(Enumerable.Range(0, count).Select(member => batches.EndAsync("b", member, failed: member < 10, Token).AsTask()));

        Assert.Equal(new JobBatchEnd("b", count, 10), await site.Jobs.GetBatchAsync("b", Token));
        Assert.InRange((await site.State.ListAsync("", null, 1, Token)).Revision - before, 2, count / 2);
        await batches.EndAsync("b", 5, failed: false, Token);
        Assert.Equal(new JobBatchEnd("b", count, 10), await site.Jobs.GetBatchAsync("b", Token));
    }

    [Fact]
    public async Task AnIdOrAKey_ForManyJobs_IsRefused()
    {
        await using var site = await JobSite.OpenAsync();
        Note[] notes = [new(1), new(2)];

        await Assert.ThrowsAsync<InvalidMessageException>(async () => await site.Jobs.EnqueueBatchAsync(notes, new JobOptions { Id = "x" }, Token));
        await Assert.ThrowsAsync<InvalidMessageException>(async () => await site.Jobs.EnqueueBatchAsync(notes, new JobOptions { UniqueKey = "x" }, Token));
    }

    private Task CompleteAsync(Following job, JobContext context, CancellationToken cancellationToken)
    {
        _completions.Enqueue(context.Batch!);
        _completed.TrySetResult();
        return Task.CompletedTask;
    }
}
