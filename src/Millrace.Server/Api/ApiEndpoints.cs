using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Millrace.Server.Health;
using Millrace.Server.Security;
using Millrace.Stomp;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>The HTTP API: the table of its routes, mapped for each instance, and what surrounds every request.</summary>
internal static class ApiEndpoints
{
    /// <summary>The root of the default instance, and of what is about the whole node.</summary>
    public const string Root = "/api/v1";

    private const string DefaultInstance = "default";

    /// <summary>Every route, below the root of an instance.</summary>
    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Get, "", "What the instance is and can do.", call => call.WriteAsync(200, json => NodeWire.Write(json, call.Instance.Describe()))) { Answer = "Node" },
        .. QueueEndpoints.Routes,
        .. MessageEndpoints.Routes,
        .. ReceiverEndpoints.Routes,
        .. OperationEndpoints.Routes,
        .. StreamEndpoints.Routes,
        .. RecordEndpoints.Routes,
        .. ScheduleEndpoints.Routes,
        .. RunEndpoints.Routes,
        .. ChannelEndpoints.Routes,
        .. LockEndpoints.Routes,
        .. StateEndpoints.Routes,
        .. ConnectionEndpoints.Routes,
        .. Description.DescriptionEndpoints.Routes,
    ];

    /// <summary>Maps every route for every instance, and those of the node once. What this returns is disposed when the server has stopped.</summary>
    public static IReadOnlyList<ApiInstance> Map(IEndpointRouteBuilder endpoints, MillraceServerOptions options, ServerSecurity security, StompBroker? broker)
    {
        var stopping = endpoints.ServiceProvider.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        var health = endpoints.ServiceProvider.GetRequiredService<NodeHealth>();
        var instances = new List<ApiInstance>();
        foreach (var (name, client) in options.Instances)
        {
            var root = name == DefaultInstance ? Root : $"{Root}/instances/{Uri.EscapeDataString(name)}";
            var instance = new ApiInstance(name, root, client, options, security, health, stopping) { Broker = broker };
            instances.Add(instance);
            Map(endpoints, instance, root, Routes.Where(route => !route.IsOfNode));
        }

        // With any instance: they do not touch it.
        if (instances.Count > 0)
        {
            Map(endpoints, instances[0], Root, Routes.Where(route => route.IsOfNode));
        }

        return instances;
    }

    private static void Map(IEndpointRouteBuilder endpoints, ApiInstance instance, string root, IEnumerable<ApiRoute> routes)
    {
        foreach (var route in routes)
        {
            endpoints.MapMethods(route.Path.Length == 0 ? root : $"{root}/{route.Path}", MethodsOf(route), context => AnswerAsync(context, instance, route))
                .WithMetadata(instance);
        }
    }

    private static string[] MethodsOf(ApiRoute route) => HttpMethods.IsGet(route.Method) ? [HttpMethods.Get, HttpMethods.Head] : [route.Method];

    private static async Task AnswerAsync(HttpContext context, ApiInstance instance, ApiRoute route)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = instance.Limits.MaxRequestBytes;
        }

        var call = new ApiCall(context, instance);
        try
        {
            call.RequireQuery(route.Query);
            await route.Handler(call).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is AccessDeniedException || route.AuditedAs is not null)
        {
            Audit(call, route, exception is AccessDeniedException ? AuditOutcome.Denied : AuditOutcome.Failed);
            throw;
        }

        if (route.AuditedAs is not null)
        {
            Audit(call, route, context.Response.StatusCode < StatusCodes.Status400BadRequest ? AuditOutcome.Done : AuditOutcome.Failed);
        }
    }

    private static void Audit(ApiCall call, ApiRoute route, AuditOutcome outcome) =>
        call.Instance.Audit.Record(call.Context, route.AuditedAs ?? $"{route.Method} {route.Path}", ResourceOf(call, route), outcome);

    // The names in the path, and what was refused, where the path does not say: that of a prefix, of a receiver's queue, of a part of a transaction.
    private static string ResourceOf(ApiCall call, ApiRoute route)
    {
        var names = route.Path.Split('/').Where(segment => segment.StartsWith('{')).Select(segment => NameOf(call, segment[1..^1])).ToList();
        if (call.Refused is { } refused && !names.Contains(refused))
        {
            names.Add(refused);
        }

        return string.Join('/', names);
    }

    private static string NameOf(ApiCall call, string parameter)
    {
        try
        {
            return call.Name(parameter);
        }
        catch (WireFormatException)
        {
            // What cannot be decoded is what the request failed for.
            return (string)call.Context.GetRouteValue(parameter)!;
        }
    }
}
