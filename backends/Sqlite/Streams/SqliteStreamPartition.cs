using Millrace.Sqlite.Engine;
using Millrace.Sqlite.Waiting;
using Millrace.Storage;

namespace Millrace.Sqlite.Streams;

/// <summary>One opening of a partition in the database file.</summary>
internal sealed class SqliteStreamPartition(SqliteStore store, StreamCapabilities capabilities, string stream, int number, PartitionFeed feed) : IStreamPartition
{
    // A trim frees the rest in steps, so that other callers have their turn.
    private const int FreedPerStep = 256;

    private readonly CancellationTokenSource _closing = new();
    private int _isDisposed;

    public async ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default)
    {
        Require();
        var bytes = StreamRecordRules.Require(in request, capabilities);
        cancellationToken.ThrowIfCancellationRequested();

        // On the caller's thread, so that the writer has nothing to do but to write.
        var rows = RecordCodec.Encode(request.Records.Span, store.Clock.Wall);
        var operation = new AppendOperation(store.Streams, feed.Id, request, rows, bytes);
        await store.Writer.CommitAsync(operation, cancellationToken).ConfigureAwait(false);
        var (result, end) = operation.Outcome ?? throw feed.Deleted();
        feed.Advance(end);
        return result;
    }

    public ValueTask<StreamPage> ReadAsync(long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRecords, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        Require();
        cancellationToken.ThrowIfCancellationRequested();
        var (partition, rows) = store.Reader.Read(tables => tables.Streams.Read(feed.Id, offset, maxRecords, maxBytes)) ?? throw feed.Deleted();
        if (offset < partition.Earliest)
        {
            throw new OffsetOutOfRangeException(stream, number, offset, partition.Earliest);
        }

        var records = new List<StreamRecord>();
        var bytesLeft = (long)maxBytes;
        foreach (var row in rows)
        {
            try
            {
                RecordCodec.Check(in row, store.Options.File);
            }
            catch (StorageCorruptException) when (records.Count > 0)
            {
                // What stands before the damage is given out; the next read meets it.
                break;
            }

            if (!RecordCodec.Decode(in row, offset, records, maxRecords, ref bytesLeft))
            {
                break;
            }
        }

        return new(new StreamPage(records.ToArray(), offset + records.Count, partition.Next));
    }

    public ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        Require();
        return feed.WaitAsync(offset, () => Get().Next, cancellationToken, _closing.Token);
    }

    public ValueTask<long> FindOffsetAsync(DateTimeOffset timestamp, CancellationToken cancellationToken = default)
    {
        Require();
        cancellationToken.ThrowIfCancellationRequested();
        var wall = StoreClock.ToWall(timestamp);
        return new(store.Reader.Read(tables => tables.Streams.Find(feed.Id, wall)) ?? throw feed.Deleted());
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        Require();
        cancellationToken.ThrowIfCancellationRequested();
        Get();

        // With full durability every commit has been flushed.
        return capabilities.Durability == StoreDurability.Full ? default : new ValueTask(Task.Run(store.FlushLog, cancellationToken));
    }

    public async ValueTask TrimAsync(long beforeOffset, CancellationToken cancellationToken = default)
    {
        Require();
        cancellationToken.ThrowIfCancellationRequested();
        var isDone = false;
        while (!isDone)
        {
            var outcome = await store.Writer.RunAsync(ledger => store.Streams.Trim(feed.Id, beforeOffset, ledger.Wall, FreedPerStep), cancellationToken).ConfigureAwait(false);
            (var before, isDone) = outcome ?? throw feed.Deleted();
            ArgumentOutOfRangeException.ThrowIfGreaterThan(beforeOffset, before.Next);

            // The start has moved: what is left is only room.
            cancellationToken = CancellationToken.None;
        }
    }

    public ValueTask<StreamPartitionStats> GetStatsAsync(CancellationToken cancellationToken = default)
    {
        Require();
        cancellationToken.ThrowIfCancellationRequested();
        var partition = Get();
        return new(new StreamPartitionStats(partition.Earliest, partition.Next, partition.Bytes));
    }

    // The source has no timer and no handle, so it is left to the garbage collector: a wait that begins meanwhile may still look at it.
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            store.Signals.Partitions.Release(feed);
            await _closing.CancelAsync().ConfigureAwait(false);
        }
    }

    private PartitionRow Get() => store.Reader.Read(tables => tables.Streams.Partitions.Get(feed.Id)) ?? throw feed.Deleted();

    private void Require()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed) != 0, this);
        store.RequireUsable();
    }
}
