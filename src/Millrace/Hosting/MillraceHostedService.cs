using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Diagnostics;
using Millrace.Scheduling;
using Millrace.Scheduling.Schedules;

namespace Millrace.Hosting;

/// <summary>Opens the instances before other services start, runs their workers, and drains them before other services stop.</summary>
internal sealed class MillraceHostedService(IServiceProvider services, InstanceRegistry registry) : IHostedLifecycleService
{
    private readonly List<IMessageWorker> _workers = [];
    private Task _watching = Task.CompletedTask;

    /// <summary>Opens everything and checks everything that was registered, so that what cannot work stops the host from starting.</summary>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        await services.OpenMillraceAsync(cancellationToken).ConfigureAwait(false);
        foreach (var instance in registry.Instances)
        {
            var client = services.GetRequiredKeyedService<MillraceClient>(instance.Name);
            _workers.AddRange(instance.Workers.Select(make => make(client)));
            _workers.AddRange(JobWorkersOf(instance).Select(options => client.JobWorker(options)));
            if (instance.Scheduler is { } scheduler)
            {
                _workers.Add(client.Scheduler(scheduler with { Unread = [.. instance.Schedules.Select(schedule => new UnreadSchedule(schedule.Name, () => schedule.Make(client)))] }));
            }
            else if (client.HasScheduledJobs)
            {
                _workers.Add(client.Scheduler());
            }
            else if (JobWorkersOf(instance).Count > 0)
            {
                // An application that runs jobs and has dropped its last schedule would leave it to other nodes for ever.
                await client.DefineNoSchedulesAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(_workers.Select(worker => worker.StartAsync(cancellationToken))).ConfigureAwait(false);
        _watching = Task.WhenAll(_workers.Select(WatchAsync));
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(_workers.Select(worker => worker.StopAsync(cancellationToken))).ConfigureAwait(false);

        // A loop that heeded nothing never completes: the host's own deadline ends the wait for it.
        await _watching.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static List<JobWorkerOptions> JobWorkersOf(InstanceRegistration instance) =>
        instance.JobWorkers.Count == 0 && instance.HasJobs ? [new JobWorkerOptions()] : instance.JobWorkers;

    // A host without its worker would look alive and do nothing. Restarted, it meets the fault again and says so, or works.
    private async Task WatchAsync(IMessageWorker worker)
    {
        try
        {
            await worker.Completion.ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            services.GetService<ILoggerFactory>()?.CreateLogger("Millrace.Hosting").WorkerStopsHost(exception, worker.Queue);
            services.GetService<IHostApplicationLifetime>()?.StopApplication();
        }
    }
}
