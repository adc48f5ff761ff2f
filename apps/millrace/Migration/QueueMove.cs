using Millrace.Storage;

namespace Millrace.App.Migration;

/// <summary>Moves one queue: its settings and bindings, then its dead letters, then what is scheduled, then what is ready.</summary>
internal sealed class QueueMove(MigrationStores stores, MigrationReport report, string queue)
{
    // The most that the contract allows: leases that a kill ends count as attempts, and none of them may make a dead letter.
    private const int RaisedMaxDeliveries = 1_000_000;

    private readonly SourceQueue _source = new(stores.From, queue);
    private readonly TargetQueue _target = new(stores.To, queue);
    private readonly MoveCounts _counts = new();

    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        var wanted = await _source.Admin.GetSettingsAsync(queue, cancellationToken);
        var settings = wanted;
        if (!await _target.Admin.CreateQueueAsync(queue, wanted, cancellationToken))
        {
            settings = await _target.Admin.GetSettingsAsync(queue, cancellationToken);
            if (wanted.MaxDeliveries == RaisedMaxDeliveries)
            {
                // An earlier run has raised it, and was killed.
                wanted = wanted with { MaxDeliveries = settings.MaxDeliveries };
            }

            if (settings != wanted)
            {
                report.Warn($"queue '{queue}' exists in the target with other settings, which are kept.");
            }
        }

        await BindAsync(cancellationToken);
        if (await WouldDropAsync(settings, cancellationToken))
        {
            report.Warn($"queue '{queue}' stays, because the target's would drop messages to make room: raise its max-length or max-bytes, or set its overflow to refuse, and repeat.");
        }
        else
        {
            if (await new DeadLetterMove(_source, _target, _counts).RunAsync(cancellationToken) is { } reason)
            {
                report.Warn(reason);
            }

            await new ScheduledMove(_source, _target, stores.TimeProvider, _counts).RunAsync(cancellationToken);
            await MoveReadyAsync(wanted, cancellationToken);
        }

        await FinishAsync(cancellationToken);
    }

    private async ValueTask MoveReadyAsync(QueueSettings settings, CancellationToken cancellationToken)
    {
        await _source.Admin.UpdateSettingsAsync(queue, settings with { MaxDeliveries = RaisedMaxDeliveries }, cancellationToken);
        try
        {
            await new ReadyMove(_source, _target, stores.TimeProvider, _counts).RunAsync(cancellationToken);
        }
        finally
        {
            try
            {
                await _source.Admin.UpdateSettingsAsync(queue, settings, CancellationToken.None);
            }
            catch (QueueNotFoundException)
            {
                // It is one that is deleted when idle, and is empty now.
            }
        }
    }

    private async ValueTask BindAsync(CancellationToken cancellationToken)
    {
        if (stores.From.Find<IQueueRouting>() is not { } from || await from.ListBindingsAsync(queue, cancellationToken) is not { Count: > 0 } bindings)
        {
            return;
        }

        if (stores.To.Find<IQueueRouting>() is not { } to)
        {
            report.Warn($"the bindings of queue '{queue}' are not made, because the target has none: {string.Join(", ", bindings.Select(binding => $"'{binding.Pattern}'"))}.");
            return;
        }

        foreach (var binding in bindings)
        {
            await to.BindAsync(queue, binding.Pattern, cancellationToken);
        }
    }

    /// <summary>Whether a queue that drops its oldest messages would drop some of those that come.</summary>
    private async ValueTask<bool> WouldDropAsync(QueueSettings settings, CancellationToken cancellationToken)
    {
        if (settings.Overflow != QueueOverflow.DropOldest)
        {
            return false;
        }

        var here = await _source.GetStatsAsync(cancellationToken);
        var there = await _target.Admin.GetStatsAsync(queue, cancellationToken);
        var excess = Count(here) + Count(there) - settings.MaxLength;
        var excessBytes = here.Bytes + there.Bytes - (settings.MaxBytes ?? _target.Store.Capabilities.DefaultMaxBytes);

        // What a run that was cut short has stored, and not yet removed from the source, needs no more room.
        foreach (var state in (MessageState[])[MessageState.Ready, MessageState.Scheduled])
        {
            if (excess <= 0 && excessBytes <= 0)
            {
                break;
            }

            var query = new BrowseQuery { State = state, Limit = MessageCopy.BatchSize(here) };
            foreach (var browsed in (await _source.Admin.BrowseAsync(queue, query, cancellationToken)).Messages)
            {
                if (await _target.Admin.GetMessageAsync(queue, browsed.Message.Id, cancellationToken) is not null)
                {
                    (excess, excessBytes) = (excess - 1, excessBytes - browsed.Message.Body.Length);
                }
            }
        }

        return excess > 0 || excessBytes > 0;
    }

    private async ValueTask FinishAsync(CancellationToken cancellationToken)
    {
        var stats = await _source.GetStatsAsync(cancellationToken);
        _counts.Left = Count(stats) + stats.Dead;
        if (_counts.Conflicts.Count > 0)
        {
            report.Warn($"{_counts.Conflicts.Count:N0} messages of queue '{queue}' stay, because the target has other messages with their ids, such as '{_counts.Conflicts.First()}'.");
        }

        if (stats.Leased > 0)
        {
            report.Warn($"{stats.Leased:N0} messages of queue '{queue}' stay, because a receiver has them: stop it, or let its leases end, and repeat.");
        }

        report.Add("queue", queue, _counts);
    }

    private static long Count(QueueStats stats) => stats.Ready + stats.Scheduled + stats.Leased;
}
