using System.Collections.Concurrent;
using System.Threading.Channels;
using Millrace.Client;
using Millrace.Scheduling.Jobs;
using Millrace.Scheduling.Schedules;
using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>A worker that dies at each write of the end of a run: what is missing is made up for, nothing is done twice, and the run is repeated only if no document had its end.</summary>
public sealed class JobCrashTests
{
    private const string Id = "crash-1";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]

    // Two continuations, the record, the key, the part, the completion, the batch, the history, the key again, the settlement; after a failure, that its message is a dead letter.
    [InlineData("tracked unique batch", 10)]
    [InlineData("tracked unique batch failing", 11)]

    // Two continuations, the record, the part, the completion, the batch, the history, the schedule, the settlement, the dead letter.
    [InlineData("tracked occurrence batch", 9)]
    [InlineData("tracked occurrence batch failing", 10)]

    // A continuation, the failure, the history, the schedule, the settlement, the dead letter.
    [InlineData("occurrence failing", 6)]

    // A continuation, the failure, the key, the history, the key again, the settlement, the dead letter.
    [InlineData("unique failing", 7)]

    // A continuation, the failure, the part, the completion, the batch, the history, the settlement, the dead letter.
    [InlineData("batch failing", 8)]
    public async Task ADeath_AtAnyWriteOfTheEnd_LosesNothing_AndDoublesNothing(string job, int writes)
    {
        var deaths = 0;
        for (var write = 1; await DieAndRecoverAsync(job, write, applied: false) | await DieAndRecoverAsync(job, write, applied: true); write++)
        {
            deaths = write;
        }

        Assert.Equal(writes, deaths);
    }

    [Fact]
    public async Task AFailure_IsKept_AsLongAsItsMessageIsADeadLetter_AndARedrivenOneComesBack()
    {
        var clock = new ManualTimeProvider();
        await using var site = await JobSite.OpenAsync(configure: options =>
        {
            options.TimeProvider = clock;
            Register(options, () => throw new InvalidOperationException("no"), Channel.CreateUnbounded<int>().Writer);
        });
        var sweeper = new JobSweeper(site.Jobs.Environment);
        await using var worker = await site.StartAsync();
        var sent = await site.Jobs.EnqueueAsync(new Note(1), new JobOptions { UniqueKey = "key" }, Token);
        var dead = await DeadLetterAsync(site.Admin, sent.Id);

        clock.Advance(TimeSpan.FromDays(2));
        await sweeper.SweepAsync(Token);
        Assert.Equal(1, await site.Admin.RedriveAsync("jobs", new DeadLetterFilter(), Token));
        var again = await DeadLetterAsync(site.Admin, sent.Id);

        Assert.Equal(("not-retryable", "System.InvalidOperationException: no"), (dead.Reason, dead.LastError));
        Assert.Equal((dead.Reason, dead.LastError), (again.Reason, again.LastError));
        Assert.True(again.At > dead.At);
        await site.Admin.PurgeAsync("jobs!dead", Token);
        clock.Advance(TimeSpan.FromDays(2));
        await sweeper.SweepAsync(Token);
        Assert.Null(await site.State.GetAsync(JobKeys.OfJob(sent.Id.ToString()), Token));
    }

    [Fact]
    public async Task AJobThatFailed_EnqueuedAnewUnderItsId_RunsAgain()
    {
        var clock = new ManualTimeProvider();
        var ran = Channel.CreateUnbounded<int>();
        await using var site = await JobSite.OpenAsync(configure: options =>
        {
            options.TimeProvider = clock;
            options.Jobs.Add<Note>((note, _, _) => ran.Writer.TryWrite(note.Number) ? throw new InvalidOperationException("no") : Task.CompletedTask, job => job.Retry = JobRetry.None);
        });
        await using var worker = await site.StartAsync();
        var options = new JobOptions { UniqueKey = "key", Id = Id };
        await site.Jobs.EnqueueAsync(new Note(1), options, Token);
        await DeadLetterAsync(site.Admin, Id);
        await site.Admin.PurgeAsync("jobs!dead", Token);
        clock.Advance(TimeSpan.FromHours(1));

        Assert.False((await site.Jobs.EnqueueAsync(new Note(2), options, Token)).IsDuplicate);

        Assert.Equal(1, await ran.Reader.ReadAsync(Token));
        Assert.Equal(2, await ran.Reader.ReadAsync(Token));
    }

    /// <returns>Whether there was a write of that number.</returns>
    private static async Task<bool> DieAndRecoverAsync(string job, int write, bool applied)
    {
        var isTracked = job.Contains("tracked", StringComparison.Ordinal);
        var isBatch = job.Contains("batch", StringComparison.Ordinal);
        var fails = job.Contains("failing", StringComparison.Ordinal);
        var backend = new SharedBackend();
        var life = new MortalLife();
        var runs = 0;
        var followed = Channel.CreateUnbounded<int>();
        var gate = new OpenOccurrences(life);
        await backend.CreateQueueAsync();
        await using var healthy = await backend.OpenAsync(options => Register(options, () => Run(dies: false), followed.Writer));
        var mortal = await backend.OpenAsync(options => Register(options, () => Run(dies: true), followed.Writer), life);
        await healthy.Jobs.Environment.Runs.OpenAsync(Token);
        var first = mortal.JobWorker(new JobWorkerOptions { Concurrency = 1, Prefetch = 0 }, gate);
        await first.StartAsync(Token);
        await SendAsync(healthy, job, gate);

        var settled = WaitForSettlementAsync(backend, first);
        var hasDied = await Task.WhenAny(life.Died, settled) == life.Died;
        var hadEnded = await HasEndedAsync(backend);
        var second = healthy.JobWorker(new JobWorkerOptions { Concurrency = 1 }, gate);
        await second.StartAsync(Token);
        var third = healthy.JobWorker(new JobWorkerOptions { Queue = "next" });
        await third.StartAsync(Token);
        List<int> expected = [1, .. isTracked ? new[] { 2 } : [], .. isBatch ? new[] { 3 } : []];
        var seen = new List<int>();
        while (seen.Count < expected.Count)
        {
            seen.Add(await followed.Reader.ReadAsync(Token));
        }

        while (await IsQueuedAsync(backend, "jobs") || await IsQueuedAsync(backend, "next"))
        {
            await Task.WhenAny(second.Completion, Task.Delay(1, Token));
        }

        await second.StopAsync(Token);
        await third.StopAsync(Token);
        var dead = (await (await backend.AdminAsync()).GetMessageAsync("jobs!dead", Id, Token))?.Message.DeadLetter;
        Assert.Equal(fails ? ["not-retryable", "System.InvalidOperationException: no"] : null, dead is null ? null : new[] { dead.Reason, dead.LastError });
        Assert.Equal(expected, seen.Order());
        Assert.Equal(0, followed.Reader.Count);
        Assert.True(await HasEndedAsync(backend));
        Assert.Null(await (await backend.StateAsync()).GetAsync(JobKeys.OfUnique("key"), Token));
        Assert.Empty(gate.Open);
        Assert.Equal(isBatch ? new JobBatchEnd("batch", 1, fails ? 1 : 0) : null, await healthy.Jobs.GetBatchAsync("batch", Token));
        Assert.Equal(hadEnded || !hasDied ? 1 : 2, runs);
        var outcome = fails ? RunOutcome.Failed : RunOutcome.Succeeded;
        Assert.Contains((await healthy.Jobs.History.ListAsync(new RunQuery { Run = Id }, Token)).Runs, run => run.Outcome == outcome);
        return hasDied;

        void Run(bool dies)
        {
            Interlocked.Increment(ref runs);
            if (dies)
            {
                life.DieAt(write, applied);
            }

            if (fails)
            {
                throw new InvalidOperationException("no");
            }
        }
    }

    private static void Register(MillraceClientOptions options, Action onRun, ChannelWriter<int> followed)
    {
        options.Jobs.Add<Note>(
            (_, _, _) =>
            {
                onRun();
                return Task.CompletedTask;
            },
            job => job.Retry = new JobRetry { FailOn = ["InvalidOperationException"] });
        options.Jobs.Add<Following>((job, context, token) => followed.WriteAsync(job.Number, token).AsTask());
    }

    private static async Task SendAsync(MillraceClient mill, string job, OpenOccurrences gate)
    {
        var environment = mill.Jobs.Environment;
        var uniques = new UniqueJobs(environment);
        var senders = new JobSenders(environment, uniques);
        var terms = new JobTerms { Then = [await senders.Get<Following>("next").CaptureAsync(new Following(1), ContinuationOn.Any, new JobOptions(), Token)] };
        if (job.Contains("unique", StringComparison.Ordinal))
        {
            terms = terms with { Unique = "key" };
            Assert.Null(await uniques.ClaimAsync("key", Id, "jobs", Token));
        }

        if (job.Contains("occurrence", StringComparison.Ordinal))
        {
            terms = terms with { Schedule = "s", Version = 1, Due = 1 };
            gate.Open[Id] = true;
        }

        if (job.Contains("batch", StringComparison.Ordinal))
        {
            terms = terms with { Batch = "batch" };
            var completion = await senders.Get<Following>("next").CaptureAsync(new Following(3), ContinuationOn.Any, new JobOptions(), Token);
            await new JobBatches(environment, new JobFollowUps(environment, uniques)).StartAsync("batch", 1, completion, Token);
        }

        if (job.Contains("tracked", StringComparison.Ordinal))
        {
            terms = terms with { Track = true };
            await TrackedJob.CreateAsync(environment, Id, "note", "jobs", environment.Now, terms, Token);
            await mill.Jobs.ContinueWithAsync(Id, new Following(2), ContinuationOn.Any, new JobOptions { Queue = "next" }, Token);
        }

        await mill.Require<IQueueStore>().EnqueueAsync(
            "jobs",
            new[] { new Envelope("""{"number":1}"""u8.ToArray()) { Id = Id, ContentType = "application/json", Headers = JobMessage.HeadersOf("note", terms) } },
            Memory<EnqueueResult>.Empty,
            Token);
    }

    private static async Task<DeadLetterInfo> DeadLetterAsync(IQueueAdmin admin, MessageId id)
    {
        while (true)
        {
            if ((await admin.GetMessageAsync("jobs!dead", id, Token))?.Message.DeadLetter is { } dead)
            {
                return dead;
            }

            await Task.Delay(1, Token);
        }
    }

    private static async Task WaitForSettlementAsync(SharedBackend backend, JobWorker worker)
    {
        var admin = await backend.AdminAsync();
        while (await admin.GetMessageAsync("jobs", Id, Token) is not null)
        {
            await Task.WhenAny(worker.Completion, Task.Delay(1, Token));
        }

        await worker.StopAsync(Token);
    }

    private static async Task<bool> HasEndedAsync(SharedBackend backend) =>
        await (await backend.StateAsync()).GetAsync(JobKeys.OfJob(Id), Token) is { } document && JobDocuments.ReadJob(document.Value).Ended is not null;

    private static async Task<bool> IsQueuedAsync(SharedBackend backend, string queue)
    {
        var stats = await (await backend.AdminAsync()).GetStatsAsync(queue, Token);
        return stats.Ready + stats.Scheduled + stats.Leased > 0;
    }

    /// <summary>The open occurrences of schedules, as their documents would have them.</summary>
    private sealed class OpenOccurrences(MortalLife life) : IOccurrenceGate
    {
        public ConcurrentDictionary<string, bool> Open { get; } = [];

        public ValueTask<OccurrenceVerdict> BeginAsync(Occurrence occurrence, CancellationToken cancellationToken) =>
            new(new OccurrenceVerdict(Open.ContainsKey(occurrence.Id) ? OccurrenceAction.Run : OccurrenceAction.Drop));

        public async ValueTask EndAsync(Occurrence occurrence, RunRecord run, CancellationToken cancellationToken)
        {
            Func<ValueTask<bool>> remove = () => new(Open.TryRemove(occurrence.Id, out _));
            _ = life.Died.IsCompleted ? await remove() : await life.WriteAsync(remove);
        }
    }
}
