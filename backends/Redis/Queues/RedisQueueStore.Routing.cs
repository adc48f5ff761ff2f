using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <content>Bindings and publishing, and transactions.</content>
internal sealed partial class RedisQueueStore
{
    private readonly BindingCache _bindings;

    public async ValueTask BindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(pattern);
        RequireUsable();
        var place = Calls.PlaceOf(queue);
        string birth;
        string? after;
        do
        {
            // A binding counts for the queue that it was made with. If that was deleted meanwhile, it is made with its successor.
            birth = await Calls.OpenOnDemandAsync(place, cancellationToken).ConfigureAwait(false);
            await _bindings.AddAsync(queue, pattern, birth, cancellationToken).ConfigureAwait(false);
            after = (await Calls.OpenAsync(place, creates: false, QueueSettings.Default, null, TimeSpan.Zero, CancellationToken.None).ConfigureAwait(false))?.Birth;
        }
        while (after != birth);
    }

    public ValueTask<bool> UnbindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(pattern);
        RequireUsable();
        return _bindings.RemoveAsync(queue, pattern, cancellationToken);
    }

    public async ValueTask<IReadOnlyList<QueueBinding>> ListBindingsAsync(string? queue = null, CancellationToken cancellationToken = default)
    {
        if (queue is not null)
        {
            ResourceName.Require(queue, "queue");
        }

        RequireUsable();
        var all = await _bindings.ListAsync(cancellationToken).ConfigureAwait(false);
        return queue is null ? all : [.. all.Where(binding => binding.Queue == queue)];
    }

    public async ValueTask<int> PublishAsync(string topic, ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken = default)
    {
        TopicPattern.RequireTopic(topic);
        EnvelopeRules.Require(batch.Span, Capabilities);
        RequireUsable();
        cancellationToken.ThrowIfCancellationRequested();
        if (Calls.IsCluster)
        {
            return await PublishOneByOneAsync(topic, batch, cancellationToken).ConfigureAwait(false);
        }

        while (true)
        {
            var bound = await _bindings.FindAsync(topic, cancellationToken).ConfigureAwait(false);
            if (bound.Count == 0 || batch.IsEmpty)
            {
                return bound.Count;
            }

            var commit = new CommitCall(Calls, _bindings);
            foreach (var (queue, birth) in bound)
            {
                foreach (var envelope in batch.Span)
                {
                    commit.AddPublish(Calls.PlaceOf(queue), birth, envelope);
                }
            }

            if (await commit.RunAsync(cancellationToken).ConfigureAwait(false) is not null)
            {
                return bound.Count;
            }
        }
    }

    public async ValueTask<TransactionResult> CommitAsync(QueueTransaction transaction, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        RequireUsable();
        foreach (var operation in transaction.Operations)
        {
            RequireValid(operation);
        }

        cancellationToken.ThrowIfCancellationRequested();
        Settlement[] settlements = [];
        foreach (var operation in transaction.Operations)
        {
            if (operation is QueueOperation.Settle settle)
            {
                settlements = [settle.Settlement];
                BeginSettling(Calls.PlaceOf(settle.Queue), settlements);
            }
        }

        var isCommitted = false;
        try
        {
            TransactionResult? result;
            while ((result = await TryCommitAsync(transaction, cancellationToken).ConfigureAwait(false)) is null)
            {
                // A queue that was bound is gone: once more, without it.
            }

            isCommitted = result.Committed;
            return result;
        }
        finally
        {
            foreach (var operation in transaction.Operations)
            {
                if (operation is QueueOperation.Settle settle)
                {
                    Settlement[] one = [settle.Settlement];
                    if (isCommitted)
                    {
                        EndSettling(Calls.PlaceOf(settle.Queue), one);
                    }
                    else
                    {
                        UndoSettling(Calls.PlaceOf(settle.Queue), one);
                    }
                }
            }
        }
    }

    private async ValueTask<TransactionResult?> TryCommitAsync(QueueTransaction transaction, CancellationToken cancellationToken)
    {
        var commit = new CommitCall(Calls, _bindings);
        foreach (var operation in transaction.Operations)
        {
            switch (operation)
            {
                case QueueOperation.Enqueue enqueue:
                    commit.AddEnqueue(Calls.PlaceOf(enqueue.Queue), enqueue.Envelope);
                    break;
                case QueueOperation.Publish publish:
                    foreach (var (queue, birth) in await _bindings.FindAsync(publish.Topic, cancellationToken).ConfigureAwait(false))
                    {
                        commit.AddPublish(Calls.PlaceOf(queue), birth, publish.Envelope);
                    }

                    break;
                case QueueOperation.Settle settle:
                    commit.AddSettlement(Calls.PlaceOf(settle.Queue), settle.Settlement);
                    break;
            }
        }

        return await commit.RunAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>On a Cluster, queues are on different servers: each gets the batch by itself, and a failure leaves those before it with theirs.</summary>
    private async ValueTask<int> PublishOneByOneAsync(string topic, ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken)
    {
        var bound = await _bindings.FindAsync(topic, cancellationToken).ConfigureAwait(false);
        if (batch.IsEmpty)
        {
            return bound.Count;
        }

        var reached = 0;
        foreach (var (queue, birth) in bound)
        {
            if (await LaneOf(Calls.PlaceOf(queue)).EnqueueIfAsync(batch, birth, cancellationToken).ConfigureAwait(false))
            {
                reached++;
            }
            else
            {
                await _bindings.DropAsync(queue, birth).ConfigureAwait(false);
            }
        }

        return reached;
    }

    private void RequireValid(QueueOperation operation)
    {
        switch (operation)
        {
            case QueueOperation.Enqueue enqueue:
                ResourceName.Require(enqueue.Queue, "queue");
                EnvelopeRules.Require([enqueue.Envelope], Capabilities);
                break;
            case QueueOperation.Publish publish:
                TopicPattern.RequireTopic(publish.Topic);
                EnvelopeRules.Require([publish.Envelope], Capabilities);
                break;
            case QueueOperation.Settle settle:
                ResourceName.RequireQueue(settle.Queue);
                break;
            default:
                throw new ArgumentException($"The store does not know the operation {operation.GetType().Name}.", nameof(operation));
        }
    }
}
