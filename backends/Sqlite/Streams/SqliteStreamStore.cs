using Millrace.Sqlite.Queues;
using Millrace.Storage;

namespace Millrace.Sqlite.Streams;

/// <summary>Streams in the database file (laws S1–S5, S8, S9).</summary>
internal sealed class SqliteStreamStore(SqliteStore store) : IStreamStore
{
    private const int RemovedPerStep = 256;

    public StreamCapabilities Capabilities { get; } = new() { Backend = "sqlite", Durability = store.Options.Durability, SharedAcrossProcesses = true };

    public async ValueTask<IStreamPartition> OpenPartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Validate();
        store.RequireUsable();
        cancellationToken.ThrowIfCancellationRequested();
        if (context.Path is not null)
        {
            throw new MillraceConfigurationException(
                $"Stream '{context.Stream}' names the path '{context.Path}', but the backend 'sqlite' keeps everything in its database file: leave the path out.");
        }

        var partition = store.Reader.Read(tables => tables.Streams.Partitions.Find(context.Stream, context.Partition));
        if (partition is null || partition.Retention != context.Retention)
        {
            partition = await store.Writer.RunAsync(ledger => OpenOrCreate(ledger, context), cancellationToken).ConfigureAwait(false);
        }

        RequireCount(context, partition.Partitions);
        return new SqliteStreamPartition(store, Capabilities, context.Stream, context.Partition, store.Signals.Partitions.Open(partition.Id, context.Stream, context.Partition));
    }

    public async ValueTask<bool> DeletePartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        ResourceName.Require(context.Stream, "stream");
        store.RequireUsable();
        cancellationToken.ThrowIfCancellationRequested();
        var deleted = await store.Writer.RunAsync(
            _ =>
            {
                var partition = store.Streams.Partitions.Find(context.Stream, context.Partition);
                if (partition is not null)
                {
                    store.Streams.Partitions.Hide(partition.Id);
                }

                return partition?.Id;
            },
            cancellationToken).ConfigureAwait(false);
        if (deleted is not { } id)
        {
            return false;
        }

        store.Signals.Partitions.FailDeleted(id);
        await RemoveAsync(id, CancellationToken.None).ConfigureAwait(false);
        return true;
    }

    /// <summary>Does what is due without being asked: removes what retention no longer keeps, and finishes deletions and trims that a crash cut short.</summary>
    public static async ValueTask KeepUpAsync(SqliteStore store, CancellationToken cancellationToken)
    {
        while (store.Reader.Read(tables => tables.Streams.Partitions.FirstHidden()) is { } hidden)
        {
            await new SqliteStreamStore(store).RemoveAsync(hidden, cancellationToken).ConfigureAwait(false);
        }

        for (var id = store.Reader.Read(tables => tables.Streams.Partitions.After(0)); id is { } one; id = store.Reader.Read(tables => tables.Streams.Partitions.After(one)))
        {
            while (!await FreeAsync(store, one, cancellationToken).ConfigureAwait(false))
            {
                // There is more.
            }
        }
    }

    /// <summary>The file is closed with the backend.</summary>
    public ValueTask DisposeAsync() => default;

    private static ValueTask<bool> FreeAsync(SqliteStore store, long id, CancellationToken cancellationToken) =>
        store.Writer.RunAsync(ledger => store.Streams.Trim(id, 0, ledger.Wall, RemovedPerStep)?.IsDone ?? true, cancellationToken, needsFlush: false);

    private async ValueTask RemoveAsync(long id, CancellationToken cancellationToken)
    {
        while (!await store.Writer.RunAsync(_ => store.Streams.Remove(id, RemovedPerStep), cancellationToken, needsFlush: false).ConfigureAwait(false))
        {
            // There is more.
        }
    }

    private PartitionRow OpenOrCreate(Ledger ledger, StreamPartitionContext context)
    {
        var partitions = store.Streams.Partitions;
        if (partitions.CountOf(context.Stream) is { } count)
        {
            RequireCount(context, count);
        }

        if (partitions.Find(context.Stream, context.Partition) is not { } partition)
        {
            partitions.Add(ledger.Counters.NextSequence(), context);
        }
        else if (partition.Retention != context.Retention)
        {
            partitions.SetRetention(partition.Id, context.Retention);
        }

        return partitions.Find(context.Stream, context.Partition)!;
    }

    private static void RequireCount(StreamPartitionContext context, int count)
    {
        if (count != context.PartitionCount)
        {
            throw new StreamMismatchException(
                $"Stream '{context.Stream}' has {count} partitions and was opened with {context.PartitionCount}. Open it with {count}.");
        }
    }
}
