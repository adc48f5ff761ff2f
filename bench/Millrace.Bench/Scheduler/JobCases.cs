using System.Diagnostics;
using Millrace.Scheduling;

namespace Millrace.Bench.Scheduler;

/// <summary>Jobs that run once: how many a second, and how soon after they are due.</summary>
internal static class JobCases
{
    private const int MemoryCount = 400_000;
    private const int QuartzCount = 100_000;
    private const int MemoryBatch = 500;
    private const int DurableCount = 128_000;
    private const int Callers = 2;
    private const int DurableCallers = 64;
    private const int Concurrency = 64;
    private const int BurstCount = 10_000;
    private const int WarmUpCount = 50_000;
    private const int BurstWarmUpCount = 10_000;

    // All of a burst are in the store before it is due.
    private static readonly TimeSpan BurstDelay = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan DueDelay = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// Jobs that two callers hand over by the hundreds, due at once, with their history; against Quartz in the way of handing over in which it is faster.
    /// </summary>
    public static async Task<IReadOnlyList<Measurement>> MemoryOneshotAsync(BenchContext context)
    {
        await OneshotAsync("memory:", WarmUpCount, Callers, MemoryBatch, context.CancellationToken);
        var ours = await OneshotAsync("memory:", MemoryCount, Callers, MemoryBatch, context.CancellationToken);
        var single = await OneshotAsync("memory:", MemoryCount, Callers, 1, context.CancellationToken);
        await QuartzBaseline.OneshotAsync(WarmUpCount, Callers, 1, Concurrency, context.CancellationToken);
        var quartz = Math.Max(
            await QuartzBaseline.OneshotAsync(QuartzCount, Callers, 1, Concurrency, context.CancellationToken),
            await QuartzBaseline.OneshotAsync(QuartzCount, Callers, MemoryBatch, Concurrency, context.CancellationToken));
        return
        [
            Measurement.Against("per_s", ours, "jobs/s", "Quartz in memory", quartz),
            new Measurement("one_by_one_per_s", single, "jobs/s"),
            new Measurement("quartz_per_s", quartz, "jobs/s"),
        ];
    }

    /// <summary>Jobs that are scheduled by callers that wait for the disk, and run.</summary>
    public static async Task<IReadOnlyList<Measurement>> DurableOneshotAsync(BenchContext context)
    {
        var disk = DiskBaseline.Measure(context.Folder);
        return [new Measurement("per_s", await OneshotAsync(DurableUrl(context), DurableCount, DurableCallers, 1, context.CancellationToken), "jobs/s"), disk];
    }

    /// <summary>Jobs that are due at one instant: from then until the last has run.</summary>
    public static async Task<IReadOnlyList<Measurement>> MemoryBurstAsync(BenchContext context)
    {
        await BurstAsync(BurstWarmUpCount, context.CancellationToken);
        return [new Measurement("ms", await BurstAsync(BurstCount, context.CancellationToken), "ms")];
    }

    /// <summary>A thousand jobs a second, each due half a second after it was scheduled: from then until it starts.</summary>
    public static Task<IReadOnlyList<Measurement>> MemoryDueAsync(BenchContext context) => DueAsync("memory:", 1000, context.CancellationToken);

    /// <summary>The same with a store on the disk, and half as many.</summary>
    public static async Task<IReadOnlyList<Measurement>> DurableDueAsync(BenchContext context) =>
        [.. await DueAsync(DurableUrl(context), 500, context.CancellationToken), DiskBaseline.Measure(context.Folder)];

    private static string DurableUrl(BenchContext context) => $"file:{Path.Combine(context.Folder, Guid.NewGuid().ToString("N"))}";

    private static async Task<double> OneshotAsync(string url, int count, int callers, int batch, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var left = count;
        await using var site = await JobSite.OpenAsync(
            url,
            Concurrency,
            _ =>
            {
                if (Interlocked.Decrement(ref left) == 0)
                {
                    done.SetResult();
                }
            },
            cancellationToken);
        var started = Stopwatch.GetTimestamp();
        var scheduling = Enumerable.Range(0, callers).Select(caller => Task.Run(
            async () =>
            {
                var part = count / callers;
                for (var i = caller * part; i < (caller + 1) * part; i += batch)
                {
                    if (batch == 1)
                    {
                        await site.Jobs.EnqueueAsync(new NumberedJob(i), cancellationToken: cancellationToken);
                    }
                    else
                    {
                        await site.Jobs.EnqueueBatchAsync(Enumerable.Range(i, batch).Select(number => new NumberedJob(number)), cancellationToken: cancellationToken);
                    }
                }
            },
            cancellationToken)).ToArray();
        await Task.WhenAll(scheduling);
        await done.Task.WaitAsync(cancellationToken);
        return count / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static async Task<double> BurstAsync(int count, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        var left = count;
        await using var site = await JobSite.OpenAsync(
            "memory:",
            Concurrency,
            _ =>
            {
                if (Interlocked.Decrement(ref left) == 0)
                {
                    done.SetResult(Stopwatch.GetTimestamp());
                }
            },
            cancellationToken);
        var due = Stopwatch.GetTimestamp() + (long)(BurstDelay.TotalSeconds * Stopwatch.Frequency);
        var dueAt = DateTimeOffset.UtcNow + BurstDelay;
        await site.Jobs.EnqueueBatchAsync(Enumerable.Range(0, count).Select(i => new NumberedJob(i)), new JobOptions { DueAt = dueAt }, cancellationToken);
        return Stopwatch.GetElapsedTime(due, await done.Task.WaitAsync(cancellationToken)).TotalMilliseconds;
    }

    private static async Task<IReadOnlyList<Measurement>> DueAsync(string url, int perSecond, CancellationToken cancellationToken)
    {
        var count = perSecond * 10;
        var warmUp = perSecond;
        var dueAt = new long[count];
        var startedAt = new long[count];
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var left = count;
        await using var site = await JobSite.OpenAsync(
            url,
            Concurrency,
            number =>
            {
                startedAt[number] = Stopwatch.GetTimestamp();
                if (Interlocked.Decrement(ref left) == 0)
                {
                    done.SetResult();
                }
            },
            cancellationToken);
        var delay = (long)(DueDelay.TotalSeconds * Stopwatch.Frequency);
        var scheduling = Task.Factory.StartNew(
            () =>
            {
                var next = Stopwatch.GetTimestamp();
                for (var i = 0; i < count; i++)
                {
                    next += Stopwatch.Frequency / perSecond;
                    FineSleep.Until(next);

                    // The store counts from when it takes the job, which is after this.
                    dueAt[i] = Stopwatch.GetTimestamp() + delay;
                    _ = site.Jobs.ScheduleAsync(new NumberedJob(i), DueDelay, cancellationToken: cancellationToken).AsTask();
                }
            },
            cancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        await scheduling;
        await done.Task.WaitAsync(cancellationToken);
        var latencies = new Latencies(count - warmUp);
        for (var i = warmUp; i < count; i++)
        {
            latencies.Add(startedAt[i] - dueAt[i]);
        }

        return latencies.ToMeasurements();
    }
}
