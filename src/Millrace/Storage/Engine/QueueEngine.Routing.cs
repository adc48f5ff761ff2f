namespace Millrace.Storage.Engine;

/// <content>Bindings, publishing and transactions: what spans several queues.</content>
internal sealed partial class QueueEngine : IQueueRouting, IQueueTransactions
{
    private readonly QueueBindings _bindings = new();

    public ValueTask BindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        var bound = Answer(
            (Store: this, queue, pattern),
            static request =>
            {
                while (true)
                {
                    var core = request.Store.FindOrCreateForSending(request.queue);

                    // Under the gate, so that a queue that is being deleted does not leave a binding behind.
                    var (bound, _, end) = request.Store.Under(core.Main, request.pattern, static (section, pattern) => section.Core.BindLocked(pattern));
                    if (bound)
                    {
                        return (true, end);
                    }

                    request.Store.EndUnflushed(end);
                }
            },
            cancellationToken);
        return bound.IsCompletedSuccessfully ? default : new ValueTask(bound.AsTask());
    }

    public ValueTask<bool> UnbindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        return Answer(
            (Store: this, queue, pattern),
            static request =>
            {
                RequireSendable(request.queue);
                if (request.Store.Find(request.queue) is not { } section)
                {
                    return (false, default(OperationEnd));
                }

                // Under the gate, so that the journal has binding and unbinding in their order.
                var (_, wasBound, end) = request.Store.Under(section, request.pattern, static (section, pattern) => section.Core.UnbindLocked(pattern));
                return (wasBound, end);
            },
            cancellationToken);
    }

    public ValueTask<IReadOnlyList<QueueBinding>> ListBindingsAsync(string? queue = null, CancellationToken cancellationToken = default) =>
        Answer(
            (Store: this, queue),
            static request =>
            {
                ObjectDisposedException.ThrowIf(request.Store.IsDisposed, request.Store);
                if (request.queue is not null)
                {
                    RequireSendable(request.queue);
                }

                return (request.Store._bindings.List(request.queue), default(OperationEnd));
            },
            cancellationToken);

    public ValueTask<int> PublishAsync(string topic, ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(topic);
        return Answer(
            (Store: this, topic, batch),
            static request =>
            {
                TopicPattern.RequireTopic(request.topic);
                EnvelopeRules.Require(request.batch.Span, request.Store.Capabilities);
                ObjectDisposedException.ThrowIf(request.Store.IsDisposed, request.Store);
                if (request.Store.QueuesBoundTo(request.topic).Length == 0)
                {
                    // Most topics have live subscribers only, and everything that is sent to one asks here.
                    return (0, default(OperationEnd));
                }

                var commit = new QueueCommit(request.Store);
                foreach (ref readonly var envelope in request.batch.Span)
                {
                    commit.AddPublish(request.topic, in envelope);
                }

                var (_, end) = commit.Run();
                return (commit.QueuesReached, end);
            },
            cancellationToken);
    }

    public ValueTask<TransactionResult> CommitAsync(QueueTransaction transaction, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        return Answer(
            (Store: this, transaction.Operations),
            static request =>
            {
                ObjectDisposedException.ThrowIf(request.Store.IsDisposed, request.Store);
                var commit = new QueueCommit(request.Store);
                foreach (var operation in request.Operations)
                {
                    request.Store.AddTo(commit, operation);
                }

                return commit.Run();
            },
            cancellationToken);
    }

    /// <summary>The section of a name, created if the store creates queues on demand.</summary>
    internal QueueSection SectionForSending(string queue) => FindOrCreateForSending(queue).Main;

    /// <summary>The section of a name; null when there is no such queue.</summary>
    internal QueueSection? SectionOf(string queue) => Find(queue);

    internal BoundQueue[] QueuesBoundTo(string topic) => _bindings.Find(topic);

    internal void AddBinding(string queue, TopicPattern pattern) => _bindings.Add(queue, pattern);

    internal void RemoveBindings(string queue) => _bindings.RemoveAll(queue);

    internal bool RemoveBinding(string queue, TopicPattern pattern) => _bindings.Remove(queue, pattern);

    private void AddTo(QueueCommit commit, QueueOperation operation)
    {
        switch (operation)
        {
            case QueueOperation.Enqueue enqueue:
                RequireSendable(enqueue.Queue);
                EnvelopeRules.Require([enqueue.Envelope], Capabilities);
                commit.AddEnqueue(enqueue.Queue, enqueue.Envelope);
                break;
            case QueueOperation.Publish publish:
                TopicPattern.RequireTopic(publish.Topic);
                EnvelopeRules.Require([publish.Envelope], Capabilities);
                commit.AddPublish(publish.Topic, publish.Envelope);
                break;
            case QueueOperation.Settle settle:
                ResourceName.RequireQueue(settle.Queue);
                commit.AddSettlement(settle.Queue, settle.Settlement);
                break;
            default:
                throw new ArgumentException($"The store does not know the operation {operation.GetType().Name}.", nameof(operation));
        }
    }
}
