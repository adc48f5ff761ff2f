using Millrace.Storage;

namespace Millrace.Pipeline;

/// <summary>The end of a publish: one call that reaches every bound queue.</summary>
internal sealed class PublishToQueues(IQueueRouting routing)
{
    public async Task InvokeAsync(SendContext context, CancellationToken cancellationToken)
    {
        var sent = context.ToStore();
        if (sent.Length > 0)
        {
            var batch = new Envelope[sent.Length];
            context.WriteEnvelopes(sent, batch);
            context.QueuesReached = await routing.PublishAsync(context.Destination, batch, cancellationToken).ConfigureAwait(false);
        }
    }
}
