using System.Net;
using System.Text.Json;
using Millrace.Server.Tests.Metrics;
using Xunit;

namespace Millrace.Server.Tests.Stomp;

/// <summary>Connections in the HTTP API and in the metrics.</summary>
public sealed class ConnectionApiTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AConnection_IsToldWithItsSubscriptions()
    {
        await using var server = await StompServer.StartAsync();
        var (client, _) = await StompClient.ConnectAsync(server.Address, "client-id:c-1\n");
        await using var dispose = client;
        await client.AskAsync("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client-individual\nprefetch-count:7\n\n\0");
        await client.SendAsync("SEND\ndestination:/queue/a\n\nx\0");
        Assert.StartsWith("MESSAGE", await client.ReadAsync(), StringComparison.Ordinal);

        var listed = Assert.Single((await GetAsync(server, "connections")).GetProperty("connections").EnumerateArray());
        var connection = await GetAsync(server, $"connections/{listed.GetProperty("id")}");

        Assert.Equal(
            ["id", "peer", "transport", "version", "user", "clientId", "connectedAt", "framesReceived", "messagesSent", "messagesDelivered", "pendingBytes", "transactions", "subscriptions"],
            connection.EnumerateObject().Select(member => member.Name));
        Assert.Equal(("tcp", "1.2", "", "c-1"), (Text(connection, "transport"), Text(connection, "version"), Text(connection, "user"), Text(connection, "clientId")));
        Assert.Equal((3, 1, 1, 0), (Number(connection, "framesReceived"), Number(connection, "messagesSent"), Number(connection, "messagesDelivered"), Number(connection, "transactions")));
        Assert.StartsWith("127.0.0.1:", Text(connection, "peer"), StringComparison.Ordinal);
        Assert.Equal(
            """{"id":"s","destination":"/queue/a","acknowledge":"client-individual","prefetch":7,"unacknowledged":1,"delivered":1,"dropped":0}""",
            Assert.Single(connection.GetProperty("subscriptions").EnumerateArray()).GetRawText());
    }

    [Fact]
    public async Task Connections_AreListedInPages()
    {
        await using var server = await StompServer.StartAsync();
        var clients = new List<StompClient>();
        for (var i = 0; i < 5; i++)
        {
            clients.Add((await StompClient.ConnectAsync(server.Address)).Client);
        }

        var ids = new List<string>();
        var pages = 0;
        string? next = null;
        do
        {
            var page = await GetAsync(server, $"connections?limit=2{(next is null ? "" : $"&after={next}")}");
            ids.AddRange(page.GetProperty("connections").EnumerateArray().Select(connection => Text(connection, "id")));
            next = page.GetProperty("next").GetString();
            pages++;
        }
        while (next is not null);

        Assert.Equal(3, pages);
        Assert.Equal(server.Broker.ListConnections().Select(connection => connection.Id).Order(StringComparer.Ordinal), ids);
        foreach (var client in clients)
        {
            await client.DisposeAsync();
        }
    }

    [Fact]
    public async Task AConnection_IsClosed_WithAnErrorThatSaysSo_AndTheAuditLogTells()
    {
        await using var server = await StompServer.StartAsync();
        var (client, _) = await StompClient.ConnectAsync(server.Address);
        await using var dispose = client;
        var id = server.Broker.ListConnections()[0].Id;

        using var answer = await server.Http.DeleteAsync(new Uri($"/api/v1/connections/{id}", UriKind.Relative), Token);

        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        Assert.StartsWith("ERROR\nmessage:closed by an administrator", await client.ReadAsync(), StringComparison.Ordinal);
        Assert.Null(await client.ReadAsync());
        var audited = Assert.Single(server.Log.Of(2100));
        Assert.Equal(("connection.close", id, "done"), (audited.Values["Action"], audited.Values["Resource"], audited.Values["Outcome"]));
        await server.Log.WaitForAsync(3001);
        using var again = await server.Http.DeleteAsync(new Uri($"/api/v1/connections/{id}", UriKind.Relative), Token);
        Assert.Equal((HttpStatusCode.NotFound, "not-found"), (again.StatusCode, Text(await RunningServer.ReadJsonAsync(again), "code")));
    }

    [Fact]
    public async Task WithoutStomp_ThatIsSaid()
    {
        await using var server = await StompServer.StartAsync(options => options.Stomp = null);

        foreach (var path in new[] { "connections", "connections/x" })
        {
            using var answer = await server.GetAsync($"/api/v1/{path}");
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
            Assert.Contains("does not serve STOMP", Text(await RunningServer.ReadJsonAsync(answer), "detail"), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Metrics_TellWhatTheBrokerHas_AndCounts()
    {
        await using var server = await StompServer.StartAsync();
        var (client, _) = await StompClient.ConnectAsync(server.Address);
        await using var dispose = client;
        await client.AskAsync("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client-individual\nprefetch-count:7\n\n\0");
        await client.SendAsync("SEND\ndestination:/queue/a\n\nx\0");
        await client.ReadAsync();
        Assert.StartsWith("RECEIPT", await client.AskAsync("SEND\ndestination:/topic/nobody\n\nx\0"), StringComparison.Ordinal);

        using var answer = await server.GetAsync("/metrics");
        var text = await answer.Content.ReadAsStringAsync(Token);

        _ = PrometheusText.Parse(text);
        foreach (var sample in new[]
        {
            "connections 1", "subscriptions 1", "prefetch_messages 7", "unacknowledged_messages 1", "connections_accepted_total 1", "connections_refused_total 0", "failed_logins_total 0",
            "frames_received_total 4", "errors_total 0", "sent_messages_total 2", "delivered_messages_total 1", "acknowledged_messages_total 0", "rejected_messages_total 0",
            "dropped_messages_total 0", "destinations_cut 0", $"memory_limit_bytes {256 * 1024 * 1024}",
        })
        {
            Assert.Contains($"\nmillrace_stomp_{sample}\n", text, StringComparison.Ordinal);
        }
    }

    private static async Task<JsonElement> GetAsync(StompServer server, string path)
    {
        using var answer = await server.GetAsync($"/api/v1/{path}");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await RunningServer.ReadJsonAsync(answer);
    }

    private static string Text(JsonElement json, string name) => json.GetProperty(name).GetString()!;

    private static int Number(JsonElement json, string name) => json.GetProperty(name).GetInt32();
}
