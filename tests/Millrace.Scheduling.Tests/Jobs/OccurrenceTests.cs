using System.Collections.Concurrent;
using Millrace.Scheduling.Jobs;
using Millrace.Scheduling.Schedules;
using Millrace.Storage;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>What a worker does with the messages of occurrences, by what the gate says.</summary>
public sealed class OccurrenceTests
{
    private static readonly DateTimeOffset Due = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_000);

    private static readonly ScheduleDefinition Definition = new()
    {
        Name = "nightly",
        Trigger = null!,
        Target = new JobTarget { Job = "note", Arguments = """{"number":5}"""u8.ToArray() },
        Retry = JobRetry.None,
        Timeout = TimeSpan.FromMinutes(1),
        Priority = 7,
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AnOccurrence_IsPutOff_ThenRun_ByItsDefinition_AndEndedBeforeItIsSettled()
    {
        var gate = new ScriptedGate(new OccurrenceVerdict(OccurrenceAction.PutOff, Delay: TimeSpan.FromMilliseconds(1)), new OccurrenceVerdict(OccurrenceAction.Run, Definition));
        JobContext? context = null;
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>((note, run, _) =>
        {
            context = run;
            throw new InvalidOperationException("once only");
        }));
        await using var worker = site.Mill.JobWorker(null, gate);
        await worker.StartAsync(Token);
        await SendAsync(site, "nightly@1@x");

        var (occurrence, run) = await gate.Ended.Task.WaitAsync(Token);
        await worker.StopAsync(Token);

        Assert.Equal(new Occurrence("nightly", 1, Due, "nightly@1@x"), occurrence);
        Assert.Equal((RunOutcome.Failed, 1, "nightly", Due), (run.Outcome, run.Attempt, run.Schedule, run.ScheduledAt));
        Assert.Equal(("nightly", Due, 1), (context!.Schedule, context.DueAt, context.Attempt));
        Assert.Equal(2, gate.Asked);
        Assert.NotNull(await site.Admin.GetMessageAsync("jobs!dead", "nightly@1@x", Token));
    }

    [Fact]
    public async Task AnOccurrence_ThatIsToBeDropped_IsCompleted_WithoutARun()
    {
        var gate = new ScriptedGate(new OccurrenceVerdict(OccurrenceAction.Drop), new OccurrenceVerdict(OccurrenceAction.Run, Definition));
        var ran = new ConcurrentQueue<string>();
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>((_, run, _) =>
        {
            ran.Enqueue(run.Id.ToString());
            return Task.CompletedTask;
        }));
        await using var worker = site.Mill.JobWorker(new JobWorkerOptions { Concurrency = 1 }, gate);
        await worker.StartAsync(Token);
        await SendAsync(site, "a");
        await SendAsync(site, "b");

        await gate.Ended.Task.WaitAsync(Token);
        await worker.StopAsync(Token);

        Assert.Equal(["b"], ran);
        Assert.Single(await site.WaitForRunsAsync(1));
        Assert.Equal((0, 0), ((await site.Admin.GetStatsAsync("jobs", Token)).Ready, (await site.Admin.GetStatsAsync("jobs", Token)).Dead));
    }

    [Fact]
    public void TheMessage_OfAPlainTarget_SaysItsScheduleAndTime_AndThatOfAJobBearsTheKeyOfItsPolicy()
    {
        var plain = JobMessage.ForOccurrence(Definition with { Target = new MessageTarget { Body = "x"u8.ToArray(), ContentType = "text/plain" } }, 2, Due, "i");
        var job = JobMessage.ForOccurrence(Definition, 2, Due, "i");
        var buffered = JobMessage.ForOccurrence(Definition with { Overlap = OverlapPolicy.BufferOne }, 2, Due, "i");

        Assert.Equal(("nightly", "1700000000000", "text/plain"), (plain.Headers![JobMessage.ScheduleHeader], plain.Headers[JobMessage.DueHeader], plain.ContentType));
        Assert.Equal((null, "nightly", 7), (job.Key, buffered.Key, job.Priority));
        Assert.Equal("""{"due":1700000000000,"schedule":"nightly","version":2}""", job.Headers![JobMessage.OptionsHeader]);
    }

    private static async Task SendAsync(JobSite site, string id) =>
        await site.Mill.Require<IQueueStore>().EnqueueAsync("jobs", new[] { JobMessage.ForOccurrence(Definition, 1, Due, id) }, Memory<EnqueueResult>.Empty, Token);

    private sealed class ScriptedGate(params OccurrenceVerdict[] verdicts) : IOccurrenceGate
    {
        private int _asked;

        public TaskCompletionSource<(Occurrence, RunRecord)> Ended { get; } = new();

        public int Asked => _asked;

        public ValueTask<OccurrenceVerdict> BeginAsync(Occurrence occurrence, CancellationToken cancellationToken) => new(verdicts[Interlocked.Increment(ref _asked) - 1]);

        public ValueTask EndAsync(Occurrence occurrence, RunRecord run, CancellationToken cancellationToken)
        {
            Ended.TrySetResult((occurrence, run));
            return default;
        }
    }
}
