using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Configuration;

namespace Millrace.Hosting;

/// <summary>The instances of an application, in the order in which they were added. Filled while services are registered.</summary>
internal sealed class InstanceRegistry
{
    private readonly List<InstanceRegistration> _instances = [];

    public IReadOnlyList<InstanceRegistration> Instances => _instances;

    /// <summary>The instance, which must exist.</summary>
    public InstanceRegistration Get(string instance)
    {
        var name = InstanceUrls.Normalize(instance);
        return _instances.Find(known => known.Name == name)
            ?? throw new MillraceConfigurationException(
                $"There is no instance '{name}'. Configured are {string.Join(", ", _instances.Select(known => known.Name).DefaultIfEmpty("none"))}. Set QUEUE__{name.ToUpperInvariant()}__URL, or give its URL in code.");
    }

    /// <summary>Adds an instance and its client, or returns the one that is there if it has the same URLs.</summary>
    public InstanceRegistration Add(IServiceCollection services, string instance, InstanceUrls urls)
    {
        var name = InstanceUrls.Normalize(instance);
        if (_instances.Find(known => known.Name == name) is { } existing)
        {
            return existing.Urls == urls
                ? existing
                : throw new MillraceConfigurationException($"The instance '{name}' is already registered with another URL.");
        }

        var registration = new InstanceRegistration(name, urls);
        _instances.Add(registration);
        services.AddKeyedSingleton(name, (provider, _) => CreateClient(registration, provider));
        services.AddKeyedSingleton(name, (provider, _) => provider.GetRequiredKeyedService<MillraceClient>(name).Jobs);
        if (registration.IsDefault)
        {
            services.AddSingleton(provider => provider.GetRequiredKeyedService<MillraceClient>(name));
            services.AddSingleton(provider => provider.GetRequiredKeyedService<MillraceClient>(name).Jobs);
        }

        return registration;
    }

    private static MillraceClient CreateClient(InstanceRegistration registration, IServiceProvider services)
    {
        var options = new MillraceClientOptions { Services = services };
        options.LoggerFactory = services.GetService<ILoggerFactory>() ?? options.LoggerFactory;
        options.TimeProvider = services.GetService<TimeProvider>() ?? options.TimeProvider;
        foreach (var configure in registration.Options)
        {
            configure(options, services);
        }

        return new MillraceClient(registration.Name, registration.Urls, options);
    }
}
