namespace Millrace.Sqlite.Queues;

/// <summary>Removes what a deleted queue held, some messages at a time: hiding the queue was the deletion, this frees the room.</summary>
internal static class QueueRemoval
{
    private const int Step = 2000;

    // A queue that is to go within milliseconds must not keep the disk busy.
    private static readonly TimeSpan ShortestInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestInterval = TimeSpan.FromSeconds(5);

    /// <summary>How often a queue is looked at, and its time of use renewed while receivers are open on it: at least three times in the time that makes it idle.</summary>
    public static TimeSpan RefreshIntervalOf(TimeSpan idle) => idle / 3 is var third && third < LongestInterval ? third : LongestInterval;

    /// <summary>Deletes queues that have been idle for as long as their settings say, and renews the time of use of those with receivers.</summary>
    /// <returns>When to do so again.</returns>
    public static async ValueTask<TimeSpan> RemoveIdleAsync(SqliteStore store, CancellationToken cancellationToken)
    {
        var next = LongestInterval;
        foreach (var (name, idle) in store.Reader.Read(tables => tables.ListIdleCandidates()))
        {
            await store.Writer.RunAsync(ledger => ledger.DeleteIfIdle(name), cancellationToken, needsFlush: false).ConfigureAwait(false);
            next = RefreshIntervalOf(idle) is var interval && interval < next ? interval : next;
        }

        return next > ShortestInterval ? next : ShortestInterval;
    }

    /// <summary>Finishes every deletion.</summary>
    public static async ValueTask RemoveHiddenAsync(SqliteStore store, CancellationToken cancellationToken)
    {
        foreach (var id in store.Reader.Read(tables => tables.ListHidden()))
        {
            while (!await store.Writer.RunAsync(ledger => RemoveSome(ledger, id), cancellationToken, needsFlush: false).ConfigureAwait(false))
            {
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }

    /// <summary>Removes some of what a hidden queue holds.</summary>
    /// <returns>True when nothing is left.</returns>
    private static bool RemoveSome(Ledger ledger, long id)
    {
        if (ledger.Catalog.Find(id) is not { } queue || !Catalog.IsDeletedName(queue.Name))
        {
            return true;
        }

        var left = ledger.Hidden.RemoveMessages(queue, Step);
        left = left > 0 ? ledger.Hidden.RemoveIds(queue, left) : left;
        if (left > 0)
        {
            ledger.Catalog.Delete(queue);
        }

        return left > 0;
    }
}
