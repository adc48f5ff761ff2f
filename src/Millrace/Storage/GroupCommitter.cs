using System.Runtime.CompilerServices;

namespace Millrace.Storage;

/// <summary>
/// Lets callers share commits. Each hands in an operation; one committer takes what has gathered, applies it in one go, and completes the callers.
/// There is no artificial delay: a batch forms while the one before it is being written. Safe for concurrent use.
/// </summary>
/// <typeparam name="TOperation">The store's operations.</typeparam>
/// <remarks>
/// Operations are applied in the order in which they were accepted, but that <see cref="GroupCommitOperation.IsLight">light</see> ones may go before others.
/// Invariants, under the gate: <c>_isRunning</c> whenever <c>_accepted</c> or <c>_light</c> is not empty;
/// only one drain runs at a time; <c>_isStopping</c> never goes back.
/// </remarks>
public sealed class GroupCommitter<TOperation> : IThreadPoolWorkItem, IAsyncDisposable
    where TOperation : GroupCommitOperation
{
    private readonly Lock _gate = new();
    private readonly IGroupCommitTarget<TOperation> _target;
    private readonly GroupCommitterOptions _options;
    private readonly Queue<TOperation> _accepted = new();
    private readonly Queue<TOperation> _light = new();
    private readonly SemaphoreSlim _room;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ManualResetEventSlim? _wake;
    private readonly TOperation[] _batch;
    private readonly TOperation[] _lone = new TOperation[1];
    private bool _isCallerAlone = true;
    private bool _isLightTurn = true;
    private bool _isRunning;
    private bool _isStartRequested;
    private bool _isStopping;

    /// <summary>A committer into <paramref name="target"/>.</summary>
    /// <param name="target">Applies the batches.</param>
    /// <param name="options">Bounds; defaults if null.</param>
    public GroupCommitter(IGroupCommitTarget<TOperation> target, GroupCommitterOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(target);
        _target = target;
        _options = options ?? new GroupCommitterOptions();
        _options.Validate();
        _room = new SemaphoreSlim(_options.Capacity);
        _batch = new TOperation[_options.MaxBatch];
        if (_options.DedicatedThread)
        {
            _wake = new ManualResetEventSlim(false, spinCount: 0);
            new Thread(RunThread) { IsBackground = true, Name = _options.Name }.UnsafeStart();
        }
    }

    /// <summary>Hands in an operation, waiting for room if <see cref="GroupCommitterOptions.Capacity"/> operations wait already, and returns when it is committed.</summary>
    /// <param name="operation">The operation; the committer's until the returned task has completed.</param>
    /// <param name="cancellationToken">Honoured while waiting for room. An accepted operation is committed, and its true outcome returned.</param>
    /// <exception cref="ObjectDisposedException">The committer has been stopped; the operation was not accepted.</exception>
    public ValueTask CommitAsync(TOperation operation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(operation);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        return _room.Wait(0, CancellationToken.None) ? Accept(operation) : CommitWhenRoomAsync(operation, cancellationToken);
    }

    /// <summary>
    /// Stops: commits every accepted operation, fails those that wait for room with <see cref="ObjectDisposedException"/>, and accepts no more.
    /// Idempotent; every call returns when the last commit has ended.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        var first = false;
        lock (_gate)
        {
            first = !_isStopping;
            _isStopping = true;
            if (!_isRunning)
            {
                _drained.TrySetResult();
            }
        }

        if (first)
        {
            await _stopping.CancelAsync().ConfigureAwait(false);
            _wake?.Set();
        }

        await _drained.Task.ConfigureAwait(false);
    }

    /// <summary>The thread pool's way in; not for callers.</summary>
    void IThreadPoolWorkItem.Execute() => _ = DrainAsync();

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask CommitWhenRoomAsync(TOperation operation, CancellationToken cancellationToken)
    {
        using (var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token))
        {
            try
            {
                await _room.WaitAsync(either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw Stopped();
            }
            catch (OperationCanceledException)
            {
                throw new OperationCanceledException(cancellationToken);
            }
        }

        await Accept(operation).ConfigureAwait(false);
    }

    private ValueTask Accept(TOperation operation)
    {
        ValueTask task;
        bool start, isLone;
        lock (_gate)
        {
            if (_isStopping)
            {
                _room.Release();
                throw Stopped();
            }

            task = operation.Arm();
            start = !_isRunning;
            isLone = start && _isCallerAlone && _options.LoneCallersCommit;
            _isRunning = true;
            if (!isLone)
            {
                (operation.IsLight ? _light : _accepted).Enqueue(operation);
                _isStartRequested |= start;
            }
        }

        if (isLone)
        {
            // Faults end up in the operation. A target that awaits goes on by itself.
            _ = CommitLoneAsync(operation);
        }
        else if (start)
        {
            Start();
        }

        return task;
    }

    private void Start()
    {
        if (_wake is null)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
        else
        {
            _wake.Set();
        }
    }

    /// <summary>Commits one operation on its caller's thread, then leaves what has gathered to the committer.</summary>
    private async Task CommitLoneAsync(TOperation operation)
    {
        _room.Release();
        _lone[0] = operation;
        await CommitIsolatedAsync(_lone).ConfigureAwait(false);
        _lone[0] = null!;
        bool start;
        lock (_gate)
        {
            start = _accepted.Count + _light.Count > 0;
            _isCallerAlone = !start;
            _isStartRequested |= start;
            if (!start)
            {
                BecomeIdleLocked();
            }
        }

        if (start)
        {
            Start();
        }

        operation.Complete();
    }

    private void RunThread()
    {
        while (true)
        {
            _wake!.Wait();
            _wake.Reset();
            bool run, stop;
            lock (_gate)
            {
                run = _isStartRequested;
                _isStartRequested = false;
                stop = _isStopping && !_isRunning;
            }

            if (run)
            {
                // Stays on this thread as long as the target does not await.
                _ = DrainAsync();
            }
            else if (stop)
            {
                return;
            }
        }
    }

    /// <summary>Commits batches until nothing is left. Faults end up in the operations, so the returned task never fails.</summary>
    private async Task DrainAsync()
    {
        while (true)
        {
            var count = Take();
            if (count == 0)
            {
                return;
            }

            var batch = _batch.AsMemory(0, count);
            await CommitIsolatedAsync(batch).ConfigureAwait(false);
            Complete(batch.Span);
        }
    }

    private int Take()
    {
        var count = 0;
        lock (_gate)
        {
            // Turn and turn about, so that neither kind waits for ever.
            var queue = _accepted.Count == 0 || (_isLightTurn && _light.Count > 0) ? _light : _accepted;
            _isLightTurn = queue != _light;
            var weight = 0L;
            while (count < _batch.Length && queue.TryPeek(out var operation))
            {
                weight += operation.Weight;
                if (count > 0 && weight > _options.MaxBatchWeight)
                {
                    break;
                }

                _batch[count++] = queue.Dequeue();
            }

            if (count == 0)
            {
                BecomeIdleLocked();
            }
            else
            {
                _isCallerAlone = count == 1 && _accepted.Count + _light.Count == 0;
            }
        }

        if (count > 0)
        {
            _room.Release(count);
        }

        return count;
    }

    private void BecomeIdleLocked()
    {
        _isRunning = false;
        if (_isStopping)
        {
            _drained.TrySetResult();
            _wake?.Set();
        }
    }

    private async ValueTask CommitIsolatedAsync(ReadOnlyMemory<TOperation> batch)
    {
        try
        {
            await _target.CommitAsync(batch).ConfigureAwait(false);
        }
        catch (Exception failure) when (batch.Length > 1
            && failure is not BackendUnavailableException { MayHaveBeenApplied: true }
            && _target.IsWorthIsolating(failure))
        {
            for (var i = 0; i < batch.Length; i++)
            {
                batch.Span[i].Restart();
                await CommitAloneAsync(batch.Slice(i, 1)).ConfigureAwait(false);
            }
        }
        catch (Exception failure)
        {
            foreach (var operation in batch.Span)
            {
                operation.Fail(failure);
            }
        }
    }

    private async ValueTask CommitAloneAsync(ReadOnlyMemory<TOperation> single)
    {
        try
        {
            await _target.CommitAsync(single).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            single.Span[0].Fail(failure);
        }
    }

    private static void Complete(Span<TOperation> batch)
    {
        // The slot is cleared first: once completed, the object belongs to its caller again.
        for (var i = 0; i < batch.Length; i++)
        {
            var operation = batch[i];
            batch[i] = null!;
            operation.Complete();
        }
    }

    private ObjectDisposedException Stopped() =>
        new(_options.Name, $"The {_options.Name} has been stopped and accepted nothing more: the store was disposed.");
}
