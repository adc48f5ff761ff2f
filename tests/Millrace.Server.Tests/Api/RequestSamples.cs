using System.Text.Json.Nodes;

namespace Millrace.Server.Tests.Api;

/// <summary>Valid JSON requests that between them have every field of every shape, for the resources of <see cref="PrepareAsync"/>.</summary>
internal static class RequestSamples
{
    private const string Envelope =
        """{"body":"Ym9keQ==","id":"i","contentType":"text/plain","headers":{"h":"v"},"key":"k","priority":9,"delayMs":1.5,"ttlMs":60000,"durability":"none"}""";

    private const string TextEnvelope = """{"text":"x"}""";
    private const string JsonEnvelope = """{"json":{"a":[1]}}""";
    private const string Complete = """{"token":"00000000000000010000000000000002","action":"complete"}""";
    private const string Release = """{"token":"00000000000000010000000000000002","action":"release","delayMs":5,"count":false,"error":"e"}""";
    private const string DeadLetter = """{"token":"00000000000000010000000000000002","action":"dead-letter","reason":"r","error":"e"}""";

    private const string NewRecord = """{"body":"Ym9keQ==","key":"k","headers":{"h":"v"},"timestamp":"2026-01-31T08:30:00Z","partition":0}""";

    private const string JobSchedule =
        """
        {"name":"c","trigger":{"cron":"0 3 * * *","zone":"Europe/Berlin"},"job":{"name":"j","version":2,"arguments":{"a":1}},"queue":"q","description":"d","start":"2026-01-31T08:30:00Z",
        "end":"2099-01-31T08:30:00Z","jitterMs":1.5,"maxRuns":5,"misfire":{"policy":"fireAll","count":5,"graceMs":1000},"overlap":{"policy":"allow","count":2},"timeoutMs":1000,
        "retry":{"kind":"linear","maxAttempts":3,"delayMs":10,"maxDelayMs":1000,"factor":3,"retryOn":["E"],"failOn":["F"]},"track":true,"priority":5,"tags":["t"],"metadata":{"m":"v"},"enabled":true}
        """;

    private static readonly (string Method, string Path, string Shape, string Json)[] All =
    [
        ("PUT", "/queues/q/settings", "QueueSettings", """{"maxDeliveries":3,"maxLength":10,"maxBytes":1000,"overflow":"refuse","deadLetterExpired":true,"deleteAfterIdleMs":9e9,"dedupWindowMs":5,"dedupMaxEntries":6}"""),
        ("POST", "/queues/q/redrive", "DeadLetterFilter", """{"id":"i","reason":"r","errorContains":"e","since":"2026-01-31T08:30:00Z","limit":1}"""),
        ("POST", "/queues/q/batches", "Batch", $$"""{"messages":[{{Envelope}},{{TextEnvelope}},{{JsonEnvelope}}]}"""),
        ("POST", "/topics/t/batches", "Batch", $$"""{"messages":[{{Envelope}},{{TextEnvelope}},{{JsonEnvelope}}]}"""),
        ("POST", "/queues/q/messages/m/reschedule", "Delay", """{"delayMs":0}"""),
        ("POST", "/queues/q/receivers", "ReceiverOptions", """{"leaseMs":1000,"settleOnLease":false}"""),
        ("POST", "/receivers/RECEIVER/lease", "LeaseRequest", """{"call":1,"max":1,"waitMs":0}"""),
        ("POST", "/receivers/RECEIVER/cancel", "CancelRequest", """{"call":1}"""),
        ("POST", "/queues/q/settlements", "Settlements", $$"""{"settlements":[{{Complete}},{{Release}},{{DeadLetter}}]}"""),
        ("POST", "/operations", "Operations", $$"""{"operations":[{"op":"enqueue","queue":"q","messages":[{{Envelope}}],"ids":true}]}"""),
        ("POST", "/operations", "Operations", $$"""{"operations":[{"op":"settle","queue":"q","settlements":[{{Release}}]}]}"""),
        ("POST", "/operations", "Operations", $$"""{"operations":[{"op":"broadcast","topic":"t","message":{{TextEnvelope}}}]}"""),
        ("POST", "/transactions", "Transaction", $$"""{"operations":[{"op":"enqueue","queue":"q","message":{{Envelope}}}]}"""),
        ("POST", "/transactions", "Transaction", $$"""{"operations":[{"op":"publish","topic":"t","message":{{JsonEnvelope}}}]}"""),
        ("POST", "/transactions", "Transaction", $$"""{"operations":[{"op":"settle","queue":"q","settlement":{{DeadLetter}}}]}"""),
        ("PUT", "/streams/new", "StreamSettings", """{"partitions":2,"retention":{"maxAgeMs":5.5,"maxBytes":6,"maxRecords":7}}"""),
        ("PUT", "/streams/s/retention", "StreamRetention", """{"maxAgeMs":5.5,"maxBytes":6000,"maxRecords":7000}"""),
        ("POST", "/streams/s/batches", "RecordBatch", $$"""{"records":[{{NewRecord}},{"text":"x","keyBase64":"AA=="},{"json":{"a":[1]} }],"partition":1,"producerId":"p","firstSequence":5}"""),
        ("POST", "/streams/s/groups/g/seek", "Seek", """{"partition":1,"to":"next"}"""),
        ("POST", "/streams/s/partitions/0/trim", "Trim", """{"beforeOffset":0}"""),
        ("PUT", "/schedules/c", "ScheduleDefinition", JobSchedule),
        ("PUT", "/schedules/c", "ScheduleDefinition", """{"trigger":{"every":"00:05:00"},"message":{"body":"Ym9keQ==","contentType":"text/plain","headers":{"h":"v"}},"queue":"q"}"""),
        ("PUT", "/schedules/c", "ScheduleDefinition", """{"trigger":"0 3 * * *","message":{"text":"x"},"queue":"q"}"""),
        ("PUT", "/schedules/c", "ScheduleDefinition", """{"trigger":"0 3 * * *","message":{"json":{"a":[1]}},"queue":"q","misfire":{"graceMs":1000}}"""),
        ("PUT", "/schedules/c", "ScheduleDefinition", """{"trigger":"0 3 * * *","job":{"name":"j","argumentsBase64":"AA==","contentType":"application/x"}}"""),
        ("POST", "/locks/l/acquire", "LockAcquisition", """{"owner":"me","leaseMs":60000}"""),
        ("POST", "/locks/l/renew", "LockRenewal", """{"owner":"me","fencingToken":1,"leaseMs":60000}"""),
        ("POST", "/locks/l/release", "LockRelease", """{"owner":"me","fencingToken":1}"""),
    ];

    /// <summary>A queue with a message, a receiver, a binding, a held lock, a document and a stream.</summary>
    /// <returns>The samples, with the names that were given.</returns>
    public static async Task<IReadOnlyList<RequestSample>> PrepareAsync(ApiHost host)
    {
        await host.JsonAsync(HttpMethod.Post, "/queues/q/batches", """{"messages":[{"id":"m","text":"kept"}]}""");
        using var bound = await host.SendAsync(HttpMethod.Put, "/queues/q/bindings/t");
        await host.JsonAsync(HttpMethod.Post, "/locks/l/acquire", """{"owner":"me","leaseMs":600000}""");
        await host.JsonAsync(HttpMethod.Put, "/state/k", "1");
        await host.JsonAsync(HttpMethod.Put, "/streams/s", """{"partitions":2}""");
        var receiver = (string)(await host.JsonAsync(HttpMethod.Post, "/queues/q/receivers", """{"leaseMs":600000}"""))["receiver"]!;
        return [.. All.Select(sample => new RequestSample(HttpMethod.Parse(sample.Method), sample.Path.Replace("RECEIVER", receiver, StringComparison.Ordinal), sample.Shape, sample.Json))];
    }
}

/// <summary>A valid request.</summary>
internal sealed record RequestSample(HttpMethod Method, string Path, string Shape, string Json)
{
    /// <summary>Every value in it that has a schema, as the path of names and positions that leads there.</summary>
    public IEnumerable<(object[] Path, JsonObject Schema)> Values(Description.ServedDescription description) => Below(JsonNode.Parse(Json)!, description.Shape(Shape), description, []);

    /// <summary>The request with another value, written as it is, in one place.</summary>
    public string With(object[] path, string value)
    {
        const string Mark = "HERE_IT_GOES";
        var root = JsonNode.Parse(Json)!;
        if (path.Length == 0)
        {
            return value;
        }

        Replace(At(root, path[..^1]), path[^1], Mark);
        return root.ToJsonString().Replace($"\"{Mark}\"", value, StringComparison.Ordinal);
    }

    /// <summary>The request with another name for one field.</summary>
    public string Renamed(object[] path, string name)
    {
        var root = JsonNode.Parse(Json)!;
        var parent = At(root, path[..^1]).AsObject();
        var value = parent[(string)path[^1]]?.DeepClone();
        parent.Remove((string)path[^1]);
        parent[name] = value;
        return root.ToJsonString();
    }

    private static JsonNode At(JsonNode node, object[] path) => path.Aggregate(node, (at, step) => step is int index ? at[index]! : at[(string)step]!);

    private static void Replace(JsonNode parent, object step, string value)
    {
        if (step is int index)
        {
            parent[index] = value;
        }
        else
        {
            parent[(string)step] = value;
        }
    }

    private static IEnumerable<(object[] Path, JsonObject Schema)> Below(JsonNode? value, JsonObject schema, Description.ServedDescription description, object[] path)
    {
        if (schema["oneOf"] is JsonArray choices)
        {
            schema = choices.Select(choice => description.Resolve(choice!)).First(choice => JsonNode.DeepEquals(choice["properties"]!["op"]!["enum"]![0], value!["op"]));
        }

        yield return (path, schema);
        if (value is JsonObject members && schema["properties"] is { } fields)
        {
            foreach (var below in members.SelectMany(member => Below(member.Value, description.Resolve(fields[member.Key]!), description, [.. path, member.Key])))
            {
                yield return below;
            }
        }
        else if (value is JsonArray elements && schema["items"] is { } items)
        {
            foreach (var below in elements.Index().SelectMany(element => Below(element.Item, description.Resolve(items), description, [.. path, element.Index])))
            {
                yield return below;
            }
        }
    }
}
