using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <content>Bindings and publishing, and transactions.</content>
internal sealed partial class SqliteQueueStore
{
    public async ValueTask BindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(pattern);
        await RunAsync(
            ledger =>
            {
                ledger.Bindings.Add(ledger.OpenOrCreate(queue).Id, pattern);
                return true;
            },
            cancellationToken).ConfigureAwait(false);
    }

    public ValueTask<bool> UnbindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(pattern);
        return RunAsync(ledger => ledger.TryOpen(queue) is { } row && ledger.Bindings.Remove(row.Id, pattern), cancellationToken);
    }

    public ValueTask<IReadOnlyList<QueueBinding>> ListBindingsAsync(string? queue = null, CancellationToken cancellationToken = default)
    {
        if (queue is not null)
        {
            ResourceName.Require(queue, "queue");
        }

        cancellationToken.ThrowIfCancellationRequested();
        return new(_store.Reader.Read(tables => tables.ListBindings(queue)));
    }

    public ValueTask<int> PublishAsync(string topic, ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken = default)
    {
        TopicPattern.RequireTopic(topic);
        EnvelopeRules.Require(batch.Span, Capabilities);
        cancellationToken.ThrowIfCancellationRequested();
        _store.RequireUsable();
        if (!_store.Reader.Read(tables => tables.IsBound(topic)))
        {
            // Most topics have live subscribers only. A binding that was committed before this call, by whatever process, is in what the reader sees.
            return new(0);
        }

        return RunAsync(
            ledger =>
            {
                var reached = 0;
                ledger.AllOrNothing(inner =>
                {
                    reached = Publish(inner, topic, batch.Span);
                    return true;
                });
                return reached;
            },
            cancellationToken);
    }

    public async ValueTask<TransactionResult> CommitAsync(QueueTransaction transaction, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        foreach (var operation in transaction.Operations)
        {
            RequireValid(operation);
        }

        var lost = new List<LeaseToken>();
        var committed = await RunAsync(ledger => Apply(ledger, transaction, lost), cancellationToken).ConfigureAwait(false);
        if (committed)
        {
            foreach (var operation in transaction.Operations)
            {
                if (operation is QueueOperation.Settle settle)
                {
                    MarkSettled(settle.Queue, settle.Settlement.Token);
                }
            }
        }

        return new TransactionResult(committed, lost);
    }

    private static bool Apply(Ledger ledger, QueueTransaction transaction, List<LeaseToken> lost)
    {
        // Cleared because a transaction that failed beside others is applied once more, alone.
        lost.Clear();
        return ledger.AllOrNothing(inner =>
        {
            foreach (var operation in transaction.Operations)
            {
                switch (operation)
                {
                    case QueueOperation.Enqueue enqueue:
                        inner.Intake.Enqueue(inner.OpenOrCreate(enqueue.Queue), [enqueue.Envelope], []);
                        break;
                    case QueueOperation.Publish publish:
                        Publish(inner, publish.Topic, [publish.Envelope]);
                        break;
                    case QueueOperation.Settle settle:
                        if (inner.TryOpen(settle.Queue) is not { } row || inner.Settler.Settle(row, settle.Settlement) == SettleResult.LeaseLost)
                        {
                            lost.Add(settle.Settlement.Token);
                        }

                        break;
                }
            }

            return lost.Count == 0;
        });
    }

    private static int Publish(Ledger ledger, string topic, ReadOnlySpan<Envelope> batch)
    {
        var reached = 0;
        foreach (var id in ledger.Bindings.Match(topic))
        {
            if (ledger.Catalog.Find(id) is { } bound && ledger.TryOpen(bound.Name) is { } row)
            {
                ledger.Intake.Enqueue(row, batch, []);
                reached++;
            }
        }

        return reached;
    }

    private void RequireValid(QueueOperation operation)
    {
        switch (operation)
        {
            case QueueOperation.Enqueue enqueue:
                RequireBatch(enqueue.Queue, [enqueue.Envelope], 0);
                break;
            case QueueOperation.Publish publish:
                TopicPattern.RequireTopic(publish.Topic);
                EnvelopeRules.Require([publish.Envelope], Capabilities);
                break;
            case QueueOperation.Settle settle:
                ResourceName.RequireQueue(settle.Queue);
                break;
        }
    }
}
