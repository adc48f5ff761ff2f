using System.Collections.Concurrent;
using Millrace.Scheduling.Tests.Jobs;
using Millrace.Testing;
using Xunit;

namespace Millrace.Scheduling.Tests.Limits;

/// <summary>Jobs that wait for a limit: in a line, without being asked for again and again.</summary>
public sealed class LimitLineTests
{
    private readonly TaskCompletionSource _go = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentQueue<int> _ran = new();
    private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task JobsThatWait_RunWhenASlotIsFree_ThoughNoTimePasses_AboutInTheirOrder()
    {
        const int count = 100;
        await using var site = await OpenAsync(new ManualTimeProvider());
        await using var worker = await site.StartAsync(new JobWorkerOptions { Concurrency = 8 });
        await site.Jobs.EnqueueAsync(new Note(0), cancellationToken: Token);
        await _entered.Task.WaitAsync(Token);
        await site.Jobs.EnqueueBatchAsync(Enumerable.Range(1, count).Select(i => new Note(i)), cancellationToken: Token);
        await site.Jobs.EnqueueAsync(new Note(count + 1), new JobOptions { Priority = 9 }, Token);
        await WaitUntilPutBackAsync(site);

        _go.SetResult();
        await site.WaitForRunsAsync(count + 2);

        var order = _ran.ToArray();
        Assert.Equal(0, order[0]);
        Assert.Equal(count + 1, order[1]);

        // Those that are called from the queue at the same time may change places, and a thread that stands still holds its job up. By chance alone 44 would be no further from their places.
        Assert.InRange(order[2..].Where((number, place) => Math.Abs(number - 1 - place) <= 25).Count(), 80, count);

        // The worker has given each of them back once, and perhaps again when another one went before it.
        Assert.InRange(worker.Stats.Returned, count / 2, count * 4);
    }

    [Fact]
    public async Task JobsThatWait_LeaveHandlersToOthers()
    {
        await using var site = await OpenAsync(new ManualTimeProvider());
        await using var worker = await site.StartAsync(new JobWorkerOptions { Concurrency = 4 });
        await site.Jobs.EnqueueBatchAsync(Enumerable.Range(0, 40).Select(i => new Note(i)), cancellationToken: Token);
        await _entered.Task.WaitAsync(Token);

        await site.Jobs.EnqueueAsync(new Following(1), cancellationToken: Token);

        Assert.Equal("follow-up", Assert.Single(await site.WaitForRunsAsync(1)).Job);
        _go.SetResult();
        await site.WaitForRunsAsync(41);
    }

    [Fact]
    public async Task JobsThatWait_AreHandedBackAtOnce_WhenTheWorkerStops()
    {
        await using var site = await OpenAsync(new ManualTimeProvider());
        await using var worker = await site.StartAsync(new JobWorkerOptions { Concurrency = 8 });
        await site.Jobs.EnqueueBatchAsync(Enumerable.Range(0, 20).Select(i => new Note(i)), cancellationToken: Token);
        await _entered.Task.WaitAsync(Token);
        await WaitUntilPutBackAsync(site);

        var stop = worker.StopAsync(Token);
        while ((await site.Admin.GetStatsAsync("jobs", Token)).Leased > 1)
        {
            await Task.Yield();
        }

        _go.SetResult();
        await stop;
        Assert.Single(_ran);
        var stats = await site.Admin.GetStatsAsync("jobs", Token);
        Assert.Equal(19, stats.Ready + stats.Scheduled);
    }

    [Fact]
    public async Task AJobThatWaits_CanBeCancelled()
    {
        await using var site = await OpenAsync(TimeProvider.System);
        await using var worker = await site.StartAsync(new JobWorkerOptions { Concurrency = 8 });
        await site.Jobs.EnqueueAsync(new Note(0), cancellationToken: Token);
        await _entered.Task.WaitAsync(Token);
        var sent = await site.Jobs.EnqueueAsync(new Note(1), new JobOptions { Track = true }, Token);
        while ((await site.Admin.GetStatsAsync("jobs", Token)).Leased < 2)
        {
            await Task.Yield();
        }

        Assert.Equal(CancelOutcome.Requested, await site.Jobs.CancelAsync(sent.Id, cancellationToken: Token));

        await site.WaitForAsync(sent.Id, job => job.State == JobState.Cancelled);
        _go.SetResult();
        await site.WaitForRunsAsync(2);
        Assert.Equal([0], _ran);
    }

    [Fact]
    public async Task TwoLimitedTypes_InOneWorker_BothGoOn()
    {
        await using var site = await JobSite.OpenAsync(configure: options =>
        {
            options.TimeProvider = new ManualTimeProvider();
            options.Jobs.Add<Note>(async (_, _, _) => await Task.Yield(), job => job.MaxConcurrent = 1);
            options.Jobs.Add<Following>(async (_, _, _) => await Task.Yield(), job => job.MaxConcurrent = 1);
        });
        await using var worker = await site.StartAsync(new JobWorkerOptions { Concurrency = 4 });

        await site.Jobs.EnqueueBatchAsync(Enumerable.Range(0, 50).Select(i => new Note(i)), cancellationToken: Token);
        await site.Jobs.EnqueueBatchAsync(Enumerable.Range(0, 50).Select(i => new Following(i)), cancellationToken: Token);

        Assert.All(await site.WaitForRunsAsync(100), run => Assert.Equal((RunOutcome.Succeeded, 1), (run.Outcome, run.Attempt)));
    }

    /// <summary>One note at a time; the first one waits for a sign.</summary>
    private Task<JobSite> OpenAsync(TimeProvider clock) => JobSite.OpenAsync(configure: options =>
    {
        options.TimeProvider = clock;
        options.Jobs.Add<Note>(
            async (note, _, token) =>
            {
                _ran.Enqueue(note.Number);
                _entered.TrySetResult();
                await _go.Task.WaitAsync(token);
            },
            job => job.MaxConcurrent = 1);
        options.Jobs.Add<Following>((_, _, _) => Task.CompletedTask);
    });

    /// <summary>Ends when one job runs, four wait in their handlers, and the others in the queue.</summary>
    private static async Task WaitUntilPutBackAsync(JobSite site)
    {
        while (await site.Admin.GetStatsAsync("jobs", Token) is { Ready: > 0 } or { Leased: > 5 })
        {
            await Task.Yield();
        }
    }
}
