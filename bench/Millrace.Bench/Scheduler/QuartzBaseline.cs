using System.Diagnostics;
using Quartz;

namespace Millrace.Bench.Scheduler;

/// <summary>Quartz with its store in memory: one job, and a trigger for each run of it.</summary>
internal static class QuartzBaseline
{
    /// <summary>Schedules and runs so many jobs that are due at once, from several callers.</summary>
    /// <returns>How many a second, from the first that is scheduled to the end of the last run.</returns>
    public static async Task<double> OneshotAsync(int count, int callers, int concurrency, CancellationToken cancellationToken)
    {
        CountingJob.Begin(count);
        var scheduler = await QuartzSchedulerBuilder.Create(_ => { }).UseProperties(new Dictionary<string, string>
        {
            ["quartz.scheduler.instanceName"] = Guid.NewGuid().ToString("N"),
            ["quartz.threadPool.maxConcurrency"] = concurrency.ToString(System.Globalization.CultureInfo.InvariantCulture),

            // Without these it takes triggers one by one; with them it is several times as fast.
            ["quartz.scheduler.batchTriggerAcquisitionMaxCount"] = concurrency.ToString(System.Globalization.CultureInfo.InvariantCulture),
            ["quartz.scheduler.batchTriggerAcquisitionFireAheadTimeWindow"] = "1000",
        }!).BuildScheduler(cancellationToken);
        await scheduler.Start(cancellationToken);
        try
        {
            var job = JobBuilder.Create<CountingJob>().WithIdentity("counting").StoreDurably(true).Build();
            await scheduler.AddJob(job, cancellationToken: cancellationToken);
            var started = Stopwatch.GetTimestamp();
            var scheduling = Enumerable.Range(0, callers).Select(_ => Task.Run(
                async () =>
                {
                    for (var i = 0; i < count / callers; i++)
                    {
                        await scheduler.ScheduleJob(TriggerBuilder.Create().ForJob(job.Key).StartNow().Build(), cancellationToken: cancellationToken);
                    }
                },
                cancellationToken)).ToArray();
            await Task.WhenAll(scheduling);
            await CountingJob.Done.WaitAsync(cancellationToken);
            return count / Stopwatch.GetElapsedTime(started).TotalSeconds;
        }
        finally
        {
            await scheduler.Shutdown(false, cancellationToken);
        }
    }

    private sealed class CountingJob : Quartz.IJob
    {
        private static TaskCompletionSource _done = new();
        private static int _left;

        public static Task Done => _done.Task;

        public static void Begin(int count)
        {
            _done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _left = count;
        }

        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
        {
            if (Interlocked.Decrement(ref _left) == 0)
            {
                _done.SetResult();
            }

            return default;
        }
    }
}
