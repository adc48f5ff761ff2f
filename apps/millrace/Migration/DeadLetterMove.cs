using Millrace.Storage;

namespace Millrace.App.Migration;

/// <summary>
/// Moves the dead letters of a queue. Only dead-lettering fills a dead-letter queue, so they are stored in the target's queue itself, leased there, and dead-lettered with their
/// reason and last error. Nothing else may wait in that queue meanwhile.
/// </summary>
internal sealed class DeadLetterMove(SourceQueue source, TargetQueue target, MoveCounts counts)
{
    private static readonly ReceiverOptions Leasing = new() { LeaseDuration = TimeSpan.FromMinutes(1) };

    // Leases of a receiver that was killed end by themselves, in most stores at once.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(70);

    /// <summary>Moves them, unless messages wait in the target that are none of them.</summary>
    /// <returns>Why they were left; null when they were not.</returns>
    public async ValueTask<string?> RunAsync(CancellationToken cancellationToken)
    {
        if ((await source.GetStatsAsync(cancellationToken)).Dead == 0)
        {
            return null;
        }

        var waiting = await target.Admin.GetStatsAsync(target.Name, cancellationToken);
        if (waiting.Ready + waiting.Leased > 0 && !await HasOwnOnlyAsync(cancellationToken))
        {
            return $"the dead letters of queue '{source.Name}' stay, because messages wait in the target's queue, which only has dead letters while none do. "
                + "Have those handled first, and repeat, or redrive the dead letters in the source.";
        }

        foreach (var state in (MessageState[])[MessageState.Ready, MessageState.Scheduled])
        {
            await source.MoveBrowsedAsync(source.DeadName, state, page => MovePageAsync(page, cancellationToken), cancellationToken);
        }

        return null;
    }

    // A run that was cut short may have left dead letters in the target's queue that are not dead there yet.
    private async ValueTask<bool> HasOwnOnlyAsync(CancellationToken cancellationToken)
    {
        foreach (var state in (MessageState[])[MessageState.Ready, MessageState.Leased])
        {
            string? continuation = null;
            do
            {
                var page = await target.Admin.BrowseAsync(target.Name, new BrowseQuery { State = state, Continuation = continuation }, cancellationToken);
                foreach (var waiting in page.Messages)
                {
                    var dead = await source.Admin.GetMessageAsync(source.DeadName, waiting.Message.Id, cancellationToken);
                    if (dead is null || !MessageCopy.IsSame(dead.Message, waiting.Message))
                    {
                        return false;
                    }
                }

                continuation = page.Next;
            }
            while (continuation is not null);
        }

        return true;
    }

    private async ValueTask<int> MovePageAsync(IReadOnlyList<BrowsedMessage> page, CancellationToken cancellationToken)
    {
        var verdicts = new Dictionary<Message, MoveVerdict>();
        var missing = new List<Message>();
        foreach (var message in page.Select(browsed => browsed.Message))
        {
            // Asked for first: the window of ids may have forgotten what a run long ago has moved.
            if (await target.Admin.GetMessageAsync(target.DeadName, message.Id, cancellationToken) is { } dead)
            {
                verdicts[message] = MessageCopy.IsSameDead(dead.Message, message) ? MoveVerdict.Present : MoveVerdict.Conflict;
                if (verdicts[message] == MoveVerdict.Conflict && await ReviveAsync(dead.Message, message, cancellationToken))
                {
                    missing.Add(message);
                }
            }
            else if (missing.Exists(other => other.Id == message.Id))
            {
                verdicts[message] = MoveVerdict.Conflict;
            }
            else
            {
                missing.Add(message);
            }
        }

        foreach (var part in await CutAsync(missing, cancellationToken))
        {
            await DeadLetterAsync(await StoreAsync(part, verdicts, cancellationToken), cancellationToken);
        }

        var taken = verdicts.Where(verdict => verdict.Value != MoveVerdict.Conflict).Select(verdict => verdict.Key).ToList();
        var removed = await source.RemoveAsync(source.DeadName, taken, cancellationToken);
        foreach (var (index, message) in taken.Index())
        {
            if (removed[index])
            {
                counts.Add(verdicts[message]);
            }
        }

        counts.Conflicts.UnionWith(verdicts.Where(verdict => verdict.Value == MoveVerdict.Conflict).Select(verdict => verdict.Key.Id));
        return removed.Count(wasRemoved => wasRemoved);
    }

    // A run that was killed between lease and settlement has used up the only attempt that the target's queue allows.
    private async ValueTask<bool> ReviveAsync(Message dead, Message message, CancellationToken cancellationToken) =>
        dead.DeadLetter?.Reason == DeadLetterInfo.MaxDeliveriesReason
        && MessageCopy.IsSame(dead, message)
        && await target.Admin.RedriveAsync(target.Name, new DeadLetterFilter { Id = message.Id }, cancellationToken) > 0;

    // More than the queue may hold can be dead: so many at a time as fit into it while they are alive.
    private async ValueTask<IReadOnlyList<List<Message>>> CutAsync(List<Message> messages, CancellationToken cancellationToken)
    {
        var settings = await target.Admin.GetSettingsAsync(target.Name, cancellationToken);
        var stats = await target.Admin.GetStatsAsync(target.Name, cancellationToken);
        var (mostMessages, mostBytes) = (settings.MaxLength - stats.Scheduled, (settings.MaxBytes ?? long.MaxValue) - stats.Bytes);
        var parts = new List<List<Message>>();
        var bytes = 0L;
        foreach (var message in messages)
        {
            if (parts.Count == 0 || parts[^1].Count >= mostMessages || bytes + message.Body.Length > mostBytes)
            {
                parts.Add([]);
                bytes = 0;
            }

            parts[^1].Add(message);
            bytes += message.Body.Length;
        }

        return parts;
    }

    /// <summary>Stores messages in the target's queue.</summary>
    /// <returns>Those that must be dead-lettered there now.</returns>
    private async ValueTask<Dictionary<MessageId, Message>> StoreAsync(
        List<Message> messages, Dictionary<Message, MoveVerdict> verdicts, CancellationToken cancellationToken)
    {
        var results = await target.StoreAsync([.. messages.Select(MessageCopy.OfDead)], cancellationToken);
        var pending = new Dictionary<MessageId, Message>();
        foreach (var (index, message) in messages.Index())
        {
            var found = results[index].Outcome == EnqueueOutcome.Stored ? null : await target.Admin.GetMessageAsync(target.Name, message.Id, cancellationToken);
            verdicts[message] = results[index].Outcome == EnqueueOutcome.Stored ? MoveVerdict.Stored
                : found is null ? MoveVerdict.Present
                : MessageCopy.IsSame(found.Message, message) ? MoveVerdict.Stored
                : MoveVerdict.Conflict;
            if (verdicts[message] == MoveVerdict.Stored)
            {
                pending.Add(message.Id, message);
            }
        }

        return pending;
    }

    private async ValueTask DeadLetterAsync(Dictionary<MessageId, Message> pending, CancellationToken cancellationToken)
    {
        if (pending.Count == 0)
        {
            return;
        }

        // What was scheduled in the target and becomes due just now is leased too, and goes back when the receiver is disposed.
        await using var receiver = await target.Store.OpenReceiverAsync(target.Name, Leasing, cancellationToken);
        var deliveries = new Delivery[pending.Count];
        while (pending.Count > 0)
        {
            var leased = await receiver.LeaseAsync(deliveries, Patience, cancellationToken);
            if (leased == 0)
            {
                throw new MigrationException(
                    $"{pending.Count:N0} dead letters of queue '{source.Name}' are in the target's queue and cannot be leased there to be dead-lettered: somebody else uses it. Stop them, and repeat the command.");
            }

            var settlements = new List<Settlement>();
            foreach (var delivery in deliveries.AsSpan(0, leased))
            {
                if (pending.Remove(delivery.Message.Id, out var message))
                {
                    settlements.Add(Settlement.DeadLetter(delivery.Token, message.DeadLetter!.Reason, message.DeadLetter.LastError));
                }
            }

            var results = new SettleResult[settlements.Count];
            await target.Store.SettleAsync(target.Name, settlements.ToArray(), results, CancellationToken.None);
            if (results.Contains(SettleResult.LeaseLost))
            {
                throw new MigrationException($"Leases on the target's queue '{target.Name}' were lost before its dead letters were dead: repeat the command.");
            }
        }
    }
}
