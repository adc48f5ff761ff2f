using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Millrace.Server.Errors;
using Millrace.Server.Hosting;
using Millrace.Stomp;

namespace Millrace.Server.Stomp;

/// <summary><c>/stomp</c>: STOMP over WebSocket. Who the client is stands in its CONNECT frame, so the request needs no credentials; the rules for pages of other origins hold for it.</summary>
internal static class WebSocketEndpoint
{
    public const string Path = "/stomp";

    /// <summary>Often enough for what forgets connections on which nothing moves.</summary>
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(30);

    // Under HTTP/2 it is CONNECT.
    private static readonly string[] Methods = [HttpMethods.Get, HttpMethods.Connect];

    // The best one first.
    private static readonly string[] Protocols = ["v12.stomp", "v11.stomp", "v10.stomp"];

    public static void Map(IEndpointRouteBuilder endpoints, StompBroker broker, TimeProvider timeProvider) =>
        endpoints.MapMethods(Path, Methods, context => AnswerAsync(context, broker, timeProvider));

    private static async Task AnswerAsync(HttpContext context, StompBroker broker, TimeProvider timeProvider)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            await RefuseAsync(context, "This path is for WebSockets: STOMP over WebSocket. Other requests have nothing to find here.").ConfigureAwait(false);
            return;
        }

        var offered = context.WebSockets.WebSocketRequestedProtocols;
        var protocol = Array.Find(Protocols, offered.Contains);
        if (protocol is null && offered.Count > 0)
        {
            // A browser would not take an answer without one.
            await RefuseAsync(context, $"None of the subprotocols that the client offers is known here. Known are {string.Join(", ", Protocols)}.").ConfigureAwait(false);
            return;
        }

        Unbind(context);
        using var socket = await context.WebSockets
            .AcceptWebSocketAsync(new WebSocketAcceptContext { SubProtocol = protocol, KeepAliveInterval = KeepAlive }).ConfigureAwait(false);
        using var transport = new WebSocketTransport(socket, context, timeProvider);
        await transport.ServeAsync(broker, new StompPeer(EndPointOf(context.Connection), context.Request.IsHttps ? "wss" : "ws")).ConfigureAwait(false);
    }

    // What holds for requests does not hold for a connection that may stay for days.
    private static void Unbind(HttpContext context)
    {
        if (context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = null;
        }

        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = null;
        }

        if (context.Features.Get<IHttpMetricsTagsFeature>() is { } metrics)
        {
            metrics.MetricsDisabled = true;
        }

        // Under HTTP/2 the connection has other requests; under HTTP/1.1 it is STOMP's now, which counts it.
        if (context.Features.Get<IHttpUpgradeFeature>() is { IsUpgradableRequest: true })
        {
            context.Features.Get<ConnectionLimit.ConnectionPlace>()?.Leave();
        }
    }

    private static IPEndPoint? EndPointOf(ConnectionInfo connection) => connection.RemoteIpAddress is { } address ? new IPEndPoint(address, connection.RemotePort) : null;

    private static Task RefuseAsync(HttpContext context, string detail) => ProblemAnswer.WriteAsync(context, ProblemAnswer.Of(StatusCodes.Status400BadRequest, detail));
}
