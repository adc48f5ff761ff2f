namespace Millrace.Sqlite.Queues;

/// <summary>Removes what a deleted queue held, some messages at a time: hiding the queue was the deletion, this frees the room.</summary>
internal static class QueueRemoval
{
    private const int Step = 2000;

    /// <summary>Deletes queues that have been idle for as long as their settings say.</summary>
    public static async ValueTask RemoveIdleAsync(SqliteStore store, CancellationToken cancellationToken)
    {
        foreach (var name in store.Reader.Read(tables => tables.ListIdleCandidates()))
        {
            await store.Writer.RunAsync(ledger => ledger.DeleteIfIdle(name), cancellationToken).ConfigureAwait(false);
        }
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
