using System.Collections.Concurrent;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>The channels of a server: publishes share requests, subscriptions are streams of server-sent events.</summary>
internal sealed class HttpChannelTransport : IChannelTransport
{
    private static readonly QueueCapabilities Limits = new() { Backend = HttpBackend.BackendName, Durability = StoreDurability.None };

    private readonly ApiConnection _connection;
    private readonly OperationSender _operations;
    private readonly ConcurrentDictionary<HttpChannelSubscription, bool> _subscriptions = [];
    private bool _isDisposed;

    public HttpChannelTransport(ApiConnection connection)
    {
        _connection = connection;
        _operations = new OperationSender(connection);
    }

    public async ValueTask<ChannelMessageId> PublishAsync(string topic, Envelope envelope, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        TopicPattern.RequireTopic(topic);
        EnvelopeRules.Require(new ReadOnlySpan<Envelope>(in envelope), Limits);
        var operation = new BroadcastOperation(topic, envelope);
        await _operations.SendAsync(topic, operation, cancellationToken).ConfigureAwait(false);
        return operation.Id;
    }

    public async ValueTask<IChannelSubscription> SubscribeAsync(TopicPattern pattern, SubscriptionOptions options, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ArgumentNullException.ThrowIfNull(pattern);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var subscription = new HttpChannelSubscription(this, _connection, pattern, options);
        await subscription.OpenAsync(cancellationToken).ConfigureAwait(false);
        _subscriptions[subscription] = true;
        if (_isDisposed)
        {
            await subscription.DisposeAsync().ConfigureAwait(false);
        }

        return subscription;
    }

    public async ValueTask<IReadOnlyList<ChannelMessage>> GetHistoryAsync(
        TopicPattern pattern, ChannelMessageId? after = null, int limit = 1000, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ArgumentNullException.ThrowIfNull(pattern);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        var path = ApiPath.Channel(pattern.Text, "messages") + ApiPath.Query(("after", after?.ToString()), ("limit", WireValues.Text(limit)));
        using var answer = await _connection.SendAsync(new ApiRequest(HttpMethod.Get, path) { IsRepeatable = true }, cancellationToken).ConfigureAwait(false);
        return AnswerReading.From(_connection, answer, static (ref json) =>
        {
            var messages = new List<ChannelMessage>();
            json.BeginObject();
            while (json.NextField())
            {
                if (!json.Is(WireNames.Messages))
                {
                    json.Skip();
                    continue;
                }

                json.BeginArray();
                while (json.NextElement())
                {
                    messages.Add(ChannelMessageWire.Read(ref json));
                }
            }

            return messages;
        });
    }

    public async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        foreach (var subscription in _subscriptions.Keys)
        {
            await subscription.DisposeAsync().ConfigureAwait(false);
        }

        await _operations.DisposeAsync().ConfigureAwait(false);
    }

    public void Forget(HttpChannelSubscription subscription) => _subscriptions.TryRemove(subscription, out _);
}
