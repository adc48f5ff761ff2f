namespace Millrace.Storage.InMemory;

/// <summary>One opening of a partition in memory.</summary>
internal sealed class InMemoryStreamPartition(InMemoryStreamLog log, StreamCapabilities capabilities) : IStreamPartition
{
    private readonly CancellationTokenSource _closing = new();
    private bool _isDisposed;

    public ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default) =>
        Answer((log, capabilities, request), static call => call.log.Append(in call.request, StreamRecordRules.Require(in call.request, call.capabilities)), cancellationToken);

    public ValueTask<StreamPage> ReadAsync(long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRecords, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        return Answer((log, offset, maxRecords, maxBytes), static call => call.log.Read(call.offset, call.maxRecords, call.maxBytes), cancellationToken);
    }

    public ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return log.WaitForAsync(offset, cancellationToken, _closing.Token);
    }

    public ValueTask<long> FindOffsetAsync(DateTimeOffset timestamp, CancellationToken cancellationToken = default) =>
        Answer((log, timestamp), static call => call.log.Find(call.timestamp), cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        var flushed = Answer(log, static log => log.GetStats(), cancellationToken);
        return flushed.IsCompletedSuccessfully ? default : new ValueTask(flushed.AsTask());
    }

    public ValueTask TrimAsync(long beforeOffset, CancellationToken cancellationToken = default)
    {
        var trimmed = Answer((log, beforeOffset), static call => call.log.Trim(call.beforeOffset), cancellationToken);
        return trimmed.IsCompletedSuccessfully ? default : new ValueTask(trimmed.AsTask());
    }

    public ValueTask<StreamPartitionStats> GetStatsAsync(CancellationToken cancellationToken = default) =>
        Answer(log, static log => log.GetStats(), cancellationToken);

    // The source has no timer and no handle, so it is left to the garbage collector: a wait that begins meanwhile may still look at it.
    public async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        await _closing.CancelAsync().ConfigureAwait(false);
    }

    private ValueTask<TResult> Answer<TCall, TResult>(TCall call, Func<TCall, TResult> answer, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<TResult>(cancellationToken);
        }

        try
        {
            return new ValueTask<TResult>(answer(call));
        }
        catch (MillraceException exception)
        {
            return ValueTask.FromException<TResult>(exception);
        }
    }
}
