using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Millrace.Hosting;
using Millrace.Scheduling.Jobs;
using Millrace.Storage;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>Jobs from their enqueuing to their end.</summary>
public sealed class JobRunTests
{
    private readonly Channel<(Note Note, JobContext Context)> _ran = Channel.CreateUnbounded<(Note, JobContext)>();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("memory")]
    [InlineData("file")]
    [InlineData("sqlite")]
    public async Task AJob_RunsOnce_WithItsCircumstances_AndIsInTheHistory(string backend)
    {
        await using var site = await JobSite.OpenAsync(backend, options => options.Jobs.Add<Note>(KeepAsync));
        await using var worker = await site.StartAsync();

        var sent = await site.Jobs.EnqueueAsync(new Note(7), new JobOptions { Headers = MessageHeaders.Of(("tenant", "t1")) }, Token);

        var (note, context) = await _ran.Reader.ReadAsync(Token);
        Assert.Equal(7, note.Number);
        Assert.Equal((sent.Id, "note", "jobs", 1, (string?)null), (context.Id, context.Job, context.Queue, context.Attempt, context.Schedule));
        var run = Assert.Single(await site.WaitForRunsAsync(1));
        Assert.Equal((sent.Id.ToString(), "note", "jobs", RunOutcome.Succeeded, 1), (run.Run, run.Job, run.Queue, run.Outcome, run.Attempt));
        Assert.True(run.StartedAt >= run.ScheduledAt.AddMilliseconds(-1) && run.FinishedAt >= run.StartedAt);
        await worker.StopAsync(Token);
        Assert.Equal(0, (await site.Admin.GetStatsAsync("jobs", Token)).Leased);
        Assert.True((await site.Admin.GetSettingsAsync("jobs", Token)).MaxDeliveries >= 1000);
        Assert.Null(await site.Jobs.GetAsync(sent.Id, cancellationToken: Token));
    }

    [Fact]
    public async Task AJob_ThatRunsItself_NeedsNoHandler()
    {
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<SelfRunning>());
        await using var worker = await site.StartAsync();

        await site.Jobs.EnqueueAsync(new SelfRunning { Number = 3 }, new JobOptions { Track = true, Id = "self-1" }, Token);

        var job = await site.WaitForAsync("self-1", job => job.HasEnded);
        Assert.Equal((JobState.Succeeded, "4"), (job.State, job.Result));
    }

    [Fact]
    public async Task AScheduledJob_RunsWhenItIsDue_AndSaysWhenThatWas()
    {
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>(KeepAsync));
        await using var worker = await site.StartAsync();
        var due = DateTimeOffset.FromUnixTimeMilliseconds(site.Jobs.Environment.Now.ToUnixTimeMilliseconds() + 50);

        await site.Jobs.ScheduleAsync(new Note(1), due, cancellationToken: Token);

        var (_, context) = await _ran.Reader.ReadAsync(Token);
        Assert.Equal(due, context.DueAt);
        var run = Assert.Single(await site.WaitForRunsAsync(1));
        Assert.Equal(due, run.ScheduledAt);
        Assert.True(run.StartedAt >= due);
    }

    [Fact]
    public async Task ManyJobs_AreEnqueuedInOneOperation_AndEachRunsOnce()
    {
        const int count = 5_000;
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>(KeepAsync));
        await using var worker = await site.StartAsync(new JobWorkerOptions { Concurrency = 16, Prefetch = 500 });

        var ids = await site.Jobs.EnqueueBatchAsync(Enumerable.Range(0, count).Select(i => new Note(i)), cancellationToken: Token);

        var seen = new HashSet<int>();
        for (var i = 0; i < count; i++)
        {
            Assert.True(seen.Add((await _ran.Reader.ReadAsync(Token)).Note.Number));
        }

        await site.WaitForRunsAsync(count);
        Assert.Equal(count, ids.Distinct().Count());
        var statistics = await site.Jobs.History.GetStatisticsAsync(new RunQuery(), Token);
        Assert.Equal((count, 0L, 0L), (statistics.Succeeded, statistics.Failed, statistics.Retried));
        Assert.True(statistics.Duration!.Max >= statistics.Duration.P99 && statistics.Duration.P99 >= statistics.Duration.Min);
    }

    [Fact]
    public async Task AJob_ThatIsNotValid_IsRefusedToItsSender_AndDeadLetteredWhenItComesAllTheSame()
    {
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>(KeepAsync));
        await Assert.ThrowsAsync<MessageValidationException>(async () => await site.Jobs.EnqueueAsync(new Note(-1), cancellationToken: Token));
        await using var worker = await site.StartAsync();

        await SendRawAsync(site, "note", """{"number":-1}""", "raw-1");
        await SendRawAsync(site, "note", "{", "raw-2");

        var runs = await site.WaitForRunsAsync(2);
        Assert.All(runs, run => Assert.Equal(RunOutcome.Failed, run.Outcome));
        await worker.StopAsync(Token);
        Assert.Equal("invalid", (await site.Admin.GetMessageAsync("jobs!dead", "raw-1", Token))!.Message.DeadLetter!.Reason);
        Assert.Equal("unreadable", (await site.Admin.GetMessageAsync("jobs!dead", "raw-2", Token))!.Message.DeadLetter!.Reason);
        Assert.Equal(JobState.Failed, (await site.Jobs.GetAsync("raw-1", cancellationToken: Token))!.State);
    }

    [Fact]
    public async Task Progress_AndResult_AreKeptWithATrackedJob()
    {
        var reported = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>(async (_, context, token) =>
        {
            await context.ReportProgressAsync(0.25, "a quarter", token);
            reported.SetResult();
            await goOn.Task.WaitAsync(token);
            for (var i = 0; i <= 1000; i++)
            {
                await context.ReportProgressAsync(i / 1000d, $"{i}", token);
            }

            context.SetResult(new Note(9));
        }));
        await using var worker = await site.StartAsync();

        var sent = await site.Jobs.EnqueueAsync(new Note(1), new JobOptions { Track = true }, Token);
        await reported.Task.WaitAsync(Token);

        var running = await site.WaitForAsync(sent.Id, job => job.State == JobState.Running);
        Assert.Equal((0.25, "a quarter", 1), (running.Progress, running.ProgressText, running.Attempt));
        var before = (await site.State.ListAsync("!job!", null, 10, Token)).Revision;
        goOn.SetResult();
        var ended = await site.WaitForAsync(sent.Id, job => job.HasEnded);
        Assert.Equal((JobState.Succeeded, 1d, "1000", """{"number":9}"""), (ended.State, ended.Progress, ended.ProgressText, ended.Result));
        var after = (await site.State.ListAsync("!job!", null, 10, Token)).Revision;
        Assert.InRange(after - before, 1, 50);
        Assert.Equal("""{"number":9}""", Assert.Single(await site.WaitForRunsAsync(1)).Result);
    }

    [Fact]
    public async Task AJob_OfAHost_GetsServicesOfItsOwnScope()
    {
        var handled = new ConcurrentQueue<(Guid, Guid)>();
        var done = new TaskCompletionSource();
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddScoped<Scoped>();
        builder.Services.AddSingleton(handled);
        builder.Services.AddSingleton(done);
        builder.Services.AddMillrace("memory:", mill => mill.AddJob<Note, NoteHandler>());
        using var host = builder.Build();
        await host.StartAsync(Token);
        var jobs = host.Services.GetRequiredService<JobClient>();

        await jobs.EnqueueBatchAsync([new Note(1), new Note(2)], cancellationToken: Token);

        await done.Task.WaitAsync(Token);
        var scopes = handled.ToArray();
        Assert.All(scopes, scope => Assert.Equal(scope.Item1, scope.Item2));
        Assert.NotEqual(scopes[0].Item1, scopes[1].Item1);
        await host.StopAsync(Token);
    }

    [Fact]
    public void AnAssembly_IsSearchedForJobsAndHandlers()
    {
        var jobs = new JobRegistry().AddFrom(typeof(JobRunTests).Assembly);

        Assert.Contains("self-running", jobs.Names);
        Assert.Contains("note", jobs.Names);
    }

    [Fact]
    public async Task AMessage_ThatIsNoJob_IsDeadLettered()
    {
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>(KeepAsync));
        await using var worker = await site.StartAsync();
        await site.Mill.Require<IQueueStore>().EnqueueAsync("jobs", new[] { new Envelope("{}"u8.ToArray()) { Id = "no-job" } }, Memory<EnqueueResult>.Empty, Token);
        await site.Jobs.EnqueueAsync(new Note(1), cancellationToken: Token);

        await _ran.Reader.ReadAsync(Token);
        await worker.StopAsync(Token);

        Assert.Equal("no-job", (await site.Admin.GetMessageAsync("jobs!dead", "no-job", Token))!.Message.DeadLetter!.Reason);
    }

    internal static async Task SendRawAsync(JobSite site, string job, string body, string id, JobTerms? terms = null) =>
        await site.Mill.Require<IQueueStore>().EnqueueAsync(
            "jobs",
            new[] { new Envelope(System.Text.Encoding.UTF8.GetBytes(body)) { Id = id, ContentType = "application/json", Headers = JobMessage.HeadersOf(job, terms ?? JobTerms.None) } },
            Memory<EnqueueResult>.Empty,
            Token);

    private Task KeepAsync(Note note, JobContext context, CancellationToken cancellationToken) => _ran.Writer.WriteAsync((note, context), cancellationToken).AsTask();

    public sealed class SelfRunning : IJob
    {
        public int Number { get; set; }

        public Task RunAsync(JobContext context, CancellationToken cancellationToken)
        {
            context.SetResult(Number + 1);
            return Task.CompletedTask;
        }
    }

    public sealed class Scoped
    {
        public Guid Id { get; } = Guid.NewGuid();
    }

    public sealed class NoteHandler(Scoped scoped, ConcurrentQueue<(Guid, Guid)> handled, TaskCompletionSource done) : IJobHandler<Note>
    {
        public Task RunAsync(Note job, JobContext context, CancellationToken cancellationToken)
        {
            handled.Enqueue((scoped.Id, context.Services.GetRequiredService<Scoped>().Id));
            if (handled.Count == 2)
            {
                done.SetResult();
            }

            return Task.CompletedTask;
        }
    }
}
