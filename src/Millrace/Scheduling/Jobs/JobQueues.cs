using System.Collections.Concurrent;
using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>Creates the queues of jobs with settings that suit them, before a first message would create them with others. Safe for concurrent use.</summary>
internal sealed class JobQueues(IQueueAdmin? admin)
{
    /// <summary>
    /// Retries are counted by the policy of each job, so the queue's own bound lies above all of them. Ids are remembered longer than usual: with them a continuation is found that was
    /// enqueued before a crash.
    /// </summary>
    public static readonly QueueSettings Settings = new() { MaxDeliveries = JobRetry.MostAttempts + 100, DedupWindow = TimeSpan.FromHours(1) };

    private readonly ConcurrentDictionary<string, bool> _known = new(StringComparer.Ordinal);

    /// <summary>Has the queue created if it does not exist. Asks the store once for each queue.</summary>
    public ValueTask EnsureAsync(string queue, CancellationToken cancellationToken) =>
        admin is null || _known.ContainsKey(queue) ? default : CreateAsync(admin, queue, cancellationToken);

    private async ValueTask CreateAsync(IQueueAdmin store, string queue, CancellationToken cancellationToken)
    {
        ResourceName.Require(queue, "queue");
        try
        {
            await store.CreateQueueAsync(queue, Settings, cancellationToken).ConfigureAwait(false);
        }
        catch (AccessDeniedException)
        {
            // Whoever may only send does not create queues; the workers, or an administrator, do.
        }

        _known[queue] = true;
    }
}
