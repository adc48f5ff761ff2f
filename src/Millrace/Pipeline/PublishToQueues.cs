using Millrace.Storage;

namespace Millrace.Pipeline;

/// <summary>The end of a publish: one call that reaches every bound queue.</summary>
internal sealed class PublishToQueues(IQueueRouting routing)
{
    public async Task InvokeAsync(SendContext context, CancellationToken cancellationToken)
    {
        if (context.ToBatch(out var batch).Length > 0)
        {
            context.QueuesReached = await routing.PublishAsync(context.Destination, batch, cancellationToken).ConfigureAwait(false);
        }
    }
}
