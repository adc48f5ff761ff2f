using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Millrace.Client;

namespace Millrace.Hosting;

/// <summary>Opens the instances before other services start, runs their workers, and drains them before other services stop.</summary>
internal sealed class MillraceHostedService(IServiceProvider services, InstanceRegistry registry) : IHostedLifecycleService
{
    private readonly List<IMessageWorker> _workers = [];

    /// <summary>Opens everything and checks everything that was registered, so that what cannot work stops the host from starting.</summary>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        await services.OpenMillraceAsync(cancellationToken).ConfigureAwait(false);
        foreach (var instance in registry.Instances)
        {
            var client = services.GetRequiredKeyedService<MillraceClient>(instance.Name);
            _workers.AddRange(instance.Workers.Select(make => make(client)));
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.WhenAll(_workers.Select(worker => worker.StartAsync(cancellationToken)));

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.WhenAll(_workers.Select(worker => worker.StopAsync(cancellationToken)));

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
