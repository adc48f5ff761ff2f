using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Millrace.Server.Api;
using Millrace.Server.Errors;
using Millrace.Server.Health;
using Millrace.Server.Hosting;
using Millrace.Server.Metrics;
using Millrace.Server.Security;
using Millrace.Server.Stomp;
using Millrace.Stomp;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server;

/// <summary>A node that serves instances of Millrace over HTTP, and one of them over STOMP if it is told to. Disposing stops it in order: it accepts no more, ends waits, answers what runs.</summary>
public sealed class MillraceServer : IAsyncDisposable
{
    // No event streams: a compressor would keep events back. The answers of waits pass through, small as they are.
    private static readonly string[] CompressedTypes = ["application/json", WireProblem.MediaType, "text/plain"];

    private readonly WebApplication _application;
    private readonly MillraceServerOptions _options;
    private readonly IReadOnlyList<ApiInstance> _instances;
    private readonly ServerSecurity _security;
    private readonly StompBroker? _broker;
    private readonly NodeSchedulers _schedulers;
    private readonly ILogger _logger;
    private int _stopped;

    private MillraceServer(WebApplication application, IReadOnlyList<ApiInstance> instances, ServerSecurity security, StompBroker? broker, MillraceServerOptions options)
    {
        _application = application;
        _instances = instances;
        _security = security;
        _broker = broker;
        _schedulers = application.Services.GetRequiredService<NodeSchedulers>();
        _options = options;
        _logger = options.LoggerFactory.CreateLogger("Millrace.Server");
        _logger.ServerStarted(string.Join(", ", Addresses));
    }

    /// <summary>Where the server listens, with the ports that it was given: first for HTTP, then for STOMP.</summary>
    public IReadOnlyList<string> Addresses => _application.Services.GetRequiredService<NodeListeners>().NamesOf(BoundOf(_application.Services));

    internal IReadOnlyList<ApiInstance> Instances => _instances;

    /// <summary>The broker of STOMP; null where it is not served.</summary>
    internal StompBroker? Broker => _broker;

    /// <summary>Starts a node; returns when it accepts connections.</summary>
    /// <exception cref="MillraceConfigurationException">An option cannot work, or an address is taken.</exception>
    public static async Task<MillraceServer> StartAsync(MillraceServerOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var security = ServerSecurity.Open(options.Security, options.TimeProvider, options.LoggerFactory);
        StompBroker? broker = null;
        WebApplication? application = null;
        try
        {
            security.RequireSafe([.. options.Urls, .. options.Stomp?.Urls ?? []]);
            broker = NodeBroker.Open(options, security);
            application = Build(options, security, broker);
            var instances = Compose(application, options, security, broker);
            await ListenAsync(application, cancellationToken).ConfigureAwait(false);
            await application.Services.GetRequiredService<NodeSchedulers>().StartAsync(cancellationToken).ConfigureAwait(false);
            return new MillraceServer(application, instances, security, broker, options);
        }
        catch
        {
            if (application is not null)
            {
                await application.Services.GetRequiredService<NodeSchedulers>().DisposeAsync().ConfigureAwait(false);
                await application.DisposeAsync().ConfigureAwait(false);
            }

            if (broker is not null)
            {
                await broker.DisposeAsync().ConfigureAwait(false);
            }

            security.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Stops in order: accepts no more, ends waits and streams, tells the clients of STOMP, and answers what runs within <see cref="MillraceServerOptions.DrainTimeout"/>; then cuts
    /// what is left.
    /// </summary>
    /// <param name="cancellationToken">Cuts it at once.</param>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0)
        {
            return;
        }

        _logger.ServerStopping(_options.DrainTimeout.TotalMilliseconds);

        // Together: neither takes the other's time. The broker first, for it tells what is cut with the web server.
        var broker = _broker?.StopAsync(_options.DrainTimeout) ?? Task.CompletedTask;
        await Task.WhenAll(broker, _application.StopAsync(cancellationToken), _schedulers.StopAsync(cancellationToken)).ConfigureAwait(false);
        foreach (var instance in _instances)
        {
            // Nobody asks any more; what was left out is said before the end.
            await instance.Outages.DisposeAsync().ConfigureAwait(false);
        }

        _logger.ServerStopped();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        if (_broker is not null)
        {
            await _broker.DisposeAsync().ConfigureAwait(false);
        }

        await _schedulers.DisposeAsync().ConfigureAwait(false);
        foreach (var instance in _instances)
        {
            await instance.DisposeAsync().ConfigureAwait(false);
        }

        await _application.DisposeAsync().ConfigureAwait(false);
        _security.Dispose();
    }

    private static async Task ListenAsync(WebApplication application, CancellationToken cancellationToken)
    {
        try
        {
            await application.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or SocketException or FormatException or InvalidOperationException)
        {
            throw new MillraceConfigurationException(application.Services.GetRequiredService<NodeListeners>().DescribeFailure(BoundOf(application.Services), exception), exception);
        }
    }

    private static ICollection<string> BoundOf(IServiceProvider services) =>
        services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses;

    private static WebApplication Build(MillraceServerOptions options, ServerSecurity security, StompBroker? broker)
    {
        var listeners = new NodeListeners(options, security.Certificate, broker);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost
            .UseKestrelCore()
            .UseKestrelHttpsConfiguration()
            .UseSockets(Listen)
            .ConfigureKestrel(kestrel =>
            {
                ServerLimits.Apply(kestrel, options);
                listeners.Apply(kestrel);
            });
        builder.Services
            .AddSingleton(options.LoggerFactory)
            .AddSingleton(options.TimeProvider)
            .AddSingleton<IHostLifetime, EmbeddedLifetime>()
            .Configure<HostOptions>(host => host.ShutdownTimeout = options.DrainTimeout)
            .AddSingleton(new NodeSchedulers(options))
            .AddSingleton(services => new NodeHealth(
                options,
                services.GetRequiredService<IHostApplicationLifetime>(),
                services.GetRequiredService<NodeSchedulers>(),
                broker is null ? null : new StompProbe(broker, listeners, () => listeners.NamesOf(BoundOf(services)), options.HealthTimeout / 2, options.TimeProvider)))
            .AddSingleton(listeners)
            .AddSingleton<NodeMetrics>()
            .AddSingleton(new QueueCounts(options))
            .AddSingleton(new StreamCounts(options))
            .AddRoutingCore()
            .AddResponseCompression(compression =>
            {
                compression.EnableForHttps = false;
                compression.MimeTypes = CompressedTypes;
            });
        return builder.Build();
    }

    private static void Listen(SocketTransportOptions sockets)
    {
        sockets.CreateBoundListenSocket = SocketFile.At;

        // Requests go on where their bytes were read, and answers are sent where they were written. "Unsafe" for code that blocks its thread, which no request here does. A publish then
        // does not stand in line behind the streams that the one before has woken, which gather more events a write: twice the events a second, see bench/README.md.
        sockets.UnsafePreferInlineScheduling = true;
    }

    /// <summary>What a request passes, in this order.</summary>
    private static IReadOnlyList<ApiInstance> Compose(WebApplication application, MillraceServerOptions options, ServerSecurity security, StompBroker? broker)
    {
        application.UseMiddleware<ProblemMiddleware>();
        application.UseMiddleware<RawPathMiddleware>();
        security.Use(application, context => IsOpen(context.Request.Path.Value, broker));
        application.UseResponseCompression();
        if (broker is not null)
        {
            application.UseWebSockets();
        }

        application.UseRouting();
        HealthEndpoints.Map(application);
        MetricsEndpoint.Map(application, security.Audit, broker, options.MaxMetricQueues);
        options.MapMore?.Invoke(application);
        if (broker is not null)
        {
            WebSocketEndpoint.Map(application, broker, options.TimeProvider);
        }

        return ApiEndpoints.Map(application, options, security, broker);
    }

    // What needs no credentials of HTTP: supervisors have none, and clients of STOMP send theirs inside.
    private static bool IsOpen(string? path, StompBroker? broker) =>
        path is HealthEndpoints.LivePath or HealthEndpoints.ReadyPath || (broker is not null && path is WebSocketEndpoint.Path);
}
