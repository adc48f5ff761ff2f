using System.Diagnostics;
using Quartz;

namespace Millrace.Bench.Scheduler;

/// <summary>Quartz with its store in memory: one job, and a trigger for each run of it.</summary>
internal static class QuartzBaseline
{
    /// <summary>Schedules and runs so many jobs that are due at once, from several callers.</summary>
    /// <param name="count">How many.</param>
    /// <param name="callers">From how many callers.</param>
    /// <param name="batch">How many are handed over in one call.</param>
    /// <param name="concurrency">How many run at once.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>How many a second, from the first that is scheduled to the end of the last run.</returns>
    public static async Task<double> OneshotAsync(int count, int callers, int batch, int concurrency, CancellationToken cancellationToken)
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
                    for (var i = 0; i < count / callers / batch; i++)
                    {
                        await ScheduleAsync(scheduler, job, batch, cancellationToken);
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

    private static async ValueTask ScheduleAsync(IScheduler scheduler, IJobDetail job, int batch, CancellationToken cancellationToken)
    {
        if (batch == 1)
        {
            await scheduler.ScheduleJob(TriggerBuilder.Create().ForJob(job.Key).StartNow().Build(), cancellationToken: cancellationToken);
            return;
        }

        // Triggers that are handed over together bring their job.
        var own = JobBuilder.Create<CountingJob>().WithIdentity(Guid.NewGuid().ToString("N")).Build();
        var triggers = new ITrigger[batch];
        for (var i = 0; i < batch; i++)
        {
            triggers[i] = TriggerBuilder.Create().ForJob(own.Key).StartNow().Build();
        }

        await scheduler.ScheduleJob(own, triggers, cancellationToken: cancellationToken);
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
