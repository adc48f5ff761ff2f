using Microsoft.AspNetCore.Http;
using Millrace.Server.Security;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Queues: their settings, counts, bindings, and what concerns all of their messages.</summary>
internal static class QueueEndpoints
{
    private const int MaxPage = 1000;

    private static readonly TextParameter Prefix = new("prefix", "Only names that begin with this.");
    private static readonly TextParameter After = new("after", "Only names after this one: 'next' of the page before.");
    private static readonly NumberParameter Limit = new("limit", "The most names of a page.", 100, 1, MaxPage);
    private static readonly TextParameter BoundQueue = new("queue", "Only the bindings of this queue.");

    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Get, "queues", "The names of queues, in order, a page at a time.", ListAsync) { Query = [Prefix, After, Limit], Answer = "QueueNames" },
        new(HttpMethods.Put, "queues/{queue}", "Creates a queue. One that exists is left as it is.", CreateAsync)
        {
            AuditedAs = "queue.create",
            Body = ApiBody.OptionalJson("QueueSettings"),
            Answer = "Created",
            Success = [201, 200],
            Problems = [ProblemMap.InvalidSettings],
        },
        new(HttpMethods.Delete, "queues/{queue}", "Deletes a queue with its messages, dead letters and bindings.", DeleteAsync) { AuditedAs = "queue.delete" },
        new(HttpMethods.Get, "queues/{queue}/settings", "The settings of a queue.", GetSettingsAsync) { Answer = "QueueSettings" },
        new(HttpMethods.Put, "queues/{queue}/settings", "Replaces the settings of a queue; what is not named is as by default.", PutSettingsAsync)
        {
            AuditedAs = "queue.settings",
            Body = ApiBody.Json("QueueSettings"),
            Problems = [ProblemMap.InvalidSettings],
        },
        new(HttpMethods.Get, "queues/{queue}/stats", "The counts of a queue.", GetStatsAsync) { Answer = "QueueStats" },
        new(HttpMethods.Post, "queues/{queue}/purge", "Removes the ready and scheduled messages.", PurgeAsync) { AuditedAs = "queue.purge", Answer = "Removed" },
        new(HttpMethods.Post, "queues/{queue}/redrive", "Moves dead letters back into their queue: all, or those that a filter names.", RedriveAsync)
        {
            AuditedAs = "queue.redrive",
            Body = ApiBody.OptionalJson("DeadLetterFilter"),
            Answer = "Moved",
        },
        new(HttpMethods.Get, "bindings", "The bindings of queues to topic patterns.", ListBindingsAsync) { Query = [BoundQueue], Answer = "Bindings", Problems = [ProblemMap.InvalidName] },
        new(HttpMethods.Put, "queues/{queue}/bindings/{pattern}", "Binds a queue to a topic pattern.", BindAsync) { AuditedAs = "queue.bind" },
        new(HttpMethods.Delete, "queues/{queue}/bindings/{pattern}", "Removes a binding.", UnbindAsync) { AuditedAs = "queue.unbind", Problems = [ProblemMap.NotFound] },
    ];

    private static async Task ListAsync(ApiCall call)
    {
        var limit = (int)Limit.Read(call);
        var names = await ListVisibleAsync(call, Prefix.Read(call) ?? "", After.Read(call), limit).ConfigureAwait(false);
        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray(WireNames.Queues);
            foreach (var name in names)
            {
                json.WriteStringValue(name);
            }

            json.WriteEndArray();
            json.WriteString(WireNames.Next, names.Count == limit ? names[^1] : null);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    // Reads on where names are hidden: a page that ended with one of them would have to tell it for the next page to begin after it.
    private static async ValueTask<List<string>> ListVisibleAsync(ApiCall call, string prefix, string? after, int limit)
    {
        var visible = new List<string>();
        for (var size = limit; ; size = MaxPage)
        {
            var names = await call.Instance.Admin.ListQueuesAsync(prefix, after, size, call.Aborted).ConfigureAwait(false);
            visible.AddRange(names.Where(name => IsVisible(call.Caller, name)).Take(limit - visible.Count));
            if (names.Count < size || visible.Count == limit)
            {
                return visible;
            }

            after = names[^1];
        }
    }

    private static async Task CreateAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Manage);
        var settings = await call.ReadJsonAsync(static (ref json) => QueueWire.ReadSettings(ref json), () => QueueSettings.Default).ConfigureAwait(false);
        var created = await call.Instance.Admin.CreateQueueAsync(queue, settings, call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(created ? 201 : 200, json =>
        {
            json.WriteStartObject();
            json.WriteBoolean(WireNames.Created, created);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task DeleteAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Manage);
        if (!await call.Instance.Admin.DeleteQueueAsync(queue, call.Aborted).ConfigureAwait(false))
        {
            throw new QueueNotFoundException(queue);
        }

        await call.NoContentAsync().ConfigureAwait(false);
    }

    private static async Task GetSettingsAsync(ApiCall call)
    {
        // A worker asks how often the queue delivers a message, before it retries more often than that.
        var queue = VisibleQueueOf(call);
        var settings = await call.Instance.Admin.GetSettingsAsync(queue, call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json => QueueWire.WriteSettings(json, settings)).ConfigureAwait(false);
    }

    private static async Task PutSettingsAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Manage);
        var settings = await call.ReadJsonAsync(static (ref json) => QueueWire.ReadSettings(ref json)).ConfigureAwait(false);
        await call.Instance.Admin.UpdateSettingsAsync(queue, settings, call.Aborted).ConfigureAwait(false);
        await call.NoContentAsync().ConfigureAwait(false);
    }

    private static async Task GetStatsAsync(ApiCall call)
    {
        var queue = VisibleQueueOf(call);
        var stats = await call.Instance.Admin.GetStatsAsync(queue, call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json => QueueWire.WriteStats(json, stats)).ConfigureAwait(false);
    }

    private static async Task PurgeAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Manage);
        var removed = await call.Instance.Admin.PurgeAsync(queue, call.Aborted).ConfigureAwait(false);
        await WriteCountAsync(call, WireNames.Removed, removed).ConfigureAwait(false);
    }

    private static async Task RedriveAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Manage);
        var filter = await call.ReadJsonAsync(static (ref json) => QueueWire.ReadFilter(ref json), () => DeadLetterFilter.All).ConfigureAwait(false);
        var moved = await call.Instance.Admin.RedriveAsync(queue, filter, call.Aborted).ConfigureAwait(false);
        await WriteCountAsync(call, WireNames.Moved, moved).ConfigureAwait(false);
    }

    private static async Task ListBindingsAsync(ApiCall call)
    {
        var bindings = await call.Instance.Routing.ListBindingsAsync(BoundQueue.Read(call), call.Aborted).ConfigureAwait(false);
        await call.StreamAsync(
            bindings.Where(binding => IsVisible(call.Caller, binding.Queue)),
            json =>
            {
                json.WriteStartObject();
                json.WriteStartArray(WireNames.Bindings);
            },
            (json, binding) =>
            {
                json.WriteStartObject();
                json.WriteString(WireNames.Queue, binding.Queue);
                json.WriteString(WireNames.Pattern, binding.Pattern.Text);
                json.WriteEndObject();
            },
            json =>
            {
                json.WriteEndArray();
                json.WriteEndObject();
            }).ConfigureAwait(false);
    }

    private static async Task BindAsync(ApiCall call)
    {
        var (queue, pattern) = ReadBinding(call);
        await call.Instance.Routing.BindAsync(queue, pattern, call.Aborted).ConfigureAwait(false);
        await call.NoContentAsync().ConfigureAwait(false);
    }

    private static async Task UnbindAsync(ApiCall call)
    {
        var (queue, pattern) = ReadBinding(call);
        if (await call.Instance.Routing.UnbindAsync(queue, pattern, call.Aborted).ConfigureAwait(false))
        {
            await call.NoContentAsync().ConfigureAwait(false);
        }
        else
        {
            await call.ProblemAsync(new(ProblemMap.NotFound, 404, "There is no such binding", $"Queue '{queue}' is not bound to '{pattern.Text}'.")).ConfigureAwait(false);
        }
    }

    // Whoever binds gets the messages of the topics, so it takes a permission for both.
    private static (string Queue, TopicPattern Pattern) ReadBinding(ApiCall call)
    {
        var queue = call.Queue(Permission.Manage);
        var pattern = TopicPattern.Parse(call.Name("pattern"));
        return call.Caller.MayAll(Permission.Receive, ResourceKind.Topic, pattern.Text)
            ? (queue, pattern)
            : throw call.Denied(Permission.Receive, ResourceKind.Topic, pattern.Text);
    }

    private static Task WriteCountAsync(ApiCall call, System.Text.Json.JsonEncodedText name, long count) => call.WriteAsync(200, json =>
    {
        json.WriteStartObject();
        json.WriteNumber(name, count);
        json.WriteEndObject();
    });

    private static string VisibleQueueOf(ApiCall call)
    {
        var queue = call.Name("queue");
        ResourceName.RequireQueue(queue);
        return IsVisible(call.Caller, queue) ? queue : throw call.Denied(Permission.Receive, ResourceKind.Queue, queue);
    }

    private static bool IsVisible(Caller caller, string queue) =>
        caller.May(Permission.Receive, ResourceKind.Queue, queue) || caller.May(Permission.Send, ResourceKind.Queue, queue) || caller.May(Permission.Manage, ResourceKind.Queue, queue);
}
