using System.Threading.Channels;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Scheduling.Tests.Processes;

/// <summary>
/// Three processes over one store, a schedule of every second: each second runs once, also though one process is killed after a third of the time, and another one joins after two
/// thirds.
/// </summary>
public sealed class OnceAcrossProcessesTests
{
    private const int LeaseMs = 2_000;

    private static int Seconds => TestScale.IsFull ? 60 : 15;

    [Fact]
    public async Task Sqlite_ThreeProcesses_EachSecondRunsOnce()
    {
        var folder = Directory.CreateTempSubdirectory("millrace-beats-");
        try
        {
            await RunAsync($"sqlite:{Path.Combine(folder.FullName, "beats.db")}");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Redis_ThreeProcesses_EachSecondRunsOnce()
    {
        await using var redis = await LocalRedis.StartAsync(cancellationToken: TestContext.Current.CancellationToken);
        await RunAsync($"redis://{redis.EndPoint}/0");
    }

    private static async Task RunAsync(string url)
    {
        var runs = Channel.CreateUnbounded<BeatRun>();
        var seen = new List<BeatRun>();
        var workers = new List<ScheduleWorkerProcess>();
        var killed = 0;
        try
        {
            for (var i = 0; i < 3; i++)
            {
                workers.Add(await StartAsync());
            }

            // From a second on that no process can have missed by its start.
            var first = (await NextAsync()).Due.AddSeconds(1);
            await UntilRunAsync(first.AddSeconds(Seconds / 3.0));
            killed = workers[0].Id;
            await workers[0].KillAsync();
            await UntilRunAsync(first.AddSeconds(Seconds * 2 / 3.0));
            workers.Add(await StartAsync());
            await UntilRunAsync(first.AddSeconds(Seconds));
            var wanted = Enumerable.Range(0, Seconds).Select(second => first.AddSeconds(second)).ToHashSet();

            // What the killed one had leased comes when its lease has ended.
            while (!wanted.IsSubsetOf(seen.Select(run => run.Due)))
            {
                await NextAsync();
            }

            // One that it was about to settle runs again: the only way for a second to run twice.
            var twice = seen.GroupBy(run => run.Due).Where(due => wanted.Contains(due.Key) && due.Count() > 1).ToList();
            Assert.All(twice, due => Assert.Contains(due, run => run.Process == killed));
            Assert.True(twice.Count <= 1, $"{twice.Count} seconds ran twice.");
            TestScale.Report($"{url.Split(':')[0]}: {Seconds} seconds, {seen.Count(run => wanted.Contains(run.Due))} runs by {seen.Select(run => run.Process).Distinct().Count()} processes");
        }
        finally
        {
            foreach (var worker in workers)
            {
                await worker.DisposeAsync();
            }
        }

        Task<ScheduleWorkerProcess> StartAsync() => ScheduleWorkerProcess.StartAsync(url, LeaseMs, runs.Writer, TestContext.Current.CancellationToken);

        async Task<BeatRun> NextAsync()
        {
            var run = await runs.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30));
            seen.Add(run);
            return run;
        }

        async Task UntilRunAsync(DateTimeOffset due)
        {
            while ((await NextAsync()).Due < due)
            {
            }
        }
    }
}
