using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Millrace.Server.Api;

namespace Millrace.Server;

/// <summary>A node that serves instances of Millrace over HTTP. Disposing stops it in order: it accepts no more, ends waits, answers what runs.</summary>
public sealed class MillraceServer : IAsyncDisposable
{
    private readonly WebApplication _application;

    private readonly IReadOnlyList<ApiInstance> _instances;

    private MillraceServer(WebApplication application, IReadOnlyList<ApiInstance> instances) => (_application, _instances) = (application, instances);

    /// <summary>Where the server listens, with the ports that it was given.</summary>
    public IReadOnlyList<string> Addresses =>
        [.. _application.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses];

    internal IReadOnlyList<ApiInstance> Instances => _instances;

    /// <summary>Starts a node; returns when it accepts connections.</summary>
    /// <exception cref="MillraceConfigurationException">An option cannot work.</exception>
    public static async Task<MillraceServer> StartAsync(MillraceServerOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Limits.Validate();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options.Limits.Apply).UseUrls([.. options.Urls]);
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(options.LoggerFactory);
        var application = builder.Build();
        application.UseMiddleware<BareAnswerMiddleware>();
        application.UseMiddleware<RawPathMiddleware>();
        application.UseRouting();
        var instances = ApiEndpoints.Map(application, options);
        await application.StartAsync(cancellationToken).ConfigureAwait(false);
        return new MillraceServer(application, instances);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync().ConfigureAwait(false);
        foreach (var instance in _instances)
        {
            await instance.DisposeAsync().ConfigureAwait(false);
        }

        await _application.DisposeAsync().ConfigureAwait(false);
    }
}
