using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>A transaction on a store that has none: sends with ids first, settlements after. Used once.</summary>
internal sealed class OrderedCommit(QueueDispatchers dispatchers, QueueTransaction transaction, TransactionClaims claims)
{
    /// <exception cref="BackendCapabilityException">The transaction publishes, and the store has no routing; nothing was changed.</exception>
    public async ValueTask<TransactionResult> RunAsync(CancellationToken cancellationToken)
    {
        Check();
        transaction.AssignIds(dispatchers.TimeProvider);
        foreach (var run in GatherRuns())
        {
            var batch = run.Envelopes.ToArray();
            if (run.IsPublish)
            {
                await dispatchers.Routing!.PublishAsync(run.Target, batch, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                await dispatchers.Store.EnqueueAsync(run.Target, batch, default, cancellationToken).ConfigureAwait(false);
            }

            // The store has accepted a part: from here on the rest follows.
            cancellationToken = CancellationToken.None;
        }

        var lost = new List<LeaseToken>();
        foreach (var queue in claims.Queues)
        {
            var results = new SettleResult[queue.Settlements.Count];
            await dispatchers.Store.SettleAsync(queue.Queue, queue.Settlements.ToArray(), results, cancellationToken).ConfigureAwait(false);
            cancellationToken = CancellationToken.None;
            queue.End();
            for (var i = 0; i < results.Length; i++)
            {
                if (results[i] == SettleResult.LeaseLost)
                {
                    lost.Add(queue.Settlements[i].Token);
                }
            }
        }

        return new TransactionResult(lost.Count == 0, lost);
    }

    /// <summary>Finds what the store would refuse in the middle, while nothing has been done yet.</summary>
    private void Check()
    {
        foreach (var operation in transaction.Operations)
        {
            switch (operation)
            {
                case QueueOperation.Enqueue enqueue:
                    ResourceName.Require(enqueue.Queue, "queue");
                    EnvelopeRules.Require([enqueue.Envelope], dispatchers.Store.Capabilities);
                    break;
                case QueueOperation.Publish publish:
                    _ = dispatchers.Routing ?? throw BackendShapes.Missing(dispatchers.Store.Capabilities.Backend, typeof(IQueueRouting));
                    TopicPattern.RequireTopic(publish.Topic);
                    EnvelopeRules.Require([publish.Envelope], dispatchers.Store.Capabilities);
                    break;
                case QueueOperation.Settle settle:
                    ResourceName.RequireQueue(settle.Queue);
                    break;
            }
        }
    }

    /// <summary>What is sent, in order; neighbours with one target share a call.</summary>
    private List<Run> GatherRuns()
    {
        var runs = new List<Run>();
        foreach (var operation in transaction.Operations)
        {
            var (target, isPublish, envelope) = operation switch
            {
                QueueOperation.Enqueue enqueue => (enqueue.Queue, false, enqueue.Envelope),
                QueueOperation.Publish publish => (publish.Topic, true, publish.Envelope),
                _ => (null, false, default),
            };
            if (target is null)
            {
                continue;
            }

            if (runs.Count == 0 || runs[^1].Target != target || runs[^1].IsPublish != isPublish)
            {
                runs.Add(new Run(target, isPublish, []));
            }

            runs[^1].Envelopes.Add(envelope);
        }

        return runs;
    }

    private readonly record struct Run(string Target, bool IsPublish, List<Envelope> Envelopes);
}
