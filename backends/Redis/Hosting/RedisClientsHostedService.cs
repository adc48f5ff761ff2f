using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Millrace.Redis.Client.Named;

namespace Millrace.Redis.Hosting;

/// <summary>Connects the clients before other services start, so that what cannot work stops the host from starting.</summary>
internal sealed class RedisClientsHostedService(IServiceProvider services, RedisClientRegistry registry) : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(registry.Names.Select(name => ((RedisClient)services.GetRequiredKeyedService<IRedisClient>(name)).EnsureOpenAsync(cancellationToken).AsTask()));

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
