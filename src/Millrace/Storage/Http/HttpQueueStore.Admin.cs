using System.Net;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

internal sealed partial class HttpQueueStore
{
    public async ValueTask<bool> CreateQueueAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(settings);
        settings.Validate();
        ResourceName.Require(queue, "queue");
        using var answer = await SendAsync(HttpMethod.Put, ApiPath.Queue(queue), json => QueueWire.WriteSettings(json, settings), isRepeatable: false, cancellationToken).ConfigureAwait(false);
        return answer.Status == HttpStatusCode.Created;
    }

    public async ValueTask<bool> DeleteQueueAsync(string queue, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        using var answer = await TrySendAsync(new ApiRequest(HttpMethod.Delete, ApiPath.Queue(queue)), ProblemMap.QueueNotFound, cancellationToken).ConfigureAwait(false);
        return answer is not null;
    }

    public async ValueTask<QueueSettings> GetSettingsAsync(string queue, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        using var answer = await SendAsync(HttpMethod.Get, ApiPath.Queue(queue, "settings"), null, isRepeatable: true, cancellationToken).ConfigureAwait(false);
        return Read(answer, static (ref json) => QueueWire.ReadSettings(ref json));
    }

    public async ValueTask UpdateSettingsAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(settings);
        settings.Validate();
        ResourceName.Require(queue, "queue");
        using var answer = await SendAsync(
            HttpMethod.Put, ApiPath.Queue(queue, "settings"), json => QueueWire.WriteSettings(json, settings), isRepeatable: true, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask<IReadOnlyList<string>> ListQueuesAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        RequireLimit(limit);
        var names = new List<string>();
        var next = after;
        do
        {
            // The answer says whether there are more, whatever the length of a page.
            var path = ApiPath.Queues + ApiPath.Query(("prefix", prefix), ("after", next), ("limit", WireValues.Text(limit - names.Count)));
            using var answer = await SendAsync(HttpMethod.Get, path, null, isRepeatable: true, cancellationToken).ConfigureAwait(false);
            next = Read(answer, (ref json) => ReadNames(ref json, names));
        }
        while (next is not null && names.Count < limit);
        return names;
    }

    public async ValueTask<QueueStats> GetStatsAsync(string queue, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        using var answer = await SendAsync(HttpMethod.Get, ApiPath.Queue(queue, "stats"), null, isRepeatable: true, cancellationToken).ConfigureAwait(false);
        return Read(answer, static (ref json) => QueueWire.ReadStats(ref json));
    }

    public async ValueTask<BrowsePage> BrowseAsync(string queue, BrowseQuery query, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        ArgumentNullException.ThrowIfNull(query);
        RequireLimit(query.Limit);
        var path = ApiPath.Queue(queue, "messages") + ApiPath.Query(
            ("state", MessageWire.StateWord(query.State).Value), ("limit", WireValues.Text(query.Limit)), ("continuation", query.Continuation));
        using var answer = await SendAsync(HttpMethod.Get, path, null, isRepeatable: true, cancellationToken).ConfigureAwait(false);
        return Read(answer, static (ref json) =>
        {
            var messages = new List<BrowsedMessage>();
            string? next = null;
            json.BeginObject();
            while (json.NextField())
            {
                if (json.Is(WireNames.Messages))
                {
                    json.BeginArray();
                    while (json.NextElement())
                    {
                        messages.Add(MessageWire.ReadBrowsed(ref json));
                    }
                }
                else if (json.Is(WireNames.Next))
                {
                    next = json.OptionalText();
                }
                else
                {
                    json.Skip();
                }
            }

            return new BrowsePage(messages, next);
        });
    }

    public async ValueTask<BrowsedMessage?> GetMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        if (id.IsEmpty)
        {
            return null;
        }

        var request = new ApiRequest(HttpMethod.Get, ApiPath.Message(queue, id)) { IsRepeatable = true };
        using var answer = await TrySendAsync(request, ProblemMap.MessageNotFound, cancellationToken).ConfigureAwait(false);
        return answer is null ? null : Read(answer, static (ref json) => MessageWire.ReadBrowsed(ref json));
    }

    public ValueTask<MessageChange> RemoveMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default) =>
        ChangeAsync(queue, id, path => new ApiRequest(HttpMethod.Delete, path), cancellationToken);

    public async ValueTask<MessageChange> RescheduleMessageAsync(string queue, MessageId id, TimeSpan delay, CancellationToken cancellationToken = default)
    {
        using var body = JsonBody.Of(json =>
        {
            json.WriteStartObject();
            WireValues.WriteMilliseconds(json, WireNames.DelayMs, delay);
            json.WriteEndObject();
        });
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        return await ChangeAsync(queue, id, path => new ApiRequest(HttpMethod.Post, path + "/reschedule") { Body = body }, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask<long> RedriveAsync(string queue, DeadLetterFilter filter, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(filter);
        using var answer = await SendAsync(
            HttpMethod.Post, ApiPath.Queue(queue, "redrive"), json => QueueWire.WriteFilter(json, filter), isRepeatable: false, cancellationToken).ConfigureAwait(false);
        return ReadNumber(answer, WireNames.Moved);
    }

    public async ValueTask<long> PurgeAsync(string queue, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        using var answer = await SendAsync(HttpMethod.Post, ApiPath.Queue(queue, "purge"), null, isRepeatable: false, cancellationToken).ConfigureAwait(false);
        return ReadNumber(answer, WireNames.Removed);
    }

    private async ValueTask<MessageChange> ChangeAsync(string queue, MessageId id, Func<string, ApiRequest> make, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ResourceName.RequireQueue(queue);
        if (id.IsEmpty)
        {
            return MessageChange.NotFound;
        }

        var answer = await _connection.ExchangeAsync(make(ApiPath.Message(queue, id)), retries: true, cancellationToken).ConfigureAwait(false);
        MessageChange? change = answer.Problem?.Code switch
        {
            null => MessageChange.Done,
            ProblemMap.MessageNotFound => MessageChange.NotFound,
            ProblemMap.MessageLeased => MessageChange.Leased,
            _ => null,
        };
        if (change is null)
        {
            throw _connection.Fault(answer);
        }

        answer.Dispose();
        return change.Value;
    }

    /// <summary>Reads a page of names.</summary>
    /// <returns>After which the next one begins; null when there is none.</returns>
    private static string? ReadNames(ref WireReader json, List<string> names)
    {
        string? next = null;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.Queues))
            {
                json.BeginArray();
                while (json.NextElement())
                {
                    names.Add(json.Text());
                }
            }
            else if (json.Is(WireNames.Next))
            {
                next = json.OptionalText();
            }
            else
            {
                json.Skip();
            }
        }

        return next;
    }

    private T Read<T>(ApiAnswer answer, WireRead<T> read) => AnswerReading.From(_connection, answer, read);

    private long ReadNumber(ApiAnswer answer, System.Text.Json.JsonEncodedText name) => AnswerReading.Number(_connection, answer, name);

    private static void RequireLimit(int limit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, 1000);
    }
}
