using System.Runtime.CompilerServices;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary>Reads the counts of many queues, some calls at a time: one after the other, a thousand queues of a store far away would take a thousand round trips.</summary>
internal static class QueueReadings
{
    /// <summary>Enough to hide the way to a server, few enough not to crowd out its other clients.</summary>
    public const int Concurrency = 16;

    /// <summary>The counts of <paramref name="queues"/>, in their order, without those that somebody deletes meanwhile.</summary>
    /// <param name="admin">Who counts.</param>
    /// <param name="queues">The queues.</param>
    /// <param name="timeProvider">The clock.</param>
    /// <param name="damaged">Takes the faults of queues that cannot be read, which are left out.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public static async IAsyncEnumerable<QueueReading> ReadAsync(
        IQueueAdmin admin,
        IAsyncEnumerable<string> queues,
        TimeProvider timeProvider,
        ICollection<StorageCorruptException> damaged,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var running = new Queue<Task<QueueReading?>>(Concurrency);
        try
        {
            await foreach (var queue in queues.WithCancellation(cancellationToken))
            {
                if (running.Count == Concurrency && await TakeAsync(running, damaged) is { } reading)
                {
                    yield return reading;
                }

                running.Enqueue(ReadOneAsync(admin, queue, timeProvider, cancellationToken));
            }

            while (running.Count > 0)
            {
                if (await TakeAsync(running, damaged) is { } reading)
                {
                    yield return reading;
                }
            }
        }
        finally
        {
            // The backend is closed next: nothing may be under way then.
            await Task.WhenAll((IEnumerable<Task>)running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // Taken out only when it has ended, so that a failure leaves the others to be awaited.
    private static async Task<QueueReading?> TakeAsync(Queue<Task<QueueReading?>> running, ICollection<StorageCorruptException> damaged)
    {
        QueueReading? reading = null;
        try
        {
            reading = await running.Peek();
        }
        catch (StorageCorruptException fault)
        {
            // One queue's damage is no reason not to show the others.
            damaged.Add(fault);
        }

        _ = running.Dequeue();
        return reading;
    }

    private static async Task<QueueReading?> ReadOneAsync(IQueueAdmin admin, string queue, TimeProvider timeProvider, CancellationToken cancellationToken)
    {
        try
        {
            var stats = await admin.GetStatsAsync(queue, cancellationToken);
            return new QueueReading(queue, stats, timeProvider.GetTimestamp());
        }
        catch (QueueNotFoundException)
        {
            // Deleted by somebody else since it was listed.
            return null;
        }
    }
}

/// <summary>The counts of one queue.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="Stats">Its counts.</param>
/// <param name="Timestamp">When they came.</param>
internal sealed record QueueReading(string Queue, QueueStats Stats, long Timestamp);
