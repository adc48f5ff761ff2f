using System.Diagnostics.CodeAnalysis;
using Millrace.Storage.Engine;

namespace Millrace.Storage.FileLog.Journal;

/// <summary>
/// Checkpoints of the engines, in a log of their own: each is the frames between one with <see cref="ChangeKind.CheckpointBegin"/> and one with <see cref="ChangeKind.CheckpointEnd"/>. The
/// last two are kept, so that a damaged one costs time and loses nothing. Not safe for concurrent use.
/// </summary>
internal sealed class CheckpointLog(FileLog log) : IAsyncDisposable
{
    private readonly List<Checkpoint> _found = [];

    /// <summary>The bytes that the last checkpoint took.</summary>
    public long LastBytes { get; private set; }

    /// <summary>Where the journal is read on from after the older of the checkpoints that are kept: nothing before it is needed, messages apart. 0 while there are not two.</summary>
    public long SafeJournalPosition => _found.Count < 2 ? 0 : _found[^2].JournalStart;

    /// <summary>Finds the last complete checkpoint that a journal can go on from.</summary>
    /// <param name="journalEnd">Where the journal ends.</param>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="isNewest">Whether there is no newer one that the journal cannot go on from.</param>
    public bool TryFind(long journalEnd, [NotNullWhen(true)] out Checkpoint? checkpoint, out bool isNewest)
    {
        using (var scan = log.Scan(log.StartPosition))
        {
            Collect(scan);
        }

        var usable = _found.FindLastIndex(found => found.JournalEnd <= journalEnd);
        isNewest = usable == _found.Count - 1;
        checkpoint = usable < 0 ? null : _found[usable];
        _found.RemoveRange(usable + 1, _found.Count - usable - 1);
        LastBytes = checkpoint is null ? 0 : checkpoint.End - checkpoint.Start;
        return checkpoint is not null;
    }

    /// <summary>Reads a checkpoint.</summary>
    /// <exception cref="StorageCorruptException">It is damaged after all.</exception>
    public void Load(Checkpoint checkpoint, EngineLoader loader)
    {
        using var scan = log.Scan(checkpoint.Start);
        while (scan.MoveNext() && scan.Position < checkpoint.End)
        {
            loader.Apply(scan.Position, scan.Payload);
        }

        if (scan.Damage is { } damage)
        {
            throw new StorageCorruptException($"The checkpoint in '{damage.File}' is damaged at byte {damage.Offset}: {damage.Reason}. Delete the folder 'checkpoints' to read the whole journal instead.");
        }
    }

    /// <summary>Writes a checkpoint, and makes it durable.</summary>
    /// <param name="journal">The journal, which must be as durable as the checkpoint says.</param>
    /// <param name="writeAll">Writes everything there is, section by section.</param>
    /// <exception cref="BackendUnavailableException">The disk is full or failed; the checkpoint does not count.</exception>
    public async ValueTask WriteAsync(FileLog journal, Action<Action<ChangeWriter>> writeAll)
    {
        var journalStart = journal.EndPosition;
        var changes = new ChangeWriter(serial: 0);
        var start = Append(changes.Kind(ChangeKind.CheckpointBegin).Number(journalStart));
        writeAll(section =>
        {
            if (!section.IsEmpty)
            {
                Append(section);
            }
        });

        // Where records stand must not be lost by a power cut once the checkpoint says that they are there.
        var journalEnd = journal.EndPosition;
        await journal.SyncAsync(journalEnd).ConfigureAwait(false);
        Append(changes.Kind(ChangeKind.CheckpointEnd).Number(journalEnd));
        var end = log.EndPosition;
        await log.SyncAsync(end).ConfigureAwait(false);
        LastBytes = end - start;
        _found.Add(new Checkpoint(start, end, journalStart, journalEnd));
        if (_found.Count > 2)
        {
            _found.RemoveRange(0, _found.Count - 2);
        }

        log.TrimBefore(_found[0].Start);
    }

    /// <summary>Closes the files without writing anything more, for tests.</summary>
    internal void Abandon() => log.Abandon();

    public ValueTask DisposeAsync() => log.DisposeAsync();

    private void Collect(LogScan scan)
    {
        var start = 0L;
        var journalStart = -1L;
        while (scan.MoveNext())
        {
            var reader = new ChangeReader(scan.Payload[(ChangeWriter.FrameHeaderBytes + ChangeWriter.SectionHeaderBytes)..]);
            switch ((ChangeKind)reader.Byte())
            {
                case ChangeKind.CheckpointBegin:
                    start = scan.Position;
                    journalStart = reader.Number();
                    break;
                case ChangeKind.CheckpointEnd when journalStart >= 0:
                    _found.Add(new Checkpoint(start, scan.Position + scan.Payload.Length, journalStart, reader.Number()));
                    journalStart = -1;
                    break;
            }
        }
    }

    /// <returns>Where the frame's payload begins.</returns>
    private long Append(ChangeWriter changes)
    {
        var frame = changes.Frame(DateTimeOffset.UnixEpoch);
        var position = log.Append(log.Reserve(frame.Length, essential: false), frame);
        changes.Clear();
        return position;
    }
}

/// <summary>A complete checkpoint.</summary>
/// <param name="Start">Where its first frame's payload begins in the log of checkpoints.</param>
/// <param name="End">Where its last frame ends.</param>
/// <param name="JournalStart">Where the journal is to be read on from.</param>
/// <param name="JournalEnd">Where the journal must end at least: records stand before it.</param>
internal sealed record Checkpoint(long Start, long End, long JournalStart, long JournalEnd);
