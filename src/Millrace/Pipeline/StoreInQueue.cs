using Millrace.Storage;

namespace Millrace.Pipeline;

/// <summary>The end of a send: one enqueue for all of its messages.</summary>
internal sealed class StoreInQueue(IQueueStore store)
{
    public async Task InvokeAsync(SendContext context, CancellationToken cancellationToken)
    {
        var sent = context.ToBatch(out var batch);
        if (sent.Length == 0)
        {
            return;
        }

        var results = new EnqueueResult[batch.Length];
        await store.EnqueueAsync(context.Destination, batch, results, cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < sent.Length; i++)
        {
            sent[i].Result = results[i];
        }
    }
}
