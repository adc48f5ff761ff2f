namespace Millrace.Storage;

/// <summary>One opening of a <see cref="StreamPartitionBase"/>: closing it ends its own waits and nobody else's.</summary>
internal sealed class StreamPartitionOpening(StreamPartitionBase partition) : IStreamPartition
{
    private readonly CancellationTokenSource _closing = new();
    private bool _isDisposed;

    private StreamPartitionBase Partition
    {
        get
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(IStreamPartition));
            return partition;
        }
    }

    public ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default) => Partition.AppendAsync(request, cancellationToken);

    public ValueTask<StreamPage> ReadAsync(long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken = default) =>
        Partition.ReadAsync(offset, maxRecords, maxBytes, cancellationToken);

    public ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default) => Partition.WaitForAsync(offset, cancellationToken, _closing.Token);

    public ValueTask<long> FindOffsetAsync(DateTimeOffset timestamp, CancellationToken cancellationToken = default) => Partition.FindOffsetAsync(timestamp, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken = default) => Partition.FlushAsync(cancellationToken);

    public ValueTask TrimAsync(long beforeOffset, CancellationToken cancellationToken = default) => Partition.TrimAsync(beforeOffset, cancellationToken);

    public ValueTask<StreamPartitionStats> GetStatsAsync(CancellationToken cancellationToken = default) => Partition.GetStatsAsync(cancellationToken);

    // The source has no timer and no handle, so it is left to the garbage collector: a wait that begins meanwhile may still look at it.
    public async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        await _closing.CancelAsync().ConfigureAwait(false);
    }
}
