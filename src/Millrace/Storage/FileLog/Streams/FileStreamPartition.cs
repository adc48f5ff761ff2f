using System.Runtime.CompilerServices;

namespace Millrace.Storage.FileLog.Streams;

/// <summary>One opening of a partition in files. After a fault of the disk the partition is opened again by whoever appends next, and all its openings go on.</summary>
internal sealed class FileStreamPartition(FileStreamStore store, StreamPartitionContext context, FileStreamLog opened) : IStreamPartition
{
    private readonly CancellationTokenSource _closing = new();
    private FileStreamLog _log = opened;
    private bool _isDisposed;

    private FileStreamLog Log
    {
        get
        {
            while (_log.Successor is { } successor)
            {
                _log = successor;
            }

            return _log;
        }
    }

    public ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<AppendResult>(cancellationToken);
        }

        try
        {
            var bytes = StreamRecordRules.Require(in request, store.Capabilities);
            var log = Log;
            return log.HasFailed ? AppendAnewAsync(log, request, bytes, cancellationToken) : log.AppendAsync(in request, bytes);
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
            var log = Log;
            return log.IsRetired ? AnswerAnewAsync(log, anew => anew.Read(offset, maxRecords, maxBytes), cancellationToken) : new ValueTask<StreamPage>(log.Read(offset, maxRecords, maxBytes));
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
        var log = Log;
        var wait = log.WaitForAsync(offset, cancellationToken, _closing.Token);
        return wait.IsCompletedSuccessfully ? wait : WaitAsync(log, wait, offset, cancellationToken);
    }

    public ValueTask<long> FindOffsetAsync(DateTimeOffset timestamp, CancellationToken cancellationToken = default) => Answer(log => log.Find(timestamp), cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        try
        {
            return Log.FlushAsync();
        }
        catch (MillraceException fault)
        {
            return ValueTask.FromException(fault);
        }
    }

    public async ValueTask TrimAsync(long beforeOffset, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);

        if (Log is { HasFailed: true } failed)
        {
            await store.ReopenAsync(context, failed, cancellationToken).ConfigureAwait(false);
        }

        // It waits for the disk; where records begin is not changed every moment.
        await Task.Run(() => Log.Trim(beforeOffset), cancellationToken).ConfigureAwait(false);
    }

    public ValueTask<StreamPartitionStats> GetStatsAsync(CancellationToken cancellationToken = default) =>
        Answer(static log => log.GetStats(), cancellationToken);

    // The source has no timer and no handle, so it is left to the garbage collector: a wait that begins meanwhile may still look at it.
    public async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        await _closing.CancelAsync().ConfigureAwait(false);
    }

    private ValueTask<TResult> Answer<TResult>(Func<FileStreamLog, TResult> answer, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<TResult>(cancellationToken);
        }

        try
        {
            var log = Log;
            return log.IsRetired ? AnswerAnewAsync(log, answer, cancellationToken) : new ValueTask<TResult>(answer(log));
        }
        catch (MillraceException fault)
        {
            return ValueTask.FromException<TResult>(fault);
        }
    }

    private async ValueTask<AppendResult> AppendAnewAsync(FileStreamLog failed, AppendRequest request, long bytes, CancellationToken cancellationToken)
    {
        if (failed.TakeUntoldFailure() is { } untold)
        {
            throw untold;
        }

        await store.ReopenAsync(context, failed, cancellationToken).ConfigureAwait(false);
        return await Log.AppendAsync(in request, bytes).ConfigureAwait(false);
    }

    private async ValueTask<TResult> AnswerAnewAsync<TResult>(FileStreamLog failed, Func<FileStreamLog, TResult> answer, CancellationToken cancellationToken)
    {
        await store.ReopenAsync(context, failed, cancellationToken).ConfigureAwait(false);
        return answer(Log);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask WaitAsync(FileStreamLog log, ValueTask wait, long offset, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await wait.ConfigureAwait(false);
                return;
            }
            catch (BackendUnavailableException) when (log.Successor is not null)
            {
                // Nothing was lost by it: the wait goes on where appends do.
                log = Log;
                wait = log.WaitForAsync(offset, cancellationToken, _closing.Token);
            }
        }
    }
}
