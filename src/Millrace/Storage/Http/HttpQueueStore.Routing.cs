using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

internal sealed partial class HttpQueueStore
{
    public async ValueTask BindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(pattern);
        using var answer = await SendAsync(HttpMethod.Put, ApiPath.Binding(queue, pattern), null, isRepeatable: true, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask<bool> UnbindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(pattern);
        using var answer = await TrySendAsync(new ApiRequest(HttpMethod.Delete, ApiPath.Binding(queue, pattern)), ProblemMap.NotFound, cancellationToken).ConfigureAwait(false);
        return answer is not null;
    }

    public async ValueTask<IReadOnlyList<QueueBinding>> ListBindingsAsync(string? queue = null, CancellationToken cancellationToken = default)
    {
        var path = ApiPath.Bindings + ApiPath.Query(("queue", queue));
        using var answer = await SendAsync(HttpMethod.Get, path, null, isRepeatable: true, cancellationToken).ConfigureAwait(false);
        return Read(answer, static (ref json) =>
        {
            var bindings = new List<QueueBinding>();
            json.BeginObject();
            while (json.NextField())
            {
                if (!json.Is(WireNames.Bindings))
                {
                    json.Skip();
                    continue;
                }

                json.BeginArray();
                while (json.NextElement())
                {
                    bindings.Add(ReadBinding(ref json));
                }
            }

            return bindings;
        });
    }

    public async ValueTask<int> PublishAsync(string topic, ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken = default)
    {
        TopicPattern.RequireTopic(topic);
        EnvelopeRules.Require(batch.Span, Capabilities);
        cancellationToken.ThrowIfCancellationRequested();
        using var answer = await SendAsync(
            HttpMethod.Post,
            ApiPath.Topic(topic, "batches"),
            json =>
            {
                json.WriteStartObject();
                json.WriteStartArray(WireNames.Messages);
                foreach (ref readonly var envelope in batch.Span)
                {
                    MessageWire.WriteEnvelope(json, in envelope);
                }

                json.WriteEndArray();
                json.WriteEndObject();
            },
            isRepeatable: false,
            CancellationToken.None).ConfigureAwait(false);
        return (int)ReadNumber(answer, WireNames.Reached);
    }

    public async ValueTask<TransactionResult> CommitAsync(QueueTransaction transaction, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        cancellationToken.ThrowIfCancellationRequested();
        using var answer = await SendAsync(
            HttpMethod.Post, ApiPath.Transactions, json => TransactionWire.Write(json, transaction), isRepeatable: false, CancellationToken.None).ConfigureAwait(false);
        var result = Read(answer, static (ref json) => TransactionWire.ReadResult(ref json));
        if (result.Committed)
        {
            ForgetLeases([.. transaction.Operations.OfType<QueueOperation.Settle>().Select(settle => settle.Settlement)]);
        }

        return result;
    }

    private static QueueBinding ReadBinding(ref WireReader json)
    {
        var (queue, pattern) = ("", "");
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.Queue))
            {
                queue = json.Text();
            }
            else if (json.Is(WireNames.Pattern))
            {
                pattern = json.Text();
            }
            else
            {
                json.Skip();
            }
        }

        return new QueueBinding(queue, TopicPattern.Parse(pattern));
    }
}
