using Millrace.Storage;

namespace Millrace.App.Migration;

/// <summary>
/// Moves the messages of a queue that wait to be handled, in the order in which they would be handled: they are leased, stored in the target, and then completed in the source.
/// </summary>
internal sealed class ReadyMove(SourceQueue source, TargetQueue target, TimeProvider timeProvider, MoveCounts counts)
{
    private static readonly ReceiverOptions Leasing = new() { LeaseDuration = TimeSpan.FromMinutes(1) };

    // Leases of a receiver that was killed end by themselves, in most stores at once.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        var stats = await source.GetStatsAsync(cancellationToken);
        if (stats.Ready + stats.Leased == 0)
        {
            return;
        }

        var deliveries = new Delivery[MessageCopy.BatchSize(stats)];

        // Messages that cannot move stay leased until the end, so that they do not come again; then they go back to their places.
        await using var receiver = await source.Store.OpenReceiverAsync(source.Name, Leasing, cancellationToken);
        var (held, hasWaited) = (0L, false);
        while (true)
        {
            if (held > 0)
            {
                await receiver.RenewAsync(cancellationToken);
            }

            var leased = await receiver.LeaseAsync(deliveries, TimeSpan.Zero, cancellationToken);
            if (leased == 0 && !hasWaited && (await source.GetStatsAsync(cancellationToken)).Leased > held)
            {
                hasWaited = true;
                leased = await receiver.LeaseAsync(deliveries, Patience, cancellationToken);
            }

            if (leased == 0)
            {
                return;
            }

            held += await MoveAsync(deliveries[..leased], cancellationToken);
        }
    }

    /// <summary>Moves one batch.</summary>
    /// <returns>How many of it stay leased.</returns>
    private async ValueTask<int> MoveAsync(Delivery[] batch, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var messages = Array.ConvertAll(batch, delivery => delivery.Message);
        var verdicts = await target.EnqueueAsync(messages, Array.ConvertAll(messages, message => MessageCopy.Of(message, now)), cancellationToken);
        var taken = batch.Index().Where(delivery => verdicts[delivery.Index] != MoveVerdict.Conflict).ToList();
        foreach (var (_, conflict) in messages.Index().Where(message => verdicts[message.Index] == MoveVerdict.Conflict))
        {
            counts.Conflicts.Add(conflict.Id);
        }

        // The target has them: from here on they are completed, whoever wants to stop.
        var results = new SettleResult[taken.Count];
        await source.Store.SettleAsync(
            source.Name, taken.Select(delivery => Settlement.Complete(delivery.Item.Token)).ToArray(), results, CancellationToken.None);
        foreach (var (index, delivery) in taken.Index())
        {
            // A message whose lease was lost comes again, and is found in the target then.
            if (results[index] == SettleResult.Settled)
            {
                counts.Add(verdicts[delivery.Index]);
            }
        }

        return batch.Length - taken.Count;
    }
}
