using System.Diagnostics.CodeAnalysis;
using Millrace.Pipeline;
using Millrace.Serialization;
using Millrace.Storage;

namespace Millrace.Client;

/// <summary>
/// Sends messages of one type to one queue: each is validated, passes the middleware, is serialized, compressed where configured, and stored.
/// Made by <see cref="MillraceClient.Queue{T}"/>; safe for concurrent use; keep it rather than making one for every message.
/// </summary>
/// <typeparam name="T">The type of the messages.</typeparam>
public sealed class QueueClient<[DynamicallyAccessedMembers(MessageType.Members)] T>
{
    private readonly MillraceClient _client;
    private readonly Lazy<SendDelegate> _pipeline;

    internal QueueClient(string queue, MillraceClient client)
    {
        ResourceName.Require(queue, "queue");
        Queue = queue;
        _client = client;

        // Publication only: a client that is not open yet must not be remembered as a fault.
        _pipeline = new Lazy<SendDelegate>(
            () => SendPipeline.Compose<T>(client.PipelineOf(queue), new StoreInQueue(client.Require<IQueueStore>()).InvokeAsync), LazyThreadSafetyMode.PublicationOnly);
    }

    /// <summary>The queue's name.</summary>
    public string Queue { get; }

    /// <summary>Sends one message, and returns when it is stored.</summary>
    /// <param name="message">The message.</param>
    /// <param name="options">The sender's wishes; null for none.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the message.</param>
    /// <exception cref="MessageValidationException">The message is not valid.</exception>
    /// <exception cref="InvalidMessageException">The message breaks a limit, or the wishes are out of range.</exception>
    /// <exception cref="QueueFullException">The queue is at its bound.</exception>
    public async ValueTask<SendResult> SendAsync(T message, SendOptions? options = null, CancellationToken cancellationToken = default)
    {
        var outgoing = Outgoing(message, options);
        await RunAsync([outgoing], cancellationToken).ConfigureAwait(false);
        return ResultOf(outgoing);
    }

    /// <summary>Sends a batch in one operation, all or nothing, and returns when it is stored.</summary>
    /// <param name="messages">The messages, in order.</param>
    /// <param name="options">The wishes for each of them; null for none. An id would make all but the first duplicates, and is refused.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the batch.</param>
    /// <returns>One result a message, in order.</returns>
    /// <exception cref="MessageValidationException">A message is not valid; nothing was stored.</exception>
    /// <exception cref="InvalidMessageException">A message breaks a limit, or the wishes are out of range; nothing was stored.</exception>
    /// <exception cref="QueueFullException">The batch does not fit; nothing was stored.</exception>
    public ValueTask<IReadOnlyList<SendResult>> SendBatchAsync(IEnumerable<T> messages, SendOptions? options = null, CancellationToken cancellationToken = default) =>
        options is { Id.IsEmpty: false }
            ? throw new InvalidMessageException($"The batch was refused: the options give every message the id '{options.Id}'. Pass a function that makes the options of each message.")
            : SendBatchAsync(messages, _ => options, cancellationToken);

    /// <summary>Sends a batch in one operation, all or nothing, with wishes for each message: <c>SendBatchAsync(orders, order => new() { Key = order.Customer })</c>.</summary>
    /// <param name="messages">The messages, in order.</param>
    /// <param name="optionsOf">The wishes for one message; may return null.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the batch.</param>
    /// <returns>One result a message, in order.</returns>
    /// <exception cref="MessageValidationException">A message is not valid; nothing was stored.</exception>
    /// <exception cref="InvalidMessageException">A message breaks a limit, or its wishes are out of range; nothing was stored.</exception>
    /// <exception cref="QueueFullException">The batch does not fit; nothing was stored.</exception>
    public async ValueTask<IReadOnlyList<SendResult>> SendBatchAsync(IEnumerable<T> messages, Func<T, SendOptions?> optionsOf, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentNullException.ThrowIfNull(optionsOf);
        OutgoingMessage[] outgoing = [.. messages.Select(message => Outgoing(message, optionsOf(message)))];
        if (outgoing.Length > 0)
        {
            await RunAsync(outgoing, cancellationToken).ConfigureAwait(false);
        }

        return Array.ConvertAll(outgoing, ResultOf);
    }

    /// <summary>Composes the pipeline, so that what cannot work fails here.</summary>
    internal QueueClient<T> Prepare()
    {
        _ = _pipeline.Value;
        return this;
    }

    private OutgoingMessage<T> Outgoing(T message, SendOptions? options)
    {
        ArgumentNullException.ThrowIfNull(message);
        var outgoing = new OutgoingMessage<T>(message);
        options?.Apply(outgoing, _client.TimeProvider);
        return outgoing;
    }

    private async ValueTask RunAsync(OutgoingMessage[] messages, CancellationToken cancellationToken)
    {
        using var bodies = new PooledBuffer();
        var context = new SendContext(Queue, isTopic: false, messages, bodies);
        await _pipeline.Value(context, cancellationToken).ConfigureAwait(false);
    }

    private static SendResult ResultOf(OutgoingMessage message) => message.Result switch
    {
        { Outcome: EnqueueOutcome.Stored } stored => new SendResult(stored.Id, SendOutcome.Stored),
        { } duplicate => new SendResult(duplicate.Id, SendOutcome.Duplicate),
        null => new SendResult(message.Id, SendOutcome.Suppressed),
    };
}
