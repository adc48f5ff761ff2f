using Millrace.Diagnostics;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog;

/// <content>Flushes that callers share, and what happens when one fails.</content>
internal sealed partial class FileLog
{
    private readonly Lock _flushGate = new();
    private readonly FlushWaiterPool _waiterPool = new();
    private readonly Action _runFlush;
    private readonly ITimer? _timer;
    private readonly TimeSpan _interval;
    private List<FlushWaiter> _waiters = [];
    private bool _isFlushWanted;
    private bool _isWriteWanted;
    private bool _isFlushing;
    private bool _isTimerArmed;
    private long _durable;

    /// <summary>
    /// Returns when everything before a position is as durable as the option says: <c>Full</c>: flushed, together with what all others wait for; <c>Process</c>: written; <c>None</c>: at once.
    /// </summary>
    /// <exception cref="BackendUnavailableException">The write or the flush failed; whether it survives is unknown.</exception>
    public ValueTask FlushAsync(long position)
    {
        if (IsDurable(position))
        {
            return default;
        }

        if (_options.Durability == StoreDurability.Full)
        {
            return SyncAsync(position);
        }

        try
        {
            WriteThrough(position);
            return default;
        }
        catch (BackendUnavailableException fault)
        {
            return ValueTask.FromException(fault);
        }
    }

    /// <summary>Whether everything before a position is as durable as the option says.</summary>
    public bool IsDurable(long position) => _options.Durability switch
    {
        StoreDurability.Full => Volatile.Read(ref _durable) >= position,
        StoreDurability.Process => Volatile.Read(ref _written) >= position,
        _ => true,
    };

    /// <summary>Returns when everything before a position has been flushed, whatever the option says.</summary>
    public ValueTask SyncAsync(long position) => Volatile.Read(ref _durable) >= position ? default : WaitForSyncAsync();

    private ValueTask WaitForSyncAsync()
    {
        FlushWaiter waiter;
        bool start;
        lock (_flushGate)
        {
            if (Volatile.Read(ref _failure) is { } failure)
            {
                return ValueTask.FromException(Repeat(failure));
            }

            waiter = _waiterPool.Rent();
            _waiters.Add(waiter);
            start = !_isFlushing;
            _isFlushing = true;
        }

        var task = waiter.Task;
        if (start)
        {
            _threads.Enqueue(_runFlush);
        }

        return task;
    }

    private void OnInterval() => Request(flush: _options.FlushInterval is not null);

    private void RequestFlush() => Request(flush: true);

    private void Request(bool flush)
    {
        bool start;
        lock (_flushGate)
        {
            _isFlushWanted |= flush;
            _isWriteWanted = true;
            start = !_isFlushing;
            _isFlushing = true;
        }

        if (start)
        {
            _threads.Enqueue(_runFlush);
        }
    }

    /// <summary>Flushes for as long as anybody wants it; one at a time.</summary>
    private void RunFlush()
    {
        while (true)
        {
            List<FlushWaiter> waiters;
            bool flush;
            lock (_flushGate)
            {
                if (_waiters.Count == 0 && !_isWriteWanted)
                {
                    _isFlushing = false;
                    return;
                }

                waiters = _waiters;
                flush = _isFlushWanted || waiters.Count > 0;
                _waiters = new List<FlushWaiter>(waiters.Count);
                _isFlushWanted = false;
                _isWriteWanted = false;
            }

            var failure = TryFlush(flush);
            if (waiters.Count > 0)
            {
                new FlushCompletion(waiters, failure).Start();
            }
        }
    }

    private BackendUnavailableException? TryFlush(bool flush)
    {
        try
        {
            long target;
            lock (_gate)
            {
                // Before the end is read: what is appended after that arms the timer again.
                _isTimerArmed = false;
                target = _end;
            }

            if (flush)
            {
                Sync(target);
            }
            else
            {
                WriteUpTo(target);
            }

            return null;
        }
        catch (BackendUnavailableException failure)
        {
            return failure;
        }
    }

    private void Sync(long target)
    {
        LogSegment[] dirty;
        bool isFolderChanged;
        lock (_ioGate)
        {
            WriteUpToLocked(target);
            ThrowIfFailed();
            dirty = [.. _unflushed];
            _unflushed.Clear();
            isFolderChanged = _isFolderChanged;
            _isFolderChanged = false;
            foreach (var segment in dirty)
            {
                segment.IsDirty = false;
            }
        }

        try
        {
            foreach (var segment in dirty)
            {
                Flush(segment);
            }

            if (isFolderChanged)
            {
                _files.FlushFolder(_folder);
            }

            if (dirty.Length > 0 && Volatile.Read(ref _segments)[^1] is { IsInPlace: true } last)
            {
                RequirePresent(last);
            }
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            throw Fail("A flush failed", fault);
        }

        Volatile.Write(ref _durable, target);
    }

    private static void Flush(LogSegment segment)
    {
        // One that was trimmed meanwhile needs no flush.
        if (segment.TryAcquire())
        {
            try
            {
                segment.File.Flush();
            }
            finally
            {
                segment.Release();
            }
        }
    }

    /// <summary>Ends the log for all but readers.</summary>
    /// <returns>What to throw.</returns>
    private BackendUnavailableException Fail(string what, Exception fault) =>
        Fail(FileFaults.Describe(what, fault, mayHaveBeenApplied: true), fault, isGivenUp: false);

    private BackendUnavailableException Fail(BackendUnavailableException failure, Exception fault, bool isGivenUp)
    {
        lock (_gate)
        {
            if (_failure is { } first)
            {
                return Repeat(first);
            }

            _failure = failure;
            _isDisplaced = isGivenUp || fault is FileDisplacedException;
        }

        _log.FileLogFailed(fault, Path.GetFileName(_folder));
        FailWaiters(failure);
        if (!isGivenUp)
        {
            TakeBack();
        }

        _options.Failed?.Invoke();
        return failure;
    }

    private void FailWaiters(Exception failure)
    {
        List<FlushWaiter> waiters;
        lock (_flushGate)
        {
            waiters = _waiters;
            _waiters = [];
        }

        if (waiters.Count > 0)
        {
            new FlushCompletion(waiters, failure).Start();
        }
    }

    /// <summary>
    /// Cuts off what was not acknowledged, so that an append that failed is not found when the log is opened again (S9). On a disk that has just failed this may fail too; then it may be found, which
    /// is why its caller was told that it may have been applied.
    /// </summary>
    private void TakeBack()
    {
        var kept = _options.Durability == StoreDurability.Full ? Volatile.Read(ref _durable) : Volatile.Read(ref _written);
        try
        {
            foreach (var segment in Volatile.Read(ref _segments).Reverse())
            {
                if (segment.EndPosition > kept && segment.IsInPlace && segment.TryAcquire())
                {
                    try
                    {
                        TakeBack(segment, kept);
                    }
                    finally
                    {
                        segment.Release();
                    }
                }
            }
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            _log.NotTakenBack(fault, Path.GetFileName(_folder));
        }
    }

    private void TakeBack(LogSegment segment, long kept)
    {
        if (segment.StartPosition >= kept && !IsDisplaced(segment))
        {
            _files.Delete(segment.Path);
        }
        else
        {
            // Where the file is elsewhere by now, it may be put back.
            segment.File.SetLength(Math.Max(0, kept - segment.StartPosition));
            segment.File.Flush();
        }
    }

    private void ThrowIfFailed()
    {
        if (Volatile.Read(ref _failure) is { } failure)
        {
            throw Repeat(failure);
        }
    }

    private void LogCloseFailed(Exception fault) => _log.FileLogCloseFailed(fault, Path.GetFileName(_folder));

    private static BackendUnavailableException Repeat(BackendUnavailableException failure) => new(
        $"The log has failed and takes nothing more until the store is opened again. {failure.Message}", mayHaveBeenApplied: false, failure);
}
