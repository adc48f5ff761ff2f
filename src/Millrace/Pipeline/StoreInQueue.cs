using System.Buffers;
using Millrace.Storage;

namespace Millrace.Pipeline;

/// <summary>The end of a send: one enqueue for all of its messages.</summary>
internal sealed class StoreInQueue(IQueueStore store)
{
    public async Task InvokeAsync(SendContext context, CancellationToken cancellationToken)
    {
        var sent = context.ToStore();
        if (sent.Length == 0)
        {
            return;
        }

        // Given back only when the store has answered: one that failed may still read them.
        var envelopes = ArrayPool<Envelope>.Shared.Rent(sent.Length);
        var results = ArrayPool<EnqueueResult>.Shared.Rent(sent.Length);
        context.WriteEnvelopes(sent, envelopes);
        await store.EnqueueAsync(context.Destination, envelopes.AsMemory(0, sent.Length), results.AsMemory(0, sent.Length), cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < sent.Length; i++)
        {
            sent[i].Result = results[i];
        }

        envelopes.AsSpan(0, sent.Length).Clear();
        results.AsSpan(0, sent.Length).Clear();
        ArrayPool<Envelope>.Shared.Return(envelopes);
        ArrayPool<EnqueueResult>.Shared.Return(results);
    }
}
