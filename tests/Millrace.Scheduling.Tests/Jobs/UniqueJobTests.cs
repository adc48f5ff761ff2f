using Millrace.Scheduling.Jobs;
using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>Jobs of which one lives at a time.</summary>
public sealed class UniqueJobTests
{
    private static readonly JobOptions Unique = new() { UniqueKey = "report" };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("memory")]
    [InlineData("sqlite")]
    public async Task ASecondJob_WithTheKeyOfALiveOne_IsThatOne_AndAfterItsEndANewOne(string backend)
    {
        var leave = new SemaphoreSlim(0);
        await using var site = await JobSite.OpenAsync(backend, options => options.Jobs.Add<Note>((_, _, token) => leave.WaitAsync(token)));
        await using var worker = await site.StartAsync();

        var first = await site.Jobs.EnqueueAsync(new Note(1), Unique with { Track = true }, Token);
        var second = await site.Jobs.EnqueueAsync(new Note(2), Unique, Token);
        leave.Release();
        await site.WaitForAsync(first.Id, job => job.HasEnded);
        await site.WaitForRunsAsync(1);
        var third = await site.Jobs.EnqueueAsync(new Note(3), Unique with { Track = true }, Token);

        Assert.Equal((first.Id, false, true, false), (second.Id, first.IsDuplicate, second.IsDuplicate, third.IsDuplicate));
        Assert.NotEqual(first.Id, third.Id);
        leave.Release();
        await site.WaitForAsync(third.Id, job => job.HasEnded);
        await worker.StopAsync(Token);
        Assert.Null(await site.State.GetAsync("!unique!report", Token));
    }

    [Fact]
    public async Task OfManySenders_OneEnqueues_AndAllLearnWhich()
    {
        await using var site = await JobSite.OpenAsync();

        var sent = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Task.Run(async () => await site.Jobs.EnqueueAsync(new Note(i), Unique, Token))));

        Assert.Single(sent, job => !job.IsDuplicate);
        Assert.Single(sent.Select(job => job.Id).Distinct());
        Assert.Equal(1, (await site.Admin.GetStatsAsync("jobs", Token)).Ready);
    }

    [Fact]
    public async Task AKey_WhoseSenderDiedBeforeItsMessageWasStored_ComesFree()
    {
        var clock = new ManualTimeProvider();
        await using var site = await JobSite.OpenAsync(configure: options => options.TimeProvider = clock);
        Assert.Null(await new UniqueJobs(site.Jobs.Environment).ClaimAsync("report", "dead", "jobs", Token));

        var soon = await site.Jobs.EnqueueAsync(new Note(1), Unique, Token);
        clock.Advance(TimeSpan.FromSeconds(6));
        var later = await site.Jobs.EnqueueAsync(new Note(2), Unique, Token);

        Assert.Equal(("dead", true, false), (soon.Id.ToString(), soon.IsDuplicate, later.IsDuplicate));
    }

    [Fact]
    public async Task AJob_WhoseKeyAnotherOneHasTakenOver_DoesNotRun()
    {
        var ran = new List<int>();
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>((note, _, _) =>
        {
            ran.Add(note.Number);
            return Task.CompletedTask;
        }));
        await JobRunTests.SendRawAsync(site, "note", """{"number":1}""", "slow", new JobTerms { Unique = "report" });
        var sent = await site.Jobs.EnqueueAsync(new Note(2), Unique with { Track = true }, Token);
        await using var worker = await site.StartAsync(new JobWorkerOptions { Concurrency = 1 });

        await site.WaitForAsync(sent.Id, job => job.HasEnded);
        await worker.StopAsync(Token);

        Assert.Equal([2], ran);
        Assert.Equal(0, (await site.Admin.GetStatsAsync("jobs", Token)).Ready);
    }

    [Fact]
    public async Task ASendThatIsRefused_LeavesNeitherKeyNorRecord()
    {
        await using var site = await JobSite.OpenAsync();
        await site.Admin.CreateQueueAsync("jobs", new QueueSettings { MaxLength = 1 }, Token);
        await site.Jobs.EnqueueAsync(new Note(1), cancellationToken: Token);

        await Assert.ThrowsAsync<QueueFullException>(async () => await site.Jobs.EnqueueAsync(new Note(2), Unique with { Track = true, Id = "x" }, Token));

        Assert.Null(await site.State.GetAsync("!unique!report", Token));
        Assert.Null(await site.State.GetAsync("!job!x", Token));
    }

    [Fact]
    public async Task OldDocuments_AreRemoved_AndThoseOfLiveJobsStay()
    {
        var clock = new ManualTimeProvider();
        await using var site = await JobSite.OpenAsync(configure: options =>
        {
            options.TimeProvider = clock;
            options.Jobs.Add<Note>((_, _, _) => Task.CompletedTask);
        });
        await using var worker = await site.StartAsync();
        var ended = await site.Jobs.EnqueueAsync(new Note(1), new JobOptions { Track = true }, Token);
        await site.WaitForAsync(ended.Id, job => job.HasEnded);
        await worker.StopAsync(Token);
        await site.Jobs.ScheduleAsync(new Note(2), TimeSpan.FromDays(30), new JobOptions { Track = true, UniqueKey = "later", Id = "later" }, Token);
        await site.State.PutAsync("!cancel!x", JobDocuments.Write(new MarkDocument(clock.GetUtcNow())), null, Token);
        var sweeper = new JobSweeper(site.Jobs.Environment);

        await sweeper.SweepAsync(Token);
        Assert.NotNull(await site.Jobs.GetAsync(ended.Id, cancellationToken: Token));
        clock.Advance(TimeSpan.FromHours(25));
        await sweeper.SweepAsync(Token);

        Assert.Null(await site.Jobs.GetAsync(ended.Id, cancellationToken: Token));
        Assert.Null(await site.State.GetAsync("!cancel!x", Token));
        Assert.NotNull(await site.State.GetAsync("!job!later", Token));
        Assert.NotNull(await site.State.GetAsync("!unique!later", Token));
    }
}
