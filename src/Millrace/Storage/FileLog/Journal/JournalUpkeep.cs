using System.Buffers.Binary;
using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage.Engine;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog.Journal;

/// <summary>
/// Keeps a journal short, in the background: takes checkpoints, so that a start reads little; moves what is still needed out of the oldest files when most of the journal is not; and deletes
/// files of which nothing is needed.
/// </summary>
/// <remarks>
/// A checkpoint is taken when the journal has grown by four times what the last one took, so that they cost a quarter of the journal itself; so much of it a start has to read. Records are moved only while more than half of the
/// journal is not needed: so a record is written again at most once for each byte that is freed by it, and a backlog that stands still is never rewritten.
/// </remarks>
internal sealed class JournalUpkeep : IAsyncDisposable
{
    private const int CheckpointFactor = 4;

    // On a full disk, what could be freed by a checkpoint is looked for when the journal has grown by so much.
    private const long FullCheckpointBytes = 64 * 1024;

    private readonly EngineJournal _journal;
    private readonly CheckpointLog _checkpoints;
    private readonly QueueEngine _queues;
    private readonly Action<Action<ChangeWriter>> _writeAll;
    private readonly long _checkpointBytes;
    private readonly ILogger _log;
    private readonly BackgroundLoop _loop;
    private long _checkpointedTo;
    private long _triedAt;
    private volatile bool _stopping;

    /// <param name="journal">The journal.</param>
    /// <param name="checkpoints">Where checkpoints go.</param>
    /// <param name="queues">The queues, whose records are in the journal.</param>
    /// <param name="writeAll">Writes everything that the engines hold.</param>
    /// <param name="checkpointBytes">The journal grows at least by so much between checkpoints.</param>
    /// <param name="checkpointedTo">Where the journal ended for the last checkpoint.</param>
    /// <param name="log">Where faults are reported.</param>
    public JournalUpkeep(
        EngineJournal journal, CheckpointLog checkpoints, QueueEngine queues, Action<Action<ChangeWriter>> writeAll, long checkpointBytes, long checkpointedTo, ILogger log)
    {
        (_journal, _checkpoints, _queues, _writeAll, _checkpointBytes, _checkpointedTo, _log) =
            (journal, checkpoints, queues, writeAll, checkpointBytes, checkpointedTo, log);
        _triedAt = checkpointedTo;
        _loop = new BackgroundLoop("file journal upkeep", RunAsync, new BackgroundLoopOptions { Logger = log });
    }

    /// <summary>Why tidying has failed last; null while it works. Nothing is lost by it, but the journal grows.</summary>
    public string? Fault { get; private set; }

    public void Start()
    {
        Arm();
        _loop.Start();
    }

    /// <summary>Stops, and takes a last checkpoint unless nothing has changed since the one before.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        if (_journal.Log.EndPosition > _checkpointedTo && !_journal.Log.HasFailed)
        {
            await TryAsync(CheckpointAsync).ConfigureAwait(false);
        }
    }

    /// <summary>Stops, and leaves the journal as it is.</summary>
    public async ValueTask StopAsync()
    {
        _stopping = true;
        _journal.Wake.Set();
        await _loop.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Takes a checkpoint now.</summary>
    public async ValueTask CheckpointAsync()
    {
        var end = _journal.Log.EndPosition;
        await _checkpoints.WriteAsync(_journal.Log, _writeAll).ConfigureAwait(false);
        _checkpointedTo = end;
    }

    private async Task RunAsync(LoopTokens tokens)
    {
        // What follows blocks on files: not on the thread that started the store.
        await Task.Yield();
        while (!_stopping)
        {
            await _journal.Wake.WaitAsync().ConfigureAwait(false);
            if (_journal.Log.HasFailed)
            {
                _queues.FailWaits();
                return;
            }

            if (!_stopping)
            {
                await TryAsync(TidyAsync).ConfigureAwait(false);
                Arm();
            }
        }
    }

    private void Arm() => _journal.WakeAt(Volatile.Read(ref _triedAt) + Math.Max(_checkpointBytes, CheckpointFactor * _checkpoints.LastBytes));

    private async ValueTask TidyAsync()
    {
        _journal.Log.RequirePlace();

        // First what costs nothing: the disk may be full.
        Trim();
        var end = _journal.Log.EndPosition;
        if (_journal.TakeFull() && end - _triedAt < Math.Min(_checkpointBytes, FullCheckpointBytes))
        {
            return;
        }

        _triedAt = end;
        try
        {
            await CheckpointAsync().ConfigureAwait(false);
        }
        catch (BackendUnavailableException fault) when (IsDiskFull(fault) && _checkpoints.TryGiveUpOlder())
        {
            Trim();
            await CheckpointAsync().ConfigureAwait(false);
        }

        var moved = false;
        while (!_stopping && IsMostlyGarbage() && FirstLiveSegment() is { } segment && segment.EndPosition <= _checkpoints.SafeJournalPosition)
        {
            MoveRecords(segment);
            moved = true;
        }

        if (moved)
        {
            await _journal.Log.SyncAsync(_journal.Log.EndPosition).ConfigureAwait(false);
        }

        Trim();
    }

    /// <summary>Deletes the segments that nobody needs.</summary>
    private void Trim()
    {
        var needed = FirstLiveSegment()?.StartPosition ?? _journal.Log.EndPosition;
        _journal.Log.TrimBefore(Math.Min(needed, _checkpoints.SafeJournalPosition));
    }

    private static bool IsDiskFull(BackendUnavailableException fault) => fault.InnerException is { } inner && FileFaults.IsDiskFull(inner);

    private bool IsMostlyGarbage()
    {
        var live = 0L;
        foreach (var segment in _journal.Log.Segments)
        {
            live += segment.LiveBytes;
        }

        var total = _journal.Log.EndPosition - _journal.Log.StartPosition;
        return total > (2 * live) + (2 * _checkpointBytes);
    }

    private LogSegment? FirstLiveSegment()
    {
        foreach (var segment in _journal.Log.Segments)
        {
            if (segment.LiveBytes > 0)
            {
                return segment;
            }
        }

        return null;
    }

    /// <summary>Writes the records of a segment that are still needed at the end of the journal.</summary>
    private void MoveRecords(LogSegment segment)
    {
        using var scan = _journal.Log.Scan(segment.StartPosition);
        while (segment.LiveBytes > 0 && scan.MoveNext() && scan.Position < segment.EndPosition)
        {
            MoveRecords(scan.Position, scan.Payload);
        }

        if (scan.Damage is { } damage)
        {
            // Frames behind it cannot be told apart; but the queues know where their messages stand.
            _log.JournalDamaged(damage.File, damage.Offset, damage.Reason);
            _queues.MoveAll(segment.StartPosition, segment.EndPosition);
        }
    }

    private void MoveRecords(long position, ReadOnlySpan<byte> frame)
    {
        var offset = ChangeWriter.FrameHeaderBytes;
        while (offset < frame.Length)
        {
            var serial = BinaryPrimitives.ReadUInt32LittleEndian(frame[offset..]);
            var length = BinaryPrimitives.ReadInt32LittleEndian(frame[(offset + 4)..]);
            offset += ChangeWriter.SectionHeaderBytes;
            if (serial != 0 && _queues.CoreOf(serial) is { } core)
            {
                foreach (var (slot, start, bytes) in EngineLoader.RecordsIn(frame.Slice(offset, length)))
                {
                    core.Move(slot, position + offset + start, frame.Slice(offset + start, bytes));
                }
            }

            offset += length;
        }
    }

    private async ValueTask TryAsync(Func<ValueTask> step)
    {
        try
        {
            await step().ConfigureAwait(false);
            Fault = null;
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException || FileFaults.IsFileFault(fault))
        {
            Fault = fault.Message;
            // The journal is only longer than it need be; the next time tries again.
            _log.JournalUpkeepFailed(fault);
        }
    }
}
