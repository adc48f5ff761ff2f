namespace Millrace.Storage.FileLog.Streams;

/// <summary>One opening of a partition in files.</summary>
internal sealed class FileStreamPartition(FileStreamLog log, StreamCapabilities capabilities) : IStreamPartition
{
    private readonly CancellationTokenSource _closing = new();
    private bool _isDisposed;

    public ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<AppendResult>(cancellationToken);
        }

        try
        {
            return log.AppendAsync(in request, StreamRecordRules.Require(in request, capabilities));
        }
        catch (MillraceException fault)
        {
            return ValueTask.FromException<AppendResult>(fault);
        }
    }

    public ValueTask<StreamPage> ReadAsync(long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRecords, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<StreamPage>(cancellationToken);
        }

        try
        {
            return new ValueTask<StreamPage>(log.Read(offset, maxRecords, maxBytes));
        }
        catch (MillraceException fault)
        {
            return ValueTask.FromException<StreamPage>(fault);
        }
    }

    public ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return log.WaitForAsync(offset, cancellationToken, _closing.Token);
    }

    public ValueTask<long> FindOffsetAsync(DateTimeOffset timestamp, CancellationToken cancellationToken = default) => Answer(() => log.Find(timestamp), cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        try
        {
            return log.FlushAsync();
        }
        catch (MillraceException fault)
        {
            return ValueTask.FromException(fault);
        }
    }

    public async ValueTask TrimAsync(long beforeOffset, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);

        // It waits for the disk; where records begin is not changed every moment.
        await Task.Run(() => log.Trim(beforeOffset), cancellationToken).ConfigureAwait(false);
    }

    public ValueTask<StreamPartitionStats> GetStatsAsync(CancellationToken cancellationToken = default) => Answer(log.GetStats, cancellationToken);

    // The source has no timer and no handle, so it is left to the garbage collector: a wait that begins meanwhile may still look at it.
    public async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        await _closing.CancelAsync().ConfigureAwait(false);
    }

    private ValueTask<TResult> Answer<TResult>(Func<TResult> answer, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<TResult>(cancellationToken);
        }

        try
        {
            return new ValueTask<TResult>(answer());
        }
        catch (MillraceException fault)
        {
            return ValueTask.FromException<TResult>(fault);
        }
    }
}
