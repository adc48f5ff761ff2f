using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Millrace.Server.Api;

/// <summary>The HTTP API: the table of its routes, mapped for each instance, and what surrounds every request.</summary>
internal static class ApiEndpoints
{
    /// <summary>The root of the default instance.</summary>
    public const string Root = "/api/v1";

    private const string DefaultInstance = "default";

    /// <summary>Every route, below the root of an instance.</summary>
    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Get, "", "What the instance is and can do.", call => call.WriteAsync(200, json => Storage.Http.Wire.NodeWire.Write(json, call.Instance.Describe()))) { Answer = "Node" },
        .. QueueEndpoints.Routes,
        .. MessageEndpoints.Routes,
        .. ReceiverEndpoints.Routes,
        .. OperationEndpoints.Routes,
        .. ChannelEndpoints.Routes,
        .. LockEndpoints.Routes,
        .. StateEndpoints.Routes,
        .. Description.DescriptionEndpoints.Routes,
    ];

    /// <summary>Maps every route for every instance. What this returns is disposed when the server has stopped.</summary>
    public static IReadOnlyList<ApiInstance> Map(IEndpointRouteBuilder endpoints, MillraceServerOptions options)
    {
        var stopping = endpoints.ServiceProvider.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        var instances = new List<ApiInstance>();
        foreach (var (name, client) in options.Instances)
        {
            var root = name == DefaultInstance ? Root : $"{Root}/instances/{Uri.EscapeDataString(name)}";
            var instance = new ApiInstance(name, root, client, options, stopping);
            instances.Add(instance);
            foreach (var route in Routes)
            {
                endpoints.MapMethods(route.Path.Length == 0 ? root : $"{root}/{route.Path}", MethodsOf(route), context => AnswerAsync(context, instance, route));
            }
        }

        return instances;
    }

    private static string[] MethodsOf(ApiRoute route) => HttpMethods.IsGet(route.Method) ? [HttpMethods.Get, HttpMethods.Head] : [route.Method];

    private static async Task AnswerAsync(HttpContext context, ApiInstance instance, ApiRoute route)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = instance.Limits.MaxRequestBytes;
        }

        try
        {
            var call = new ApiCall(context, instance);
            call.RequireQuery(route.Query);
            await route.Handler(call).ConfigureAwait(false);
        }
        catch (Exception exception) when (IsClientGone(exception, context))
        {
            // Nobody is there to be answered. Said to the server, or it would try to read the rest of the body, and log that it cannot.
            context.Abort();
        }
        catch (Exception exception)
        {
            await AnswerFaultAsync(context, instance, exception).ConfigureAwait(false);
        }
    }

    private static bool IsClientGone(Exception exception, HttpContext context) => exception is ConnectionAbortedException or ConnectionResetException
        || (exception is OperationCanceledException && context.RequestAborted.IsCancellationRequested);

    private static async Task AnswerFaultAsync(HttpContext context, ApiInstance instance, Exception exception)
    {
        var problem = ProblemAnswer.Of(exception);
        if (problem is null)
        {
            instance.Logger.RequestFailed(exception, context.TraceIdentifier, context.Request.Method, context.Request.Path);
            problem = ProblemAnswer.Internal(context);
        }

        if (context.Response.HasStarted)
        {
            // The status is on its way: all that is left is to let the client see that the answer is not whole.
            context.Abort();
            return;
        }

        context.Response.Clear();
        if (exception is BadHttpRequestException)
        {
            // What is left of the request is of no use, and where the next one begins may not be known.
            context.Response.Headers.Connection = "close";
        }

        await ProblemAnswer.WriteAsync(context, problem).ConfigureAwait(false);
    }
}
