using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>Queues that are all on one server, so that one script spans several of them.</summary>
internal sealed class RedisTransactionalQueueStore(
    IRedisExecutor executor, ReplicatedWrites writes, RedisKeys keys, bool createsQueues, StoreDurability durability, TimeProvider time)
    : RedisQueueStore(executor, writes, keys, createsQueues, durability, time), IQueueTransactions
{
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
        var commit = new CommitCall(Calls, Bindings);
        foreach (var operation in transaction.Operations)
        {
            switch (operation)
            {
                case QueueOperation.Enqueue enqueue:
                    commit.AddEnqueue(Calls.PlaceOf(enqueue.Queue), enqueue.Envelope);
                    break;
                case QueueOperation.Publish publish:
                    foreach (var (queue, birth) in await Bindings.FindAsync(publish.Topic, cancellationToken).ConfigureAwait(false))
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
