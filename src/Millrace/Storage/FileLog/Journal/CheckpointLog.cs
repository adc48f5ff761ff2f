using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;
using Millrace.Storage.Engine;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog.Journal;

/// <summary>
/// Checkpoints of the engines, each in a folder of its own with a number for a name: the frames between one with <see cref="ChangeKind.CheckpointBegin"/> and one with
/// <see cref="ChangeKind.CheckpointEnd"/>. The last two are kept, so that a damaged one costs time and loses nothing. Not safe for concurrent use.
/// </summary>
internal sealed class CheckpointLog(IFileSystem files, string folder, FileLogOptions options, TimeProvider time, ILogger logger)
{
    private const int Kept = 2;

    private readonly List<Checkpoint> _kept = [];
    private long _lastNumber;
    private bool _hasGivenUp;

    /// <summary>The bytes that the last checkpoint took.</summary>
    public long LastBytes { get; private set; }

    /// <summary>Where the journal is read on from after the oldest of the checkpoints that are kept: nothing before it is needed, messages apart. 0 while there are too few to trust in.</summary>
    public long SafeJournalPosition => _kept.Count == Kept || (_hasGivenUp && _kept.Count > 0) ? _kept[0].JournalStart : 0;

    /// <summary>Finds the whole checkpoints, and removes what is none.</summary>
    /// <returns>Up to where the journal was flushed when the newest was complete; 0 when there is none.</returns>
    public long Find()
    {
        files.CreateFolder(folder);
        foreach (var name in files.ListFolders(folder).Order(StringComparer.Ordinal))
        {
            if (!long.TryParse(name, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number))
            {
                continue;
            }

            _lastNumber = Math.Max(_lastNumber, number);
            if (Read(number) is not { } found)
            {
                logger.CheckpointUnusable(name, "it is not whole");
                files.DeleteFolder(FolderOf(number));
            }
            else
            {
                _kept.Add(found);
            }
        }

        return _kept.Count == 0 ? 0 : _kept[^1].JournalEnd;
    }

    /// <summary>
    /// Refuses a journal that ends before a checkpoint says that it was flushed. Where its end was not damaged, which recovery puts aside, files of it are gone, and what they held with them.
    /// </summary>
    /// <exception cref="StorageCorruptException">The journal is shorter than it was.</exception>
    public void RequireWhole(long journalEnd)
    {
        if (_kept.Count > 0 && _kept[^1] is var newest && newest.JournalEnd > journalEnd)
        {
            var ahead = string.Join(" and ", _kept.Where(one => one.JournalEnd > journalEnd).Select(one => $"'{NameOf(one.Number)}'"));
            throw new StorageCorruptException(
                $"The journal ends at position {journalEnd}, and the checkpoint '{NameOf(newest.Number)}' was taken when {newest.JournalEnd} had been stored: files of the folder 'journal' are missing or cut "
                + $"short. Restore the whole folder from a backup; or, to go on without what they held, move what is named {ahead} out of the folder '{Path.GetFileName(folder)}'. Nothing was changed.");
        }
    }

    /// <summary>The newest checkpoint that the journal can go on from; those that it cannot are removed.</summary>
    /// <param name="journalEnd">Where the journal ends.</param>
    /// <param name="checkpoint">The checkpoint.</param>
    public bool TryTake(long journalEnd, [NotNullWhen(true)] out Checkpoint? checkpoint)
    {
        while (_kept.Count > 0 && _kept[^1].JournalEnd > journalEnd)
        {
            // It must not be found again when the journal has grown beyond it.
            logger.CheckpointUnusable(NameOf(_kept[^1].Number), "it says more than the journal has");
            files.DeleteFolder(FolderOf(_kept[^1].Number));
            _kept.RemoveAt(_kept.Count - 1);
        }

        RemoveOld();
        checkpoint = _kept.Count == 0 ? null : _kept[^1];
        LastBytes = checkpoint?.Bytes ?? 0;
        return checkpoint is not null;
    }

    /// <summary>Reads a checkpoint that was found whole.</summary>
    /// <exception cref="StorageCorruptException">It is damaged after all.</exception>
    public void Load(Checkpoint checkpoint, EngineLoader loader)
    {
        var log = Open(checkpoint.Number);
        try
        {
            using var scan = log.Scan(log.StartPosition);
            while (scan.MoveNext())
            {
                loader.Apply(scan.Position, scan.Payload);
            }

            if (scan.Damage is { } damage)
            {
                throw new StorageCorruptException(
                    $"The checkpoint '{NameOf(checkpoint.Number)}' is damaged at byte {damage.Offset} of '{damage.File}': {damage.Reason}. Delete its folder to begin with the one before.");
            }
        }
        finally
        {
            log.Abandon();
        }
    }

    /// <summary>Writes a checkpoint, and makes it durable.</summary>
    /// <param name="journal">The journal, which must be as durable as the checkpoint says.</param>
    /// <param name="writeAll">Writes everything there is, section by section.</param>
    /// <exception cref="BackendUnavailableException">The disk is full or failed; the checkpoint does not count.</exception>
    public async ValueTask WriteAsync(FileLog journal, Action<Action<ChangeWriter>> writeAll)
    {
        var number = ++_lastNumber;
        try
        {
            Remove(number);
            var written = await WriteAsync(number, journal, writeAll).ConfigureAwait(false);
            files.FlushFolder(folder);
            _kept.Add(written);
            LastBytes = written.Bytes;
            RemoveOld();
        }
        catch (Exception fault) when (fault is BackendUnavailableException || FileFaults.IsFileFault(fault))
        {
            TryRemove(number);
            if (FileFaults.IsFileFault(fault))
            {
                throw FileFaults.Describe("A checkpoint could not be written", fault);
            }

            throw;
        }
    }

    /// <summary>Gives the older of two checkpoints up, for the space of it and of the journal that only it needs. One is left, or none was given up.</summary>
    public bool TryGiveUpOlder()
    {
        if (_kept.Count < Kept)
        {
            return false;
        }

        TryRemove(_kept[0].Number);
        _kept.RemoveAt(0);
        _hasGivenUp = true;
        return true;
    }

    private async ValueTask<Checkpoint> WriteAsync(long number, FileLog journal, Action<Action<ChangeWriter>> writeAll)
    {
        var log = Open(number);
        try
        {
            var journalStart = journal.EndPosition;
            var changes = new ChangeWriter(serial: 0);
            Append(log, changes.Kind(ChangeKind.CheckpointBegin).Number(journalStart));
            writeAll(section =>
            {
                if (!section.IsEmpty)
                {
                    Append(log, section);
                }
            });

            // Where records stand must not be lost by a power cut once the checkpoint says that they are there.
            var journalEnd = journal.EndPosition;
            await journal.SyncAsync(journalEnd).ConfigureAwait(false);
            Append(log, changes.Kind(ChangeKind.CheckpointEnd).Number(journalEnd));
            await log.SyncAsync(log.EndPosition).ConfigureAwait(false);
            return new Checkpoint(number, log.EndPosition, journalStart, journalEnd);
        }
        finally
        {
            // Everything is flushed, or does not count.
            log.Abandon();
        }
    }

    /// <summary>What a folder holds; null when that is no whole checkpoint.</summary>
    private Checkpoint? Read(long number)
    {
        var log = Open(number);
        try
        {
            var (journalStart, journalEnd) = (-1L, -1L);
            using var scan = log.Scan(log.StartPosition);
            while (scan.MoveNext())
            {
                var reader = new ChangeReader(scan.Payload[(ChangeWriter.FrameHeaderBytes + ChangeWriter.SectionHeaderBytes)..]);
                switch ((ChangeKind)reader.Byte())
                {
                    case ChangeKind.CheckpointBegin:
                        journalStart = reader.Number();
                        break;
                    case ChangeKind.CheckpointEnd:
                        journalEnd = reader.Number();
                        break;
                }
            }

            return scan.Damage is null && journalStart >= 0 && journalEnd >= 0 ? new Checkpoint(number, log.EndPosition, journalStart, journalEnd) : null;
        }
        finally
        {
            log.Abandon();
        }
    }

    private void RemoveOld()
    {
        while (_kept.Count > Kept)
        {
            TryRemove(_kept[0].Number);
            _kept.RemoveAt(0);
        }

        _hasGivenUp &= _kept.Count < Kept;
    }

    private void TryRemove(long number)
    {
        try
        {
            Remove(number);
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            // It is older than those that count, or not whole: the next start removes it.
            logger.CheckpointNotDeleted(fault, NameOf(number));
        }
    }

    private void Remove(long number)
    {
        var path = FolderOf(number);
        if (files.FolderExists(path))
        {
            files.DeleteFolder(path);
        }

        // What a crash has brought back of a folder that was deleted must not be read as a part of the one that comes in its place.
        foreach (var file in files.ListFiles(path))
        {
            files.Delete(Path.Combine(path, file.Name));
        }
    }

    private FileLog Open(long number) => FileLog.Open(files, FolderOf(number), options, time, logger);

    private string FolderOf(long number) => Path.Combine(folder, NameOf(number));

    private static string NameOf(long number) => number.ToString("x16", CultureInfo.InvariantCulture);

    private static void Append(FileLog log, ChangeWriter changes)
    {
        var frame = changes.Frame(DateTimeOffset.UnixEpoch);
        log.Append(log.Reserve(frame.Length, essential: false), frame);
        changes.Clear();
    }
}

/// <summary>A whole checkpoint.</summary>
/// <param name="Number">Its number: the newest has the highest.</param>
/// <param name="Bytes">How long it is.</param>
/// <param name="JournalStart">Where the journal is to be read on from.</param>
/// <param name="JournalEnd">Where the journal must end at least: records stand before it.</param>
internal sealed record Checkpoint(long Number, long Bytes, long JournalStart, long JournalEnd);
