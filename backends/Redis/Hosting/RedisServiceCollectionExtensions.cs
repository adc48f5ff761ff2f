using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Redis.Client.Named;
using Millrace.Storage;

namespace Millrace.Redis.Hosting;

/// <summary>Adds clients of Redis to an application's services.</summary>
public static class RedisServiceCollectionExtensions
{
    /// <summary>The name of the client that is not keyed.</summary>
    private const string DefaultName = "default";

    /// <summary>
    /// Adds the client <c>default</c>: a singleton <see cref="IRedisClient"/>, which is connected when the host starts, or with its first command where there is no host.
    /// </summary>
    /// <param name="services">The application's services.</param>
    /// <param name="url">The servers, as in <see cref="RedisClient"/>.</param>
    /// <exception cref="MillraceConfigurationException">A part of the URL cannot work, or there is such a client with another URL.</exception>
    public static IServiceCollection AddRedisClient(this IServiceCollection services, string url) => services.AddRedisClient(DefaultName, url);

    /// <summary>Adds a named client: a keyed singleton <see cref="IRedisClient"/> under the name in lower case; the one named <c>default</c> also without a key.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="name">The name, such as <c>cache</c>; compared without case.</param>
    /// <param name="url">The servers, as in <see cref="RedisClient"/>.</param>
    /// <exception cref="MillraceConfigurationException">A part of the URL cannot work, or there is such a client with another URL.</exception>
    public static IServiceCollection AddRedisClient(this IServiceCollection services, string name, string url)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        Add(services, name.Trim().ToLowerInvariant(), url, []);
        return services;
    }

    /// <summary>
    /// Adds a client for every instance that a configuration has under a prefix and that is on Redis: <c>CACHE__URL</c> is the one named <c>default</c>, <c>CACHE__SESSION__URL</c>
    /// one named <c>session</c>. Fields beside <c>URL</c> that are options of the URL, such as <c>MAX_CONNECTIONS</c>, are taken as these; others may be the application's own and are
    /// named in the log. Instances on something else (<c>CACHE__CACHE_TYPE=memory</c>) are passed over.
    /// </summary>
    /// <param name="services">The application's services.</param>
    /// <param name="configuration">The application's configuration.</param>
    /// <param name="prefix">The prefix.</param>
    /// <exception cref="MillraceConfigurationException">A value cannot work; names its key.</exception>
    public static IServiceCollection AddRedisClients(this IServiceCollection services, IConfiguration configuration, string prefix = "CACHE")
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentException.ThrowIfNullOrWhiteSpace(prefix);
        foreach (var (name, instance) in RedisInstances.Read(configuration.GetSection(prefix), prefix.ToUpperInvariant(), DefaultName))
        {
            Add(services, name, instance.Url, instance.Ignored);
        }

        return services;
    }

    private static void Add(IServiceCollection services, string name, string url, IReadOnlyList<string> ignored)
    {
        var options = RedisOptions.ParseForClient(BackendUrl.Parse(url));
        var registry = RegistryOf(services);
        if (!registry.TryAdd(name, url))
        {
            return;
        }

        services.AddKeyedSingleton<IRedisClient>(name, (provider, _) => Create(name, options, ignored, provider));
        if (name == DefaultName)
        {
            services.AddSingleton(provider => provider.GetRequiredKeyedService<IRedisClient>(name));
        }
    }

    private static RedisClient Create(string name, RedisOptions options, IReadOnlyList<string> ignored, IServiceProvider provider)
    {
        var context = new BackendContext
        {
            LoggerFactory = provider.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance,
            TimeProvider = provider.GetService<TimeProvider>() ?? TimeProvider.System,
        };
        if (ignored.Count > 0)
        {
            LogMessages.KeysIgnored(context.LoggerFactory.CreateLogger("Millrace.Redis"), name, string.Join(", ", ignored));
        }

        return new RedisClient(name, options, context);
    }

    private static RedisClientRegistry RegistryOf(IServiceCollection services)
    {
        if (services.FirstOrDefault(service => service.ServiceType == typeof(RedisClientRegistry))?.ImplementationInstance is RedisClientRegistry known)
        {
            return known;
        }

        var registry = new RedisClientRegistry();
        services.AddSingleton(registry);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, RedisClientsHostedService>());
        return registry;
    }
}
