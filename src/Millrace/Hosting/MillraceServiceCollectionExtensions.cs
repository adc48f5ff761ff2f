using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Millrace.Client;
using Millrace.Configuration;

namespace Millrace.Hosting;

/// <summary>Adds Millrace to an application's services.</summary>
public static class MillraceServiceCollectionExtensions
{
    /// <summary>
    /// Adds an instance by its URL: <see cref="MillraceClient"/> as a singleton, and a hosted service that opens it, runs its workers and drains them when the host stops.
    /// May be called again with the same URL to add handlers.
    /// </summary>
    /// <param name="services">The application's services.</param>
    /// <param name="url">The backend's URL.</param>
    /// <param name="configure">Says what the instance does; null for sending only.</param>
    /// <exception cref="MillraceConfigurationException">The default instance is registered with another URL.</exception>
    public static IServiceCollection AddMillrace(this IServiceCollection services, string url, Action<MillraceBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(url);
        var instances = RegistryOf(services);
        var registration = instances.Add(services, InstanceUrls.DefaultInstance, new InstanceUrls { Queue = url });
        configure?.Invoke(new MillraceBuilder(services, instances, registration.Name));
        return services;
    }

    /// <summary>
    /// Adds every instance that a configuration has: <c>QUEUE__URL</c> (or <c>MQ__URL</c>) is the default one, <c>QUEUE__ORDERS__URL</c> one named <c>orders</c>, a keyed service under that
    /// name; <c>STREAM</c>, <c>CHANNEL</c>, <c>LOCK</c> and <c>STATE</c> give these shapes a backend of their own. Fields beside <c>URL</c> and <c>BACKEND</c> are options of the backend's URL.
    /// </summary>
    /// <param name="services">The application's services.</param>
    /// <param name="configuration">The application's configuration; its keys <c>QUEUE:URL</c> and so on are read.</param>
    /// <param name="configure">Says what the default instance does, and through <see cref="MillraceBuilder.ForInstance(string, Action{MillraceBuilder})"/> the others.</param>
    /// <exception cref="MillraceConfigurationException">No instance is configured, or a key is unknown, contradicts another, or makes no URL.</exception>
    public static IServiceCollection AddMillrace(this IServiceCollection services, IConfiguration configuration, Action<MillraceBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var configured = InstanceConfiguration.Read(configuration);
        if (configured.Count == 0)
        {
            throw new MillraceConfigurationException("No instance is configured: set QUEUE__URL (in a settings file \"Queue\": { \"Url\": … }), such as sqlite:./data.db.");
        }

        var instances = RegistryOf(services);
        foreach (var (name, urls) in configured)
        {
            instances.Add(services, name, urls);
        }

        configure?.Invoke(new MillraceBuilder(services, instances, InstanceUrls.DefaultInstance));
        return services;
    }

    /// <summary>Opens every instance without running its workers, for programs without a host. A host does this when it starts.</summary>
    /// <exception cref="MillraceException">An instance cannot be opened.</exception>
    public static async ValueTask OpenMillraceAsync(this IServiceProvider services, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(services);
        foreach (var instance in services.GetRequiredService<InstanceRegistry>().Instances)
        {
            var client = services.GetRequiredKeyedService<MillraceClient>(instance.Name);
            await client.EnsureOpenAsync(cancellationToken).ConfigureAwait(false);
            instance.Preparations.ForEach(prepare => prepare(client));
        }
    }

    private static InstanceRegistry RegistryOf(IServiceCollection services)
    {
        if (services.FirstOrDefault(service => service.ServiceType == typeof(InstanceRegistry))?.ImplementationInstance is InstanceRegistry known)
        {
            return known;
        }

        var registry = new InstanceRegistry();
        services.AddSingleton(registry);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, MillraceHostedService>());
        return registry;
    }
}
