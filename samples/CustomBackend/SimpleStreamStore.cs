using Millrace.Storage;

namespace CustomBackend;

/// <summary>Streams in memory.</summary>
public sealed class SimpleStreamStore(TimeProvider time)
    : StreamStoreBase(new StreamCapabilities { Backend = "simple", Durability = StoreDurability.None }, time)
{
    protected override StreamPartitionBase CreatePartition(StreamPartitionContext context) => new SimplePartition(context, this);
}

internal sealed class SimplePartition(StreamPartitionContext context, SimpleStreamStore store) : StreamPartitionBase(context, store)
{
    private readonly List<StreamRecord> _records = [];
    private long _start;

    protected override ValueTask StoreAsync(StreamBatch batch)
    {
        _records.AddRange(batch.Records.Span);
        return default;
    }

    protected override ValueTask<IReadOnlyList<StreamRecord>> LoadAsync(long offset, int maxRecords, int maxBytes) =>
        new(_records.GetRange((int)(offset - _start), maxRecords));

    protected override ValueTask RemoveBeforeAsync(long offset)
    {
        _records.RemoveRange(0, (int)(offset - _start));
        _start = offset;
        return default;
    }
}
