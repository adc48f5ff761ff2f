using System.Text;
using Millrace.Server.Api;
using Millrace.Server.Security;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Tests.Access;

/// <summary>What one route needs, and a request that succeeds for whoever has that.</summary>
/// <param name="Needs">Each of these is enough; each may be several permissions together. None: everybody with a name on the server, or administrators only.</param>
/// <param name="Request">The path below the route's method, and the body: in a world, with the id of a receiver or a connection.</param>
internal sealed record AccessRow(Grant[][] Needs, Func<AccessWorld, string, (string Path, string? Body)> Request)
{
    public bool IsForAdministrators { get; init; }

    public bool IsForEverybody => Needs.Length == 0 && !IsForAdministrators;
}

/// <summary>One permission with one kind of names.</summary>
internal sealed record Grant(Permission Permission, ResourceKind Kind)
{
    public static Grant[] All { get; } = [.. from permission in Enum.GetValues<Permission>() from kind in Enum.GetValues<ResourceKind>() select new Grant(permission, kind)];

    public string Name => $"{Permission}-{Kind}".ToLowerInvariant();
}

/// <summary>Who may use which route: a route of the API that does not stand here fails the tests.</summary>
internal static class AccessTable
{
    private const string ReceiverBody = """{"call":1,"max":1,"waitMs":0}""";

    // Records in bytes, of which there are none: the layout, no producer, its sequence, and the count.
    private static readonly string EmptyAppend = "\u0001" + new string('\0', 14);

    private static readonly Grant[][] Everybody = [];
    private static readonly Grant[][] Sees = [.. Enum.GetValues<Permission>().Select(permission => new[] { new Grant(permission, ResourceKind.Queue) })];
    private static readonly Grant[][] SeesStream = [.. Enum.GetValues<Permission>().Select(permission => new[] { new Grant(permission, ResourceKind.Stream) })];
    private static readonly Grant[][] ReadsGroups = [[new(Permission.Receive, ResourceKind.Stream)], [new(Permission.Manage, ResourceKind.Stream)]];
    private static readonly Grant[][] SeesSchedule = [.. Enum.GetValues<Permission>().Select(permission => new[] { new Grant(permission, ResourceKind.Schedule) })];
    private static readonly Grant[][] DefinesSchedule = [[new(Permission.Manage, ResourceKind.Schedule), new(Permission.Send, ResourceKind.Queue)]];
    private static readonly Grant[][] RunsSchedule = [[new(Permission.Send, ResourceKind.Schedule), new(Permission.Send, ResourceKind.Queue)]];
    private static readonly Grant[][] Binds = [[new(Permission.Manage, ResourceKind.Queue), new(Permission.Receive, ResourceKind.Topic)]];

    /// <summary>By method and path as in <see cref="ApiEndpoints.Routes"/>.</summary>
    public static IReadOnlyDictionary<string, AccessRow> Rows { get; } = new Dictionary<string, AccessRow>
    {
        ["GET "] = new(Everybody, (_, _) => ("", null)),
        ["GET openapi.json"] = new(Everybody, (_, _) => ("openapi.json", null)),
        ["GET queues"] = new(Everybody, (_, _) => ("queues", null)),
        ["PUT queues/{queue}"] = Manage(world => $"queues/{Of(world)}new", "{}"),
        ["DELETE queues/{queue}"] = Manage(world => $"queues/{Of(world)}"),
        ["GET queues/{queue}/settings"] = new(Sees, (world, _) => ($"queues/{Of(world)}/settings", null)),
        ["PUT queues/{queue}/settings"] = Manage(world => $"queues/{Of(world)}/settings", """{"maxDeliveries":3}"""),
        ["GET queues/{queue}/stats"] = new(Sees, (world, _) => ($"queues/{Of(world)}/stats", null)),
        ["POST queues/{queue}/purge"] = Manage(world => $"queues/{Of(world)}/purge"),
        ["POST queues/{queue}/redrive"] = Manage(world => $"queues/{Of(world)}/redrive"),
        ["GET bindings"] = new(Everybody, (_, _) => ("bindings", null)),
        ["PUT queues/{queue}/bindings/{pattern}"] = new(Binds, (world, _) => ($"queues/{Of(world)}/bindings/{Escape(world.Pattern + "x")}", null)),
        ["DELETE queues/{queue}/bindings/{pattern}"] = new(Binds, (world, _) => ($"queues/{Of(world)}/bindings/{Escape(world.Pattern)}", null)),

        ["POST queues/{queue}/messages"] = Send(ResourceKind.Queue, world => $"queues/{Of(world)}/messages", "text"),
        ["POST queues/{queue}/batches"] = Send(ResourceKind.Queue, world => $"queues/{Of(world)}/batches", """{"messages":[{"text":"a"}]}"""),
        ["GET queues/{queue}/messages"] = Receive(ResourceKind.Queue, world => $"queues/{Of(world)}/messages"),
        ["GET queues/{queue}/messages/{id}"] = Receive(ResourceKind.Queue, world => $"queues/{Of(world)}/messages/m"),
        ["GET queues/{queue}/messages/{id}/body"] = Receive(ResourceKind.Queue, world => $"queues/{Of(world)}/messages/m/body"),
        ["DELETE queues/{queue}/messages/{id}"] = Manage(world => $"queues/{Of(world)}/messages/m"),
        ["POST queues/{queue}/messages/{id}/reschedule"] = Manage(world => $"queues/{Of(world)}/messages/m/reschedule", """{"delayMs":60000}"""),
        ["POST topics/{topic}/messages"] = Send(ResourceKind.Topic, world => $"topics/{Escape(world.Topic)}/messages", "text"),
        ["POST topics/{topic}/batches"] = Send(ResourceKind.Topic, world => $"topics/{Escape(world.Topic)}/batches", """{"messages":[{"text":"a"}]}"""),

        ["POST queues/{queue}/receivers"] = Receive(ResourceKind.Queue, world => $"queues/{Of(world)}/receivers"),
        ["POST receivers/{receiver}/lease"] = new(Needs(Permission.Receive, ResourceKind.Queue), (_, receiver) => ($"receivers/{receiver}/lease", ReceiverBody)),
        ["POST receivers/{receiver}/cancel"] = new(Needs(Permission.Receive, ResourceKind.Queue), (_, receiver) => ($"receivers/{receiver}/cancel", """{"call":9}""")),
        ["POST receivers/{receiver}/renew"] = new(Needs(Permission.Receive, ResourceKind.Queue), (_, receiver) => ($"receivers/{receiver}/renew", null)),

        // Whoever lost a permission may still give back what it holds.
        ["DELETE receivers/{receiver}"] = new(Everybody, (_, receiver) => ($"receivers/{receiver}", null)),
        ["POST queues/{queue}/receive"] = Receive(ResourceKind.Queue, world => $"queues/{Of(world)}/receive"),
        ["POST queues/{queue}/settlements"] = Receive(
            ResourceKind.Queue, world => $"queues/{Of(world)}/settlements", world => $$"""{"settlements":[{"token":"{{world.LeasedText}}"}]}"""),

        // What each operation needs is tested in OperationAccessTests.
        ["POST operations"] = new(Everybody, (_, _) => ("operations", """{"operations":[]}""")),
        ["POST transactions"] = Send(
            ResourceKind.Queue,
            _ => "transactions",
            world => $$$"""{"operations":[{"op":"enqueue","queue":"{{{world.Name}}}","message":{"text":"a"}}]}"""),

        ["GET streams"] = new(Everybody, (_, _) => ("streams", null)),
        ["PUT streams/{stream}"] = ManageStream(world => $"streams/{Of(world)}new", "{}"),
        ["GET streams/{stream}"] = new(SeesStream, (world, _) => ($"streams/{Of(world)}", null)),
        ["PUT streams/{stream}/retention"] = ManageStream(world => $"streams/{Of(world)}/retention", """{"maxRecords":5}"""),
        ["DELETE streams/{stream}"] = ManageStream(world => $"streams/{Of(world)}"),
        ["GET streams/{stream}/stats"] = new(SeesStream, (world, _) => ($"streams/{Of(world)}/stats", null)),
        ["POST streams/{stream}/flush"] = Send(ResourceKind.Stream, world => $"streams/{Of(world)}/flush"),
        ["GET streams/{stream}/groups"] = new(ReadsGroups, (world, _) => ($"streams/{Of(world)}/groups", null)),
        ["GET streams/{stream}/groups/{group}"] = new(ReadsGroups, (world, _) => ($"streams/{Of(world)}/groups/g", null)),
        ["POST streams/{stream}/groups/{group}/seek"] = ManageStream(world => $"streams/{Of(world)}/groups/g/seek", """{"to":"next"}"""),
        ["DELETE streams/{stream}/groups/{group}"] = ManageStream(world => $"streams/{Of(world)}/groups/g"),
        ["POST streams/{stream}/records"] = Send(ResourceKind.Stream, world => $"streams/{Of(world)}/records", "text"),
        ["POST streams/{stream}/batches"] = Send(ResourceKind.Stream, world => $"streams/{Of(world)}/batches", """{"records":[{"text":"a"}]}"""),
        ["GET streams/{stream}/events"] = Receive(ResourceKind.Stream, world => $"streams/{Of(world)}/events"),
        ["GET streams/{stream}/partitions/{partition}"] = new(SeesStream, (world, _) => ($"streams/{Of(world)}/partitions/0", null)),
        ["PUT streams/{stream}/partitions/{partition}"] = new(SeesStream, (world, _) => ($"streams/{Of(world)}/partitions/0", """{"partitions":2}""")),
        ["DELETE streams/{stream}/partitions/{partition}"] = ManageStream(world => $"streams/{Of(world)}/partitions/0"),
        ["GET streams/{stream}/partitions/{partition}/records"] = Receive(ResourceKind.Stream, world => $"streams/{Of(world)}/partitions/0/records"),
        ["POST streams/{stream}/partitions/{partition}/appends"] = Send(ResourceKind.Stream, world => $"streams/{Of(world)}/partitions/0/appends", EmptyAppend),
        ["GET streams/{stream}/partitions/{partition}/offset"] = Receive(ResourceKind.Stream, world => $"streams/{Of(world)}/partitions/0/offset?timestamp=2026-01-31"),
        ["POST streams/{stream}/partitions/{partition}/trim"] = ManageStream(world => $"streams/{Of(world)}/partitions/0/trim", """{"beforeOffset":1}"""),
        ["POST streams/{stream}/partitions/{partition}/flush"] = Send(ResourceKind.Stream, world => $"streams/{Of(world)}/partitions/0/flush"),

        ["GET schedules"] = new(Everybody, (_, _) => ("schedules", null)),
        ["PUT schedules/{schedule}"] = new(
            DefinesSchedule,
            (world, _) => ($"schedules/{Of(world)}new", $$"""{"trigger":"0 3 * * *","message":{"text":"x"},"queue":"{{world.Name}}"}""")),
        ["GET schedules/{schedule}"] = new(SeesSchedule, (world, _) => ($"schedules/{Of(world)}", null)),
        ["DELETE schedules/{schedule}"] = ManageSchedule(world => $"schedules/{Of(world)}"),
        ["POST schedules/{schedule}/pause"] = ManageSchedule(world => $"schedules/{Of(world)}/pause"),
        ["POST schedules/{schedule}/resume"] = ManageSchedule(world => $"schedules/{Of(world)}/resume"),
        ["POST schedules/{schedule}/run"] = new(RunsSchedule, (world, _) => ($"schedules/{Of(world)}/run", null)),
        ["GET schedules/{schedule}/next"] = new(SeesSchedule, (world, _) => ($"schedules/{Of(world)}/next", null)),
        ["GET schedules/{schedule}/runs"] = new(SeesSchedule, (world, _) => ($"schedules/{Of(world)}/runs", null)),
        ["GET schedules/{schedule}/statistics"] = new(SeesSchedule, (world, _) => ($"schedules/{Of(world)}/statistics", null)),
        ["GET runs"] = new(Everybody, (_, _) => ("runs", null)),
        ["GET runs/statistics"] = new(Everybody, (_, _) => ("runs/statistics", null)),

        ["POST channels/{topic}/messages"] = Send(ResourceKind.Topic, world => $"channels/{Escape(world.Topic)}/messages", "text"),
        ["GET channels/{topic}/messages"] = Receive(ResourceKind.Topic, world => $"channels/{Escape(world.Pattern)}/messages"),
        ["GET channels/{topic}/events"] = Receive(ResourceKind.Topic, world => $"channels/{Escape(world.Pattern)}/events"),

        ["GET locks/{name}"] = Receive(ResourceKind.Lock, world => $"locks/{Of(world)}"),
        ["POST locks/{name}/acquire"] = Send(ResourceKind.Lock, world => $"locks/{Of(world)}/acquire", """{"owner":"me","leaseMs":60000}"""),
        ["POST locks/{name}/renew"] = Send(ResourceKind.Lock, world => $"locks/{Of(world)}/renew", world => $$"""{"owner":"me","fencingToken":{{world.FencingToken}},"leaseMs":60000}"""),
        ["POST locks/{name}/release"] = Send(ResourceKind.Lock, world => $"locks/{Of(world)}/release", world => $$"""{"owner":"me","fencingToken":{{world.FencingToken}}}"""),
        ["GET locks/{name}/wait"] = Receive(ResourceKind.Lock, world => $"locks/{Of(world)}/wait"),

        ["GET state"] = Receive(ResourceKind.State, world => $"state?prefix={Of(world)}"),
        ["GET state/{key}"] = Receive(ResourceKind.State, world => $"state/{Of(world)}"),
        ["PUT state/{key}"] = Send(ResourceKind.State, world => $"state/{Of(world)}", "value"),
        ["DELETE state/{key}"] = Send(ResourceKind.State, world => $"state/{Of(world)}"),
        ["GET changes"] = Receive(ResourceKind.State, world => $"changes?prefix={Of(world)}"),

        ["GET connections"] = Administer(_ => "connections"),
        ["GET connections/{connection}"] = Administer(connection => $"connections/{connection}"),
        ["DELETE connections/{connection}"] = Administer(connection => $"connections/{connection}"),
    };

    /// <summary>The request for a user, in a world of its own.</summary>
    public static HttpRequestMessage RequestOf(string route, AccessWorld world, string id)
    {
        var (path, body) = Rows[route].Request(world, id);
        var request = new HttpRequestMessage(new HttpMethod(route[..route.IndexOf(' ', StringComparison.Ordinal)]), path);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) { Headers = { ContentType = new(TypeOf(body)) } };
        }

        return request;
    }

    public static string Escape(string name) => Uri.EscapeDataString(name);

    private static string Of(AccessWorld world) => Escape(world.Name);

    private static Grant[][] Needs(Permission permission, ResourceKind kind) => [[new Grant(permission, kind)]];

    private static AccessRow Administer(Func<string, string> path) => new([], (_, id) => (path(id), null)) { IsForAdministrators = true };

    private static string TypeOf(string body) => body.StartsWith('{') ? "application/json" : body == EmptyAppend ? RecordBytes.MediaType : "text/plain";

    private static AccessRow ManageStream(Func<AccessWorld, string> path, string? body = null) => new(Needs(Permission.Manage, ResourceKind.Stream), (world, _) => (path(world), body));

    private static AccessRow ManageSchedule(Func<AccessWorld, string> path) => new(Needs(Permission.Manage, ResourceKind.Schedule), (world, _) => (path(world), null));

    private static AccessRow Manage(Func<AccessWorld, string> path, string? body = null) => new(Needs(Permission.Manage, ResourceKind.Queue), (world, _) => (path(world), body));

    private static AccessRow Send(ResourceKind kind, Func<AccessWorld, string> path, string? body = null) => Send(kind, path, _ => body);

    private static AccessRow Send(ResourceKind kind, Func<AccessWorld, string> path, Func<AccessWorld, string?> body) =>
        new(Needs(Permission.Send, kind), (world, _) => (path(world), body(world)));

    private static AccessRow Receive(ResourceKind kind, Func<AccessWorld, string> path, Func<AccessWorld, string?>? body = null) =>
        new(Needs(Permission.Receive, kind), (world, _) => (path(world), body?.Invoke(world)));
}
