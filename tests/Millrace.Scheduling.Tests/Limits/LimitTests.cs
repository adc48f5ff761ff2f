using Millrace.Scheduling.Limits;
using Millrace.Scheduling.Tests.Jobs;
using Millrace.Testing;
using Xunit;

namespace Millrace.Scheduling.Tests.Limits;

/// <summary>Limits that hold over all workers.</summary>
public sealed class LimitTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("type")]
    [InlineData("queue")]
    public async Task NeverMoreThanTheLimit_RunAtOnce_OnTwoWorkers_AndAllRun(string where)
    {
        const int limit = 3;
        const int count = 60;
        var running = 0;
        var most = 0;
        var left = count;
        var done = new TaskCompletionSource();
        var full = new TaskCompletionSource();
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>(
            async (_, _, token) =>
            {
                var now = Interlocked.Increment(ref running);
                InterlockedMax(ref most, now);
                if (now == limit)
                {
                    full.TrySetResult();
                }

                // The first ones wait until the limit has been reached, so that it is reached.
                await full.Task.WaitAsync(token);
                await Task.Yield();
                Interlocked.Decrement(ref running);
                if (Interlocked.Decrement(ref left) == 0)
                {
                    done.SetResult();
                }
            },
            options => options.MaxConcurrent = where == "type" ? limit : null));
        var worker = new JobWorkerOptions { Concurrency = 8, MaxConcurrent = where == "queue" ? limit : null };
        await using var first = await site.StartAsync(worker);
        await using var second = await site.StartAsync(worker);

        await site.Jobs.EnqueueBatchAsync(Enumerable.Range(0, count).Select(i => new Note(i)), cancellationToken: Token);

        await done.Task.WaitAsync(Token);
        Assert.Equal(limit, most);
        var runs = await site.WaitForRunsAsync(count);
        Assert.All(runs, run => Assert.Equal((RunOutcome.Succeeded, 1), (run.Outcome, run.Attempt)));
    }

    [Fact]
    public async Task ARate_OverTwoNodes_IsNeitherExceededNorMissed()
    {
        var clock = new ManualTimeProvider();
        await using var site = await JobSite.OpenAsync(configure: options => options.TimeProvider = clock);
        var rate = new RateLimit(100, TimeSpan.FromSeconds(1));
        RateLimiter[] nodes = [new("r", rate, site.State, clock), new("r", rate, site.State, clock)];
        var starts = new List<long>();

        for (var millisecond = 0; millisecond < 5_000; millisecond++)
        {
            foreach (var node in nodes)
            {
                while (await node.TryTakeAsync(Token) is null)
                {
                    starts.Add(millisecond);
                }
            }

            clock.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.InRange(starts.Count, 480, 501);
        foreach (var start in starts)
        {
            // Up to a batch of each node may have been taken late.
            Assert.InRange(starts.Count(other => other >= start && other < start + 1_000), 0, 120);
        }
    }

    [Fact]
    public async Task ARate_AfterAPause_DoesNotMakeUpForIt()
    {
        var clock = new ManualTimeProvider();
        await using var site = await JobSite.OpenAsync(configure: options => options.TimeProvider = clock);
        var node = new RateLimiter("r", new RateLimit(100, TimeSpan.FromSeconds(1)), site.State, clock);
        Assert.Null(await node.TryTakeAsync(Token));
        clock.Advance(TimeSpan.FromMinutes(1));

        var burst = 0;
        while (await node.TryTakeAsync(Token) is null)
        {
            burst++;
        }

        Assert.InRange(burst, 1, 10);
    }

    [Fact]
    public async Task JobsOfARate_AllRun_WithoutCountingTheirWaits()
    {
        const int count = 40;
        var left = count;
        var done = new TaskCompletionSource();
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Note>(
            (_, _, _) =>
            {
                if (Interlocked.Decrement(ref left) == 0)
                {
                    done.SetResult();
                }

                return Task.CompletedTask;
            },
            options => options.Rate = new(100, TimeSpan.FromSeconds(1))));
        await using var worker = await site.StartAsync();
        var startedAt = System.Diagnostics.Stopwatch.GetTimestamp();

        await site.Jobs.EnqueueBatchAsync(Enumerable.Range(0, count).Select(i => new Note(i)), cancellationToken: Token);
        await done.Task.WaitAsync(Token);

        // 40 starts at 100 a second are 39 spaces of 10 ms; a batch of 10 may come late, so that much less is possible.
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(startedAt) > TimeSpan.FromMilliseconds(290));
        Assert.All(await site.WaitForRunsAsync(count), run => Assert.Equal(1, run.Attempt));
    }

    private static void InterlockedMax(ref int target, int value)
    {
        var current = Volatile.Read(ref target);
        while (value > current && Interlocked.CompareExchange(ref target, value, current) is var seen && seen != current)
        {
            current = seen;
        }
    }
}
