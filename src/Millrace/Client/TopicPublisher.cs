using System.Diagnostics.CodeAnalysis;
using Millrace.Pipeline;
using Millrace.Serialization;
using Millrace.Storage;

namespace Millrace.Client;

/// <summary>
/// Publishes messages of one type into every queue that is bound to a topic; see <see cref="IQueueRouting"/> for binding. Made by <see cref="MillraceClient.Topic{T}"/>;
/// safe for concurrent use; keep it rather than making one for every message.
/// </summary>
/// <typeparam name="T">The type of the messages.</typeparam>
public sealed class TopicPublisher<[DynamicallyAccessedMembers(MessageType.Members)] T>
{
    private readonly MillraceClient _client;
    private readonly Lazy<SendDelegate> _pipeline;

    internal TopicPublisher(string topic, MillraceClient client)
    {
        TopicPattern.RequireTopic(topic);
        Topic = topic;
        _client = client;
        _pipeline = new Lazy<SendDelegate>(
            () => SendPipeline.Compose<T>(client.PipelineOf(queue: null), new PublishToQueues(client.Require<IQueueRouting>()).InvokeAsync), LazyThreadSafetyMode.PublicationOnly);
    }

    /// <summary>The topic.</summary>
    public string Topic { get; }

    /// <summary>Publishes one message, and returns when it is stored in every queue that is bound to the topic. The wishes hold in each of them.</summary>
    /// <param name="message">The message.</param>
    /// <param name="options">The sender's wishes; null for none. With an id, a repeat after a failure is stored once in each queue.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the message.</param>
    /// <returns>How many queues were reached; 0 when none is bound, or a middleware suppressed the message.</returns>
    /// <exception cref="MessageValidationException">The message is not valid.</exception>
    /// <exception cref="InvalidMessageException">The message breaks a limit, or the wishes are out of range.</exception>
    /// <exception cref="QueueFullException">One of the queues is at its bound.</exception>
    public async ValueTask<int> PublishAsync(T message, SendOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(message);
        var outgoing = new OutgoingMessage<T>(message);
        options?.Apply(outgoing, _client.TimeProvider);
        using var bodies = new PooledBuffer();
        var context = new SendContext(Topic, isTopic: true, [outgoing], bodies);
        await _pipeline.Value(context, cancellationToken).ConfigureAwait(false);
        return context.QueuesReached;
    }

    /// <summary>Composes the pipeline, so that what cannot work fails here.</summary>
    internal TopicPublisher<T> Prepare()
    {
        _ = _pipeline.Value;
        return this;
    }
}
