using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>What the lanes of one producer share.</summary>
internal sealed record ProducerEnvironment(
    StreamCatalog Catalog,
    string Stream,
    string? ProducerId,
    ProducerBounds Bounds,
    AppendRoom Room,
    ProducerHurry Hurry,
    MillraceTelemetry Telemetry,
    TimeProvider TimeProvider,
    ILogger Logger);

/// <summary>The bounds of a lane's writes, of a producer's options.</summary>
internal sealed record ProducerBounds(TimeSpan Linger, int BatchSize, long MaxBatchBytes, TimeSpan RetryFor);

/// <summary>Whether somebody flushes, so that nothing lingers.</summary>
internal sealed class ProducerHurry
{
    private int _flushes;

    public bool IsSet => Volatile.Read(ref _flushes) > 0;

    public void Begin() => Interlocked.Increment(ref _flushes);

    public void End() => Interlocked.Decrement(ref _flushes);
}

/// <summary>
/// A producer's way to one partition: one write at a time, so that order holds; what comes meanwhile shares the next one. Safe for concurrent use.
/// </summary>
internal sealed class ProducerLane(ProducerEnvironment environment, int partition, int partitions)
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly AsyncSignal _stirred = new();
    private readonly Queue<PendingAppend> _pending = new();
    private int _pendingRecords;
    private long _pendingBytes;
    private bool _isRunning;
    private long _sequence;
    private IStreamPartition? _opened;

    /// <summary>Whether records without a key should go on to the next partition: there is no batch here that they could join.</summary>
    public bool IsBatchOver
    {
        get
        {
            lock (_gate)
            {
                return _pendingRecords == 0 || _pendingRecords >= environment.Bounds.BatchSize;
            }
        }
    }

    private bool IsFullLocked => _pendingRecords >= environment.Bounds.BatchSize || _pendingBytes >= environment.Bounds.MaxBatchBytes;

    /// <summary>Takes an append that has been checked, and for which there is room. Starts nothing, so it may be called under a lock.</summary>
    /// <returns>Whether the lane was idle: then <see cref="Start"/> is to be called.</returns>
    public bool Enqueue(PendingAppend append)
    {
        bool start, isFull;
        lock (_gate)
        {
            _pending.Enqueue(append);
            _pendingRecords += append.Records.Length;
            _pendingBytes += append.Size;
            isFull = IsFullLocked;
            start = !_isRunning;
            _isRunning = true;
        }

        if (isFull && environment.Bounds.Linger > TimeSpan.Zero)
        {
            _stirred.Set();
        }

        return start;
    }

    /// <summary>Begins to write, on the caller's thread.</summary>
    public void Start() => _ = RunAsync();

    /// <summary>Has the lane look again whether it may linger.</summary>
    public void Stir() => _stirred.Set();

    /// <summary>Has the store make durable what it may still hold back.</summary>
    public ValueTask FlushStoreAsync(CancellationToken cancellationToken) => _opened?.FlushAsync(cancellationToken) ?? default;

    /// <summary>Writes batches until nothing waits. Faults end up in the appends, so the task never fails.</summary>
    private async Task RunAsync()
    {
        while (true)
        {
            await LingerAsync().ConfigureAwait(false);
            if (Take() is not { } batch)
            {
                return;
            }

            await WriteAsync(batch).ConfigureAwait(false);

            // The caller who came first wrote his own batch; those of others are not for his thread.
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        }
    }

    private async ValueTask LingerAsync()
    {
        var linger = environment.Bounds.Linger;
        if (linger == TimeSpan.Zero || !MayLinger())
        {
            return;
        }

        using var deadline = new WakingDeadline(environment.TimeProvider, environment.TimeProvider.GetTimestamp(), linger, _stirred);
        while (MayLinger() && deadline.Arm())
        {
            await _stirred.WaitAsync().ConfigureAwait(false);
        }
    }

    private bool MayLinger()
    {
        lock (_gate)
        {
            return _pending.Count > 0 && !environment.Hurry.IsSet && !IsFullLocked;
        }
    }

    private List<PendingAppend>? Take()
    {
        lock (_gate)
        {
            _isRunning = _pending.Count > 0;
            return _isRunning ? TakeBatchLocked() : null;
        }
    }

    private List<PendingAppend> TakeBatchLocked()
    {
        var batch = new List<PendingAppend>();
        var records = 0;
        var bytes = 0L;
        while (_pending.TryPeek(out var next)
            && (batch.Count == 0 || (records + next.Records.Length <= environment.Bounds.BatchSize && bytes + next.Size <= environment.Bounds.MaxBatchBytes)))
        {
            batch.Add(_pending.Dequeue());
            records += next.Records.Length;
            bytes += next.Size;
        }

        _pendingRecords -= records;
        _pendingBytes -= bytes;
        return batch;
    }

    private async ValueTask WriteAsync(List<PendingAppend> batch)
    {
        var records = batch.Count == 1 ? batch[0].Records : [.. batch.SelectMany(append => append.Records)];
        var request = new AppendRequest(records) { ProducerId = environment.ProducerId, FirstSequence = _sequence };
        _sequence += records.Length;
        var startedAt = environment.Telemetry.Now();
        AppendResult result = default;
        Exception? failure = null;
        try
        {
            result = await AppendAsync(request).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            failure = exception;
        }

        environment.Telemetry.StreamAppended(environment.Stream, records.Length, startedAt, failure);
        Complete(batch, result, failure);
    }

    private void Complete(List<PendingAppend> batch, AppendResult result, Exception? failure)
    {
        var first = result.FirstOffset;
        foreach (var append in batch)
        {
            append.Release();
            environment.Room.Leave(append.Size);
            if (failure is null)
            {
                append.TrySetResult(result with { FirstOffset = first });
                first += result.FirstOffset < 0 ? 0 : append.Records.Length;
            }
            else
            {
                append.TrySetException(failure);
            }
        }
    }

    private async ValueTask<AppendResult> AppendAsync(AppendRequest request)
    {
        var startedAt = environment.TimeProvider.GetTimestamp();
        var backoff = new Backoff(FirstRetry, LongestRetry);
        var failures = 0;
        while (true)
        {
            try
            {
                _opened ??= await OpenAsync(isFirst: failures == 0).ConfigureAwait(false);
                return await _opened.AppendAsync(request, CancellationToken.None).ConfigureAwait(false);
            }
            catch (MillraceException exception) when (IsRepeatable(exception) && environment.TimeProvider.GetElapsedTime(startedAt) < environment.Bounds.RetryFor)
            {
                // The stream may have been deleted and created again: then this partition is gone, and another one there.
                _opened = null;
                failures++;
                var delay = backoff.Next();
                environment.Logger.AppendRetries(exception, partition, environment.Stream, delay);
                await Task.Delay(delay, environment.TimeProvider).ConfigureAwait(false);
            }
        }
    }

    private async ValueTask<IStreamPartition> OpenAsync(bool isFirst)
    {
        // After a failure as it is now, not as it was a second ago.
        var stream = isFirst
            ? await environment.Catalog.RequireAsync(environment.Stream, CancellationToken.None).ConfigureAwait(false)
            : await environment.Catalog.GetAsync(environment.Stream, CancellationToken.None).ConfigureAwait(false) ?? throw new StreamNotFoundException(environment.Stream);
        if (stream.Settings.Partitions != partitions)
        {
            throw new StreamMismatchException(
                $"Stream '{environment.Stream}' was deleted and created again with {stream.Settings.Partitions:N0} partitions; this producer knows {partitions:N0}, and its keys belong elsewhere now. "
                + "Make a new producer.");
        }

        return await environment.Catalog.OpenPartitionAsync(environment.Stream, partition, CancellationToken.None).ConfigureAwait(false);
    }

    private bool IsRepeatable(MillraceException exception) =>
        exception.IsTransient && (IsIdempotent || exception is not BackendUnavailableException { MayHaveBeenApplied: true });

    private bool IsIdempotent => environment.ProducerId is not null;
}
