using Millrace.Client;
using Millrace.Scheduling.History;
using Millrace.Scheduling.Tests.Jobs;
using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Scheduling.Tests.History;

/// <summary>The history of runs.</summary>
public sealed class RunHistoryTests
{
    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void ARun_ReadsBackAsItWasWritten()
    {
        var full = new RunRecord
        {
            Run = "r\"1\"", Job = "j", Schedule = "s", Queue = "q", Outcome = RunOutcome.Failed, ScheduledAt = Start, StartedAt = Start.AddTicks(20), FinishedAt = Start.AddSeconds(1.5),
            Duration = TimeSpan.FromMilliseconds(1499.5), Node = "n/1", Attempt = 3, Error = "ä\n", Result = """{"a":1}""",
        };
        var many = full with { Outcome = RunOutcome.Skipped, Count = 1261, ScheduledUntil = Start.AddHours(1) };
        var bare = new RunRecord { Run = "r", Queue = "q", Outcome = RunOutcome.Skipped, ScheduledAt = Start, FinishedAt = Start, Node = "n" };

        Assert.Equal(full, Again(full));
        Assert.Equal(many, Again(many));
        Assert.Equal(bare, Again(bare));
        Assert.False(RunJson.TryRead("[]"u8, out _));
        Assert.False(RunJson.TryRead("""{"run":"r","outcome":"strange"}"""u8, out _));
        Assert.False(RunJson.TryRead("""{"run":1}"""u8, out _));
        Assert.True(RunJson.TryRead("""{"run":"r","outcome":"succeeded","new":{"a":[1]}}"""u8, out _));
    }

    [Theory]
    [InlineData("memory")]
    [InlineData("file")]
    public async Task Runs_AreListedNewestFirst_ByPage_AndByEachCondition(string backend)
    {
        await using var site = await JobSite.OpenAsync(backend);
        for (var i = 0; i < 2_500; i++)
        {
            await site.Jobs.History.AppendAsync(RunOf(i));
        }

        var seen = new List<string>();
        string? next = null;
        do
        {
            var page = await site.Jobs.History.ListAsync(new RunQuery { Limit = 700, Continuation = next }, Token);
            seen.AddRange(page.Runs.Select(run => run.Run));
            next = page.Next;
        }
        while (next is not null);

        Assert.Equal(Enumerable.Range(0, 2_500).Reverse().Select(i => $"r{i}"), seen);
        Assert.Equal(["r2403", "r2303"], await NamesAsync(site, new RunQuery { Job = "j3", Limit = 2 }));
        Assert.Equal(["r2", "r1", "r0"], await NamesAsync(site, new RunQuery { Until = Start.AddSeconds(3) }));
        Assert.Equal(["r17"], await NamesAsync(site, new RunQuery { Run = "r17" }));
        Assert.Equal(["r2499", "r2489"], await NamesAsync(site, new RunQuery { Schedule = "s9", Limit = 2 }));
        Assert.Equal(["r2493", "r2486"], await NamesAsync(site, new RunQuery { Outcome = RunOutcome.Failed, Limit = 2 }));
    }

    [Fact]
    public async Task Statistics_CountEveryOccurrenceThatARecordStandsFor()
    {
        await using var site = await JobSite.OpenAsync();
        var skipped = new RunRecord { Run = "s@1@1", Schedule = "s", Queue = "q", Outcome = RunOutcome.Skipped, ScheduledAt = Start, FinishedAt = Start, Node = "n" };
        await site.Jobs.History.AppendAsync(skipped);
        await site.Jobs.History.AppendAsync(skipped with { Count = 1261, ScheduledUntil = Start.AddHours(1) });
        await site.Jobs.History.AppendAsync(skipped with { Outcome = RunOutcome.Sent });

        var statistics = await site.Jobs.History.GetStatisticsAsync(new RunQuery(), Token);

        Assert.Equal((1262, 1), (statistics.Skipped, statistics.Sent));
    }

    [Fact]
    public async Task Statistics_AreThoseOfTheWindow()
    {
        await using var site = await JobSite.OpenAsync();
        for (var i = 0; i < 200; i++)
        {
            await site.Jobs.History.AppendAsync(RunOf(i));
        }

        var statistics = await site.Jobs.History.GetStatisticsAsync(new RunQuery { Until = Start.AddSeconds(100) }, Token);

        Assert.Equal((85, 15), (statistics.Succeeded, statistics.Failed));
        Assert.Equal(new RunTimes(TimeSpan.Zero, TimeSpan.FromMilliseconds(49.5), TimeSpan.FromMilliseconds(99), TimeSpan.FromMilliseconds(98)), statistics.Duration);
        Assert.Equal(TimeSpan.FromSeconds(1), statistics.Lateness!.P99);
        Assert.Null((await site.Jobs.History.GetStatisticsAsync(new RunQuery { Job = "none" }, Token)).Duration);
    }

    [Fact]
    public async Task TheHistory_KeepsSoManyRuns()
    {
        await using var site = await JobSite.OpenAsync(configure: options => options.RunHistory = new RunHistoryOptions { MaxRecords = 100 });
        for (var i = 0; i < 300; i++)
        {
            await site.Jobs.History.AppendAsync(RunOf(i));
        }

        Assert.Equal(100, (await site.Jobs.History.ListAsync(new RunQuery { Limit = 1000 }, Token)).Runs.Count);
    }

    [Fact]
    public async Task AHistoryThatFails_RepeatsNoJob_AndGoesOnWhenItCan()
    {
        var clock = new ManualTimeProvider();
        var streams = new FailingStreams();
        var ran = 0;
        var registry = BackendRegistry.CreateDefault();
        registry.Add("failing", async (_, context, token) =>
        {
            var inner = await BackendRegistry.CreateDefault().OpenAsync("memory:", context, token);
            streams.Inner = inner.Streams;
            return Backend.Of("failing", inner.Queues!, inner.State!, streams);
        });
        await using var mill = await MillraceClient.OpenAsync(
            "failing:",
            options =>
            {
                options.Backends = registry;
                options.Jobs.Add<Note>((_, _, _) => Task.FromResult(Interlocked.Increment(ref ran)));
            },
            Token);
        await using var worker = mill.JobWorker();
        await worker.StartAsync(Token);
        await mill.Jobs.EnqueueAsync(new Note(1), cancellationToken: Token);

        await streams.Refused.Task.WaitAsync(Token);
        streams.IsUp = true;
        await mill.Jobs.EnqueueAsync(new Note(2), new JobOptions { Id = "second" }, Token);
        await (await mill.Jobs.Environment.Runs.OpenAsync(Token)).WaitForAsync(0, Token);
        await worker.StopAsync(Token);

        Assert.Equal(2, ran);
        Assert.Contains((await mill.Jobs.History.ListAsync(new RunQuery(), Token)).Runs, run => run.Run == "second");
        Assert.Equal(0, (await mill.Require<IQueueAdmin>().GetStatsAsync("jobs", Token)).Ready);
    }

    [Fact]
    public async Task AHistoryThatIsOff_SaysSo()
    {
        await using var site = await JobSite.OpenAsync(configure: options => options.RunHistory = new RunHistoryOptions { IsEnabled = false });

        Assert.False(site.Jobs.History.IsEnabled);
        await site.Jobs.History.AppendAsync(RunOf(1));
        await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await site.Jobs.History.ListAsync(new RunQuery(), Token));
    }

    private static async Task<IEnumerable<string>> NamesAsync(JobSite site, RunQuery query) =>
        (await site.Jobs.History.ListAsync(query, Token)).Runs.Select(run => run.Run);

    private static RunRecord RunOf(int i) => new()
    {
        Run = $"r{i}",
        Job = $"j{i % 100}",
        Schedule = $"s{i % 10}",
        Queue = "jobs",
        Outcome = i % 7 == 1 ? RunOutcome.Failed : RunOutcome.Succeeded,
        ScheduledAt = Start.AddSeconds(i - 1),
        StartedAt = Start.AddSeconds(i),
        FinishedAt = Start.AddSeconds(i),
        Duration = TimeSpan.FromMilliseconds(i),
        Node = "n",
        Attempt = 1,
    };

    private static RunRecord Again(RunRecord run)
    {
        using var buffer = new MemoryStream();
        using (var writer = new System.Text.Json.Utf8JsonWriter(buffer))
        {
            RunJson.Write(writer, RunEntry.Of(run));
        }

        Assert.True(RunJson.TryRead(buffer.ToArray(), out var read));
        return read;
    }

    private sealed class FailingStreams : IStreamStore
    {
        public IStreamStore? Inner { get; set; }

        public bool IsUp { get; set; }

        public TaskCompletionSource Refused { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public StreamCapabilities Capabilities => Inner!.Capabilities;

        public ValueTask<IStreamPartition> OpenPartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default)
        {
            if (IsUp)
            {
                return Inner!.OpenPartitionAsync(context, cancellationToken);
            }

            Refused.TrySetResult();
            throw new BackendUnavailableException("The disk is full.");
        }

        public ValueTask<bool> DeletePartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default) => Inner!.DeletePartitionAsync(context, cancellationToken);

        public ValueTask DisposeAsync() => default;
    }
}
