using System.Net;
using System.Text.Json.Nodes;
using Millrace.Server.Tests.Stomp;
using Xunit;

namespace Millrace.Server.Tests.Api.Description;

/// <summary>The shapes of the description are those of the wire, field by field, both ways.</summary>
public sealed class ShapeTests
{
    private const string Unknown = """{"zzz":1}""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Requests in which one object has only a field that is unknown, with the shapes that this object may have.</summary>
    public static TheoryData<string, string, string, string[]> Requests => new()
    {
        { "PUT", "/queues/q", Unknown, ["QueueSettings"] },
        { "PUT", "/queues/q/settings", Unknown, ["QueueSettings"] },
        { "POST", "/queues/q/redrive", Unknown, ["DeadLetterFilter"] },
        { "POST", "/queues/q/batches", Unknown, ["Batch"] },
        { "POST", "/topics/t/batches", Unknown, ["Batch"] },
        { "POST", "/queues/q/batches", $$"""{"messages":[{{Unknown}}]}""", ["Envelope"] },
        { "POST", "/queues/q/messages/id/reschedule", Unknown, ["Delay"] },
        { "POST", "/queues/q/receivers", Unknown, ["ReceiverOptions"] },
        { "POST", "/receivers/RECEIVER/lease", Unknown, ["LeaseRequest"] },
        { "POST", "/receivers/RECEIVER/cancel", Unknown, ["CancelRequest"] },
        { "POST", "/queues/q/settlements", Unknown, ["Settlements"] },
        { "POST", "/queues/q/settlements", $$"""{"settlements":[{{Unknown}}]}""", ["Settlement"] },
        { "POST", "/operations", Unknown, ["Operations"] },
        { "POST", "/operations", $$"""{"operations":[{{Unknown}}]}""", ["EnqueueOperation", "SettleOperation", "BroadcastOperation"] },
        { "POST", "/operations", $$"""{"operations":[{"op":"enqueue","messages":[{{Unknown}}]}]}""", ["Envelope"] },
        { "POST", "/operations", $$"""{"operations":[{"op":"settle","settlements":[{{Unknown}}]}]}""", ["Settlement"] },
        { "POST", "/operations", $$"""{"operations":[{"op":"broadcast","message":{{Unknown}}}]}""", ["Envelope"] },
        { "POST", "/transactions", Unknown, ["Transaction"] },
        { "POST", "/transactions", $$"""{"operations":[{{Unknown}}]}""", ["TransactionEnqueue", "TransactionPublish", "TransactionSettle"] },
        { "POST", "/transactions", $$"""{"operations":[{"op":"enqueue","message":{{Unknown}}}]}""", ["Envelope"] },
        { "POST", "/transactions", $$"""{"operations":[{"op":"settle","settlement":{{Unknown}}}]}""", ["Settlement"] },
        { "PUT", "/streams/s", Unknown, ["StreamSettings"] },
        { "PUT", "/streams/s", $$"""{"retention":{{Unknown}}}""", ["StreamRetention"] },
        { "PUT", "/streams/s/retention", Unknown, ["StreamRetention"] },
        { "PUT", "/streams/s/partitions/0", Unknown, ["StreamSettings"] },
        { "POST", "/streams/s/batches", Unknown, ["RecordBatch"] },
        { "POST", "/streams/s/batches", $$"""{"records":[{{Unknown}}]}""", ["NewRecord"] },
        { "POST", "/streams/s/groups/g/seek", Unknown, ["Seek"] },
        { "POST", "/streams/s/partitions/0/trim", Unknown, ["Trim"] },
        { "PUT", "/schedules/c", Unknown, ["ScheduleDefinition"] },
        { "PUT", "/schedules/c", $$"""{"job":{{Unknown}}}""", ["ScheduleJob"] },
        { "PUT", "/schedules/c", $$"""{"message":{{Unknown}}}""", ["ScheduleMessage"] },
        { "PUT", "/schedules/c", $$"""{"misfire":{{Unknown}}}""", ["MisfirePolicy"] },
        { "PUT", "/schedules/c", $$"""{"overlap":{{Unknown}}}""", ["OverlapPolicy"] },
        { "PUT", "/schedules/c", $$"""{"retry":{{Unknown}}}""", ["RetryPolicy"] },
        { "POST", "/locks/l/acquire", Unknown, ["LockAcquisition", "LockRenewal"] },
        { "POST", "/locks/l/renew", Unknown, ["LockRenewal"] },
        { "POST", "/locks/l/release", Unknown, ["LockRelease", "LockRenewal"] },
    };

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task Request_WithAnUnknownField_IsToldTheFieldsThatTheDescriptionHas(string method, string path, string json, string[] shapes)
    {
        await using var host = await ApiHost.StartAsync();
        using var created = await host.SendAsync(HttpMethod.Put, "/queues/q");
        path = path.Replace("RECEIVER", (string)(await host.JsonAsync(HttpMethod.Post, "/queues/q/receivers"))["receiver"]!, StringComparison.Ordinal);
        var description = ServedDescription.Of("/api/v1");

        var problem = await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-request", HttpMethod.Parse(method), path, json);

        Assert.StartsWith("There is no field 'zzz' here; there are ", problem.Detail, StringComparison.Ordinal);
        var known = problem.Detail["There is no field 'zzz' here; there are ".Length..].TrimEnd('.').Split(", ");
        var described = shapes.SelectMany(shape => description.Shape(shape)["properties"]!.AsObject().Select(field => field.Key)).Distinct();
        Assert.Equal(described.Order(StringComparer.Ordinal), known.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void EveryShapeOfARequest_IsAmongThoseThatAreCompared()
    {
        var closed = ServedDescription.Of("/api/v1").Root["components"]!["schemas"]!.AsObject().Where(shape => shape.Value!["additionalProperties"] is JsonValue).Select(shape => shape.Key);

        Assert.Empty(closed.Except(Requests.SelectMany(row => row.Data.Item4)));
    }

    [Fact]
    public async Task EveryFieldOfEveryAnswer_IsDescribed_AndEveryDescribedOneIsWritten()
    {
        var description = ServedDescription.Of("/api/v1");
        var check = new SchemaCheck(description);
        foreach (var (shape, json) in WireSamples.All())
        {
            Assert.Empty(check.ErrorsOf(json, Reference(shape)));
        }

        await using var host = await ApiHost.StartAsync();
        await using var stomp = await StompServer.StartAsync();
        await foreach (var (method, path, answer) in AnswersOf(host).Concat(AnswersOf(stomp)))
        {
            var operation = Assert.Single(description.Operations, operation => operation.Method == method && operation.Path == path);
            Assert.Empty(check.ErrorsOf(answer, operation.Answer(200)?["content"]!["application/json"]!["schema"] ?? operation.Answer(201)!["content"]!["application/json"]!["schema"]!));
        }

        var written = description.Root["components"]!["schemas"]!.AsObject().Where(shape => shape.Value!["additionalProperties"] is not JsonValue);
        var fields = written.SelectMany(shape => shape.Value!["properties"]!.AsObject().Select(field => $"{shape.Key}.{field.Key}"));
        Assert.Empty(fields.Except(check.Seen));
        Assert.Empty(description.Shape("QueueSettings")["properties"]!.AsObject().Select(field => "QueueSettings." + field.Key).Except(check.Seen));
    }

    private static JsonObject Reference(string shape) => new() { ["$ref"] = "#/components/schemas/" + shape };

    // One answer of every route that has one, with something in it.
    private static async IAsyncEnumerable<(string Method, string Path, JsonNode Answer)> AnswersOf(ApiHost host)
    {
        const string Root = ApiHost.Root;
        yield return ("GET", Root, await host.JsonAsync(HttpMethod.Get, ""));
        yield return ("PUT", Root + "/queues/{queue}", await host.JsonAsync(HttpMethod.Put, "/queues/q"));
        using (var bound = await host.SendAsync(HttpMethod.Put, "/queues/q/bindings/t*"))
        {
            Assert.Equal(HttpStatusCode.NoContent, bound.StatusCode);
        }

        yield return ("GET", Root + "/queues", await host.JsonAsync(HttpMethod.Get, "/queues?limit=1"));
        yield return ("GET", Root + "/bindings", await host.JsonAsync(HttpMethod.Get, "/bindings"));
        yield return ("POST", Root + "/queues/{queue}/messages", await host.JsonAsync(HttpMethod.Post, "/queues/q/messages", "{}"));
        yield return ("POST", Root + "/queues/{queue}/batches", await host.JsonAsync(HttpMethod.Post, "/queues/q/batches", """{"messages":[{"id":"a"},{"id":"a"},{"id":"b"}]}"""));
        yield return ("POST", Root + "/topics/{topic}/messages", await host.JsonAsync(HttpMethod.Post, "/topics/t/messages", "1"));
        yield return ("POST", Root + "/topics/{topic}/batches", await host.JsonAsync(HttpMethod.Post, "/topics/t/batches", """{"messages":[{"text":"x"}]}"""));
        yield return ("GET", Root + "/queues/{queue}/messages", await host.JsonAsync(HttpMethod.Get, "/queues/q/messages?limit=1"));
        yield return ("GET", Root + "/queues/{queue}/messages/{id}", await host.JsonAsync(HttpMethod.Get, "/queues/q/messages/a"));
        var receiver = await host.JsonAsync(HttpMethod.Post, "/queues/q/receivers");
        yield return ("POST", Root + "/queues/{queue}/receivers", receiver);
        var leased = await host.JsonAsync(HttpMethod.Post, $"/receivers/{receiver["receiver"]}/lease", """{"call":1,"max":2}""");
        yield return ("POST", Root + "/receivers/{receiver}/lease", leased);
        yield return ("POST", Root + "/receivers/{receiver}/renew", await host.JsonAsync(HttpMethod.Post, $"/receivers/{receiver["receiver"]}/renew"));
        var settlement = $$"""{"token":"{{leased["deliveries"]![0]!["token"]}}","action":"dead-letter","reason":"r"}""";
        yield return ("POST", Root + "/queues/{queue}/settlements", await host.JsonAsync(HttpMethod.Post, "/queues/q/settlements", $$"""{"settlements":[{{settlement}}]}"""));
        yield return ("POST", Root + "/queues/{queue}/redrive", await host.JsonAsync(HttpMethod.Post, "/queues/q/redrive"));
        yield return ("GET", Root + "/queues/{queue}/settings", await host.JsonAsync(HttpMethod.Get, "/queues/q/settings"));
        yield return ("GET", Root + "/queues/{queue}/stats", await host.JsonAsync(HttpMethod.Get, "/queues/q/stats"));
        string[] operations =
        [
            """{"op":"enqueue","queue":"q","messages":[{}]}""",
            $$"""{"op":"settle","queue":"q","settlements":[{{settlement}}]}""",
            """{"op":"broadcast","topic":"t","message":{}}""",
            """{"op":"enqueue","queue":"!","messages":[]}""",
        ];
        yield return ("POST", Root + "/operations", await host.JsonAsync(HttpMethod.Post, "/operations", $$"""{"operations":[{{string.Join(',', operations)}}]}"""));
        yield return ("POST", Root + "/transactions", await host.JsonAsync(HttpMethod.Post, "/transactions", """{"operations":[{"op":"enqueue","queue":"q","message":{}}]}"""));
        yield return ("POST", Root + "/queues/{queue}/purge", await host.JsonAsync(HttpMethod.Post, "/queues/q/purge"));
        yield return ("POST", Root + "/channels/{topic}/messages", await host.JsonAsync(HttpMethod.Post, "/channels/t/messages", "1"));
        yield return ("GET", Root + "/channels/{topic}/messages", await host.JsonAsync(HttpMethod.Get, "/channels/t/messages"));
        yield return ("PUT", Root + "/streams/{stream}", await host.JsonAsync(HttpMethod.Put, "/streams/s", """{"partitions":2}"""));
        yield return ("GET", Root + "/streams", await host.JsonAsync(HttpMethod.Get, "/streams?limit=1"));
        yield return ("GET", Root + "/streams/{stream}", await host.JsonAsync(HttpMethod.Get, "/streams/s"));
        yield return ("POST", Root + "/streams/{stream}/records", await host.JsonAsync(HttpMethod.Post, "/streams/s/records?partition=0", "1"));
        yield return ("POST", Root + "/streams/{stream}/batches", await host.JsonAsync(HttpMethod.Post, "/streams/s/batches", """{"records":[{"key":"k","partition":0},{"text":"x"}]}"""));
        yield return ("GET", Root + "/streams/{stream}/stats", await host.JsonAsync(HttpMethod.Get, "/streams/s/stats"));
        yield return ("GET", Root + "/streams/{stream}/partitions/{partition}", await host.JsonAsync(HttpMethod.Get, "/streams/s/partitions/0"));
        yield return ("GET", Root + "/streams/{stream}/partitions/{partition}/records", await host.JsonAsync(HttpMethod.Get, "/streams/s/partitions/0/records"));
        yield return ("GET", Root + "/streams/{stream}/partitions/{partition}/offset", await host.JsonAsync(HttpMethod.Get, "/streams/s/partitions/0/offset?timestamp=2026-01-31"));
        yield return ("POST", Root + "/streams/{stream}/groups/{group}/seek", await host.JsonAsync(HttpMethod.Post, "/streams/s/groups/g/seek", """{"partition":0,"to":"first"}"""));
        yield return ("GET", Root + "/streams/{stream}/groups", await host.JsonAsync(HttpMethod.Get, "/streams/s/groups"));
        yield return ("GET", Root + "/streams/{stream}/groups/{group}", await host.JsonAsync(HttpMethod.Get, "/streams/s/groups/g"));
        yield return ("DELETE", Root + "/streams/{stream}/partitions/{partition}", await host.JsonAsync(HttpMethod.Delete, "/streams/s/partitions/1"));
        yield return ("PUT", Root + "/schedules/{schedule}", await host.JsonAsync(HttpMethod.Put, "/schedules/c", """{"trigger":"0 3 * * *","message":{"text":"x"},"queue":"q"}"""));
        yield return ("GET", Root + "/schedules", await host.JsonAsync(HttpMethod.Get, "/schedules?limit=1"));
        yield return ("GET", Root + "/schedules/{schedule}", await host.JsonAsync(HttpMethod.Get, "/schedules/c"));
        yield return ("POST", Root + "/schedules/{schedule}/run", await host.JsonAsync(HttpMethod.Post, "/schedules/c/run"));
        yield return ("GET", Root + "/schedules/{schedule}/next", await host.JsonAsync(HttpMethod.Get, "/schedules/c/next"));
        yield return ("GET", Root + "/schedules/{schedule}/runs", await host.JsonAsync(HttpMethod.Get, "/schedules/c/runs"));
        yield return ("GET", Root + "/schedules/{schedule}/statistics", await host.JsonAsync(HttpMethod.Get, "/schedules/c/statistics"));
        yield return ("GET", Root + "/runs", await host.JsonAsync(HttpMethod.Get, "/runs"));
        yield return ("POST", Root + "/locks/{name}/acquire", await host.JsonAsync(HttpMethod.Post, "/locks/l/acquire", """{"owner":"me","leaseMs":10000}"""));
        yield return ("GET", Root + "/locks/{name}", await host.JsonAsync(HttpMethod.Get, "/locks/l"));
        yield return ("PUT", Root + "/state/{key}", await host.JsonAsync(HttpMethod.Put, "/state/k", "1"));
        yield return ("GET", Root + "/state", await host.JsonAsync(HttpMethod.Get, "/state"));
        yield return ("GET", Root + "/changes", await host.JsonAsync(HttpMethod.Get, "/changes"));
        yield return ("DELETE", Root + "/state/{key}", await host.JsonAsync(HttpMethod.Delete, "/state/k"));
    }

    private static async IAsyncEnumerable<(string Method, string Path, JsonNode Answer)> AnswersOf(StompServer server)
    {
        const string Root = ApiHost.Root + "/connections";
        var (client, _) = await StompClient.ConnectAsync(server.Address);
        await using var dispose = client;
        await client.AskAsync("SUBSCRIBE\nid:0\ndestination:/queue/a\n\n\0");
        var page = JsonNode.Parse(await server.Http.GetStringAsync(new Uri(Root, UriKind.Relative), Cancellation))!;
        yield return ("GET", Root, page);
        yield return ("GET", Root + "/{connection}", JsonNode.Parse(await server.Http.GetStringAsync(new Uri($"{Root}/{page["connections"]![0]!["id"]}", UriKind.Relative), Cancellation))!);
    }
}
