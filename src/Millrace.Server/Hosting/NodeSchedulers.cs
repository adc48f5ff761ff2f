using Millrace.Scheduling;
using Millrace.Storage;

namespace Millrace.Server.Hosting;

/// <summary>What fires the schedules of the instances of a node, on each that has queues and state. Start it once, stop it once; what it says may be read at any time.</summary>
internal sealed class NodeSchedulers(MillraceServerOptions options) : IAsyncDisposable
{
    /// <summary>How long a schedule may be due without having been fired before the node is not healthy.</summary>
    public static readonly TimeSpan OverdueTooLong = TimeSpan.FromSeconds(30);

    // Its own name: an application that serves its store defines schedules under another one, and would find them orphaned.
    private const string Application = "millrace-server";

    private volatile IReadOnlyList<(string Instance, Scheduler Scheduler)> _running = [];

    /// <summary>Those that run, by the names of their instances.</summary>
    public IReadOnlyList<(string Instance, Scheduler Scheduler)> Running => _running;

    /// <summary>How long the first schedule of an instance has been due without having been fired, if that is too long; null otherwise.</summary>
    public TimeSpan? FindOverdue(string instance)
    {
        foreach (var (name, scheduler) in _running)
        {
            if (name == instance && scheduler.Stats.Overdue is var late && late > OverdueTooLong)
            {
                return late;
            }
        }

        return null;
    }

    /// <summary>Starts to fire; returns when that has begun.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (!options.RunsSchedulers)
        {
            return;
        }

        foreach (var (instance, client) in options.Instances.OrderBy(instance => instance.Key, StringComparer.Ordinal))
        {
            if (client.Find<IQueueStore>() is null || client.Find<IStateStore>() is null)
            {
                continue;
            }

            var scheduler = client.Scheduler(new SchedulerOptions { Application = Application, DrainTimeout = options.DrainTimeout });
            _running = [.. _running, (instance, scheduler)];
            await scheduler.StartAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Fires nothing new, and waits until what is being sent has been.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => Task.WhenAll(_running.Select(running => running.Scheduler.StopAsync(cancellationToken)));

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, scheduler) in _running)
        {
            await scheduler.DisposeAsync().ConfigureAwait(false);
        }
    }
}
