using Microsoft.AspNetCore.Http;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>The STOMP connections of the node with their subscriptions, for administrators.</summary>
internal static class ConnectionEndpoints
{
    private const int MaxPage = 1000;

    private static readonly TextParameter After = new("after", "Only connections after the one with this id: 'next' of the page before.");
    private static readonly NumberParameter Limit = new("limit", "The most connections of a page.", 100, 1, MaxPage);

    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Get, "connections", "The STOMP connections of the node, a page at a time, about in the order in which they came.", ListAsync)
        {
            IsOfNode = true,
            Query = [After, Limit],
            Answer = "Connections",
            Problems = [ProblemMap.NotFound],
        },
        new(HttpMethods.Get, "connections/{connection}", "A STOMP connection with its subscriptions.", GetAsync) { IsOfNode = true, Answer = "Connection", Problems = [ProblemMap.NotFound] },
        new(HttpMethods.Delete, "connections/{connection}", "Closes a STOMP connection; what it has not acknowledged goes back at once.", CloseAsync)
        {
            IsOfNode = true,
            AuditedAs = "connection.close",
            Problems = [ProblemMap.NotFound],
        },
    ];

    private static async Task ListAsync(ApiCall call)
    {
        call.RequireAdministrator();
        var (after, limit) = (After.Read(call), (int)Limit.Read(call));
        if (call.Instance.Broker is not { } broker)
        {
            await NoBrokerAsync(call).ConfigureAwait(false);
            return;
        }

        var page = broker.ListConnections(after, limit);
        await call.StreamAsync(
            page,
            json =>
            {
                json.WriteStartObject();
                json.WriteStartArray(ConnectionWire.Connections);
            },
            ConnectionWire.Write,
            json =>
            {
                json.WriteEndArray();
                json.WriteString(WireNames.Next, page.Count == limit ? page[^1].Id : null);
                json.WriteEndObject();
            }).ConfigureAwait(false);
    }

    private static Task GetAsync(ApiCall call)
    {
        call.RequireAdministrator();
        var id = call.Name("connection");
        return call.Instance.Broker is not { } broker ? NoBrokerAsync(call)
            : broker.FindConnection(id) is { } connection ? call.WriteAsync(200, json => ConnectionWire.Write(json, connection))
            : NotFoundAsync(call, id);
    }

    private static Task CloseAsync(ApiCall call)
    {
        call.RequireAdministrator();
        var id = call.Name("connection");
        return call.Instance.Broker is not { } broker ? NoBrokerAsync(call)
            : broker.CloseConnection(id) ? call.NoContentAsync()
            : NotFoundAsync(call, id);
    }

    private static Task NoBrokerAsync(ApiCall call) => call.ProblemAsync(new(ProblemMap.NotFound, 404, "There is no STOMP here", "This node does not serve STOMP, so it has no connections of it."));

    private static Task NotFoundAsync(ApiCall call, string id) =>
        call.ProblemAsync(new(ProblemMap.NotFound, 404, "There is no such connection", $"This node has no STOMP connection '{ApiCall.Shown(id)}': it may have ended."));
}
