using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>A partition that a consumer reads. Everything is guarded by the consumer's gate, which is not held over calls into the store.</summary>
/// <remarks>Invariant: <c>Handled</c> ≤ <c>Delivered</c> ≤ <c>Fetched</c>. What lies between the last two stands in the consumer's buffer.</remarks>
internal sealed class ConsumedPartition(int number, IStreamPartition log, long start, GroupClaim? claim, Lock gate)
{
    private Action? _cancelWait;
    private long _waitedFor = -1;
    private int _wait;

    public int Number { get; } = number;

    public IStreamPartition Log { get; } = log;

    /// <summary>Under what the group's member reads it; null without a group.</summary>
    public GroupClaim? Claim { get; } = claim;

    /// <summary>The next record to fetch.</summary>
    public long Fetched { get; private set; } = start;

    /// <summary>The next record that the caller receives (law S7).</summary>
    public long Delivered { get; private set; } = start;

    /// <summary>The next record that the caller has not handled, as far as is known.</summary>
    public long Handled { get; private set; } = start;

    /// <summary>The next record by the group's document; -1 when a seek makes any offset worth a commit.</summary>
    public long Committed { get; set; } = start;

    /// <summary>Rises when what is in the buffer is no longer wanted.</summary>
    public int Generation { get; private set; }

    public bool IsPaused { get; private set; }

    /// <summary>Whether another member shall have it: nothing more of it is handed out.</summary>
    public bool IsRevoking { get; private set; }

    /// <summary>Whether it is no longer this consumer's.</summary>
    public bool IsGone { get; private set; }

    /// <summary>Whether there may be something to fetch.</summary>
    public bool IsReady { get; private set; } = true;

    public bool IsReadable => !IsPaused && !IsRevoking && !IsGone;

    /// <returns>Whether <see cref="Wait"/> is to be called, outside the gate.</returns>
    public bool NoteFetched(long next, bool hasMore)
    {
        Fetched = next;
        IsReady = hasMore;
        return !hasMore && _waitedFor != next;
    }

    /// <summary>Has the partition become ready, and wakes the reader, when there is more.</summary>
    public void Wait(AsyncSignal wake)
    {
        long offset;
        int wait;
        var stop = new CancellationTokenSource();
        lock (gate)
        {
            StopWaitLocked();
            offset = _waitedFor = Fetched;
            wait = ++_wait;
            _cancelWait = () => _ = stop.CancelAsync();
        }

        _ = WaitAsync(offset, wait, wake, stop.Token);
    }

    public void NoteDelivered(long offset) => Delivered = offset + 1;

    public void NoteHandled() => Handled = Delivered;

    /// <summary>What comes next has been trimmed: the caller receives nothing of what lay in between.</summary>
    public void Skip(long offset)
    {
        Delivered = offset;
        Rewind();
    }

    public void Seek(long offset)
    {
        Delivered = Handled = offset;
        Committed = -1;
        Rewind();
    }

    public void Pause(bool isPaused)
    {
        IsPaused = isPaused;
        Rewind();
    }

    public void Revoke(bool isRevoking)
    {
        if (IsRevoking != isRevoking)
        {
            IsRevoking = isRevoking;
            Rewind();
        }
    }

    public void Leave()
    {
        IsGone = true;
        Rewind();
    }

    /// <summary>What was fetched and not delivered is fetched again, if it is wanted again.</summary>
    private void Rewind()
    {
        Generation++;
        Fetched = Delivered;
        IsReady = true;
        StopWaitLocked();
    }

    private void StopWaitLocked()
    {
        _cancelWait?.Invoke();
        _cancelWait = null;
        _waitedFor = -1;
        _wait++;
    }

    private async Task WaitAsync(long offset, int wait, AsyncSignal wake, CancellationToken cancellationToken)
    {
        try
        {
            await Log.WaitForAsync(offset, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // Over as well: the read that follows meets the same fault, and tells it.
        }

        lock (gate)
        {
            if (wait != _wait)
            {
                return;
            }

            IsReady = true;
            _waitedFor = -1;
            _cancelWait = null;
        }

        wake.Set();
    }
}
