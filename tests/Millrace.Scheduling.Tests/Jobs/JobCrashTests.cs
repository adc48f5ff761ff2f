using System.Collections.Concurrent;
using System.Threading.Channels;
using Millrace.Client;
using Millrace.Scheduling.Jobs;
using Millrace.Scheduling.Schedules;
using Millrace.Storage;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>A worker that dies at each write of the end of a run: what is missing is made up for, nothing is done twice, and the run is repeated only if no document had its end.</summary>
public sealed class JobCrashTests
{
    private const string Id = "crash-1";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]

    // Two continuations, the record, the key, the part, the completion, the batch, the history, the key again, the settlement.
    [InlineData(false, 10)]

    // Two continuations, the record, the part, the completion, the batch, the history, the schedule, the settlement.
    [InlineData(true, 9)]
    public async Task ADeath_AtAnyWriteOfTheEnd_LosesNothing_AndDoublesNothing(bool isOccurrence, int writes)
    {
        var deaths = 0;
        for (var write = 1; await DieAndRecoverAsync(isOccurrence, write, applied: false) | await DieAndRecoverAsync(isOccurrence, write, applied: true); write++)
        {
            deaths = write;
        }

        Assert.Equal(writes, deaths);
    }

    /// <returns>Whether there was a write of that number.</returns>
    private static async Task<bool> DieAndRecoverAsync(bool isOccurrence, int write, bool applied)
    {
        var backend = new SharedBackend();
        var life = new MortalLife();
        var runs = 0;
        var followed = Channel.CreateUnbounded<int>();
        var gate = new OpenOccurrences(life);
        await backend.CreateQueueAsync();
        await using var healthy = await backend.OpenAsync(options => Register(options, () => Interlocked.Increment(ref runs), followed.Writer));
        var mortal = await backend.OpenAsync(
            options => Register(
                options,
                () =>
                {
                    Interlocked.Increment(ref runs);
                    life.DieAt(write, applied);
                },
                followed.Writer),
            life);
        await healthy.Jobs.Environment.Runs.OpenAsync(Token);
        await SendAsync(healthy, isOccurrence ? gate : null);
        var first = mortal.JobWorker(new JobWorkerOptions { Concurrency = 1, Prefetch = 0 }, gate);
        await first.StartAsync(Token);

        var settled = WaitForSettlementAsync(backend, first);
        var hasDied = await Task.WhenAny(life.Died, settled) == life.Died;
        var hadEnded = await HasEndedAsync(backend);
        var second = healthy.JobWorker(new JobWorkerOptions { Concurrency = 1 }, gate);
        await second.StartAsync(Token);
        var third = healthy.JobWorker(new JobWorkerOptions { Queue = "next" });
        await third.StartAsync(Token);
        int[] seen = [await followed.Reader.ReadAsync(Token), await followed.Reader.ReadAsync(Token), await followed.Reader.ReadAsync(Token)];
        while (await IsQueuedAsync(backend, "jobs") || await IsQueuedAsync(backend, "next"))
        {
            await Task.WhenAny(second.Completion, Task.Delay(1, Token));
        }

        await second.StopAsync(Token);
        await third.StopAsync(Token);
        Assert.Equal([1, 2, 3], seen.Order());
        Assert.Equal(0, followed.Reader.Count);
        var state = await backend.StateAsync();
        Assert.True(await HasEndedAsync(backend));
        Assert.Null(await state.GetAsync(JobKeys.OfUnique("key"), Token));
        Assert.Empty(gate.Open);
        Assert.NotNull(await healthy.Jobs.GetBatchAsync("batch", Token));
        Assert.Equal(hadEnded || !hasDied ? 1 : 2, runs);
        Assert.Contains((await healthy.Jobs.History.ListAsync(new RunQuery { Run = Id }, Token)).Runs, run => run.Outcome == RunOutcome.Succeeded);
        return hasDied;
    }

    private static void Register(MillraceClientOptions options, Action onRun, ChannelWriter<int> followed)
    {
        options.Jobs.Add<Note>((_, _, _) =>
        {
            onRun();
            return Task.CompletedTask;
        });
        options.Jobs.Add<Following>((job, context, token) => followed.WriteAsync(job.Number, token).AsTask());
    }

    private static async Task SendAsync(MillraceClient mill, OpenOccurrences? gate)
    {
        var environment = mill.Jobs.Environment;
        var uniques = new UniqueJobs(environment);
        var senders = new JobSenders(environment, uniques);
        var then = await senders.Get<Following>("next").CaptureAsync(new Following(1), ContinuationOn.Succeeded, new JobOptions(), Token);
        var completion = await senders.Get<Following>("next").CaptureAsync(new Following(3), ContinuationOn.Any, new JobOptions(), Token);
        var terms = new JobTerms { Track = true, Batch = "batch", Then = [then] };
        if (gate is null)
        {
            terms = terms with { Unique = "key" };
            Assert.Null(await uniques.ClaimAsync("key", Id, "jobs", Token));
        }
        else
        {
            terms = terms with { Schedule = "s", Version = 1, Due = 1 };
            gate.Open[Id] = true;
        }

        await TrackedJob.CreateAsync(environment, Id, "note", "jobs", environment.Now, terms, Token);
        await new JobBatches(environment, new JobFollowUps(environment, uniques)).StartAsync("batch", 1, completion, Token);
        await mill.Jobs.ContinueWithAsync(Id, new Following(2), options: new JobOptions { Queue = "next" }, cancellationToken: Token);
        await mill.Require<IQueueStore>().EnqueueAsync(
            "jobs",
            new[] { new Envelope("""{"number":1}"""u8.ToArray()) { Id = Id, ContentType = "application/json", Headers = JobMessage.HeadersOf("note", terms) } },
            Memory<EnqueueResult>.Empty,
            Token);
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
