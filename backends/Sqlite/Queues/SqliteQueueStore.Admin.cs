using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <content>Administration. Looks go to the reader; work on many messages goes in steps, so that it holds nobody up.</content>
internal sealed partial class SqliteQueueStore
{
    private const int Step = 1000;

    public ValueTask<bool> CreateQueueAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(settings);
        settings.Validate();
        return RunAsync(
            ledger =>
            {
                if (ledger.TryOpen(queue) is not null)
                {
                    return false;
                }

                ledger.Catalog.Create(queue, settings, ledger.Wall);
                return true;
            },
            cancellationToken);
    }

    public async ValueTask<bool> DeleteQueueAsync(string queue, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        var deleted = await RunAsync(
            ledger =>
            {
                if (ledger.TryOpen(queue) is not { } row)
                {
                    return false;
                }

                ledger.Delete(row);
                return true;
            },
            cancellationToken).ConfigureAwait(false);
        if (deleted)
        {
            // The deletion is done and durable; what remains is room to be freed, which the next opening would also do.
            await QueueRemoval.RemoveHiddenAsync(_store, CancellationToken.None).ConfigureAwait(false);
        }

        return deleted;
    }

    public ValueTask<QueueSettings> GetSettingsAsync(string queue, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        return LookAsync(queue, (_, row) => row.Settings, cancellationToken);
    }

    public async ValueTask UpdateSettingsAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(settings);
        settings.Validate();
        await RunAsync(
            ledger =>
            {
                var row = ledger.Open(queue);
                ledger.Catalog.UpdateSettings(row, settings);

                // Who waits for dead letters may have to look earlier.
                row.HasEarlierDeath = true;
                ledger.Catalog.Changed(row);
                return true;
            },
            cancellationToken).ConfigureAwait(false);
    }

    public ValueTask<IReadOnlyList<string>> ListQueuesAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        RequireLimit(limit);
        cancellationToken.ThrowIfCancellationRequested();
        return new(_store.Reader.Read(tables => tables.ListQueues(prefix, after ?? "", limit, row => IsIdle(tables, row))));
    }

    public ValueTask<QueueStats> GetStatsAsync(string queue, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        return LookAsync(
            queue,
            (tables, row) =>
            {
                var dead = row.IsDeadLetterQueue ? 0 : tables.DeadLetterQueueOf(row).Length;
                return new QueueStats
                {
                    Ready = row.Ready,
                    Scheduled = row.Scheduled,
                    Leased = row.Leased,
                    Dead = dead,
                    Bytes = row.Bytes,
                    OldestReadyAge = tables.OldestReady(row) is { } oldest ? TimeSpan.FromTicks(Math.Max(0, _store.Clock.Wall - oldest)) : null,
                    Enqueued = row.Enqueued,
                    Completed = row.Completed,
                    Duplicates = row.Duplicates,
                    Expired = row.Expired,
                    Dropped = row.Dropped,
                    DeadLettered = row.DeadLettered,
                    DedupEvictions = row.Evicted,
                };
            },
            cancellationToken);
    }

    public ValueTask<BrowsePage> BrowseAsync(string queue, BrowseQuery query, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        ArgumentNullException.ThrowIfNull(query);
        RequireLimit(query.Limit);
        return LookAsync(queue, (tables, row) => tables.Browse(row, query), cancellationToken);
    }

    public ValueTask<BrowsedMessage?> GetMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        return LookAsync(
            queue,
            (tables, row) =>
            {
                foreach (var number in tables.FindNumbers(row, id))
                {
                    if (tables.Find(row, number, id) is { } found)
                    {
                        return found;
                    }
                }

                return null;
            },
            cancellationToken);
    }

    public ValueTask<MessageChange> RemoveMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        return ChangeAsync(queue, id, static (ledger, row, message) => ledger.Moves.Discard(row, message, ledger.Wall), cancellationToken);
    }

    public ValueTask<MessageChange> RescheduleMessageAsync(string queue, MessageId id, TimeSpan delay, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(delay, Capabilities.MaxDelay);

        return ChangeAsync(
            queue,
            id,
            (ledger, row, message) =>
            {
                if (delay > TimeSpan.Zero)
                {
                    ledger.Moves.Schedule(row, message, Engine.StoreClock.After(ledger.Wall, delay));
                }
                else
                {
                    ledger.Places.LeaveLine(row, message);
                    ledger.Moves.BecomeReady(row, message);
                }
            },
            cancellationToken);
    }

    public async ValueTask<long> RedriveAsync(string queue, DeadLetterFilter filter, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(filter);
        _store.RequireUsable();
        var moved = 0L;
        var redrive = new RedriveStep(queue, filter);
        do
        {
            moved += await _store.Writer.RunAsync(ledger => redrive.Run(ledger, Step), cancellationToken).ConfigureAwait(false);
            redrive.Adopt();
        }
        while (!redrive.IsDone);

        return moved;
    }

    public async ValueTask<long> PurgeAsync(string queue, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        var removed = 0L;
        var rest = await RunAsync(ledger => ledger.Open(queue) is var row ? row.Ready + row.Scheduled : 0, cancellationToken).ConfigureAwait(false);

        // Counted at the start: what is sent meanwhile may be spared, and a busy sender does not keep the call going for ever.
        while (rest > 0)
        {
            var step = (int)Math.Min(rest, Step);
            var done = await RunAsync(ledger => Purge(ledger, queue, step), cancellationToken).ConfigureAwait(false);
            removed += done;
            rest = done == 0 ? 0 : rest - done;
        }

        return removed;
    }

    private static int Purge(Ledger ledger, string queue, int limit)
    {
        if (ledger.TryOpen(queue) is not { } row)
        {
            return 0;
        }

        var numbers = new List<long>();
        foreach (var number in new ReadyCursor(ledger.Places, row, long.MinValue, long.MaxValue).Numbers())
        {
            if (numbers.Count == limit)
            {
                break;
            }

            numbers.Add(number);
        }

        foreach (var (_, number) in ledger.Places.ListDue(row, long.MaxValue, limit - numbers.Count))
        {
            numbers.Add(number);
        }

        foreach (var number in numbers)
        {
            var message = ledger.Messages.Require(number);
            ledger.Places.Remove(row, message);
            ledger.Moves.Discard(row, message, ledger.Wall);
        }

        return numbers.Count;
    }

    private ValueTask<MessageChange> ChangeAsync(string queue, MessageId id, Action<Ledger, QueueRow, StoredMessage> change, CancellationToken cancellationToken) =>
        RunAsync(
            ledger =>
            {
                var row = ledger.Open(queue);
                foreach (var number in ReadTables.NumbersOf(ledger.Ids, ledger.Counters, row, id))
                {
                    if (ledger.Messages.Find(number) is { } message && message.Queue == row.Id && IdOf(ledger, message) == id)
                    {
                        ledger.Catalog.Changed(row);
                        if (!ledger.Places.Remove(row, message))
                        {
                            return MessageChange.Leased;
                        }

                        change(ledger, row, message);
                        return MessageChange.Done;
                    }
                }

                return MessageChange.NotFound;
            },
            cancellationToken);

    private static MessageId IdOf(Ledger ledger, StoredMessage message) =>
        message.SenderId.IsEmpty ? new MessageId(StoredId.Create(message.EnqueuedAt, message.Number, ledger.Counters.Salt)) : message.SenderId;

    /// <summary>Looks at a queue as it is now: if something was to happen by itself and has not been written yet, it is written first.</summary>
    private async ValueTask<T> LookAsync<T>(string queue, Func<ReadTables, QueueRow, T> look, CancellationToken cancellationToken)
    {
        _store.RequireUsable();
        cancellationToken.ThrowIfCancellationRequested();
        while (true)
        {
            var (isNow, result) = _store.Reader.Read(tables =>
                tables.FindQueue(queue) is not { } row || IsIdle(tables, row) ? throw new QueueNotFoundException(queue)
                : IsBehind(tables.SourceOf(row)) || IsBehind(tables.DeadLetterQueueOf(row)) ? (false, default!)
                : (true, look(tables, row)));
            if (isNow)
            {
                return result;
            }

            await _store.Writer.RunAsync(
                ledger => ledger.TryOpen(queue) is not null,
                cancellationToken,
                needsFlush: false).ConfigureAwait(false);
        }
    }

    private bool IsBehind(QueueRow row) =>
        row.NextDue <= _store.Clock.Wall || row.NextExpiry <= _store.Clock.Wall || row.NextLeaseEnd <= _store.Clock.Monotonic;

    private bool IsIdle(ReadTables tables, QueueRow row) =>
        row is { IsDeadLetterQueue: false, Length: 0, Settings.DeleteAfterIdle: { } idle }
        && Engine.StoreClock.After(row.UsedAt, idle) <= _store.Clock.Wall
        && !_store.HasReceivers(row.Name)
        && tables.DeadLetterQueueOf(row).Length == 0;

    private ValueTask<T> RunAsync<T>(Func<Ledger, T> work, CancellationToken cancellationToken)
    {
        _store.RequireUsable();
        return _store.Writer.RunAsync(work, cancellationToken);
    }

    private static void RequireLimit(int limit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, 1000);
    }
}
