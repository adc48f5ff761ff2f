using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage.Engine;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog.Journal;

/// <summary>
/// The queues, the documents and the locks of a folder: engines in memory that are made again from a checkpoint and the journal after it, and that write down what they change from then on.
/// </summary>
internal sealed class FileEngines : IAsyncDisposable
{
    private const string JournalFolder = "journal";
    private const string CheckpointFolder = "checkpoints";
    private const string IdentityFile = "identity";
    private const long FirstSegmentBytes = 1024 * 1024;
    private const long FirstCheckpointBytes = 64 * 1024;
    private const long MinEssentialBytes = 64 * 1024;
    private const long MaxEssentialBytes = 4 * 1024 * 1024;
    private const int IdentityBytes = 16;
    private const int ChecksumBytes = 4;

    private readonly MonotonicClock _clock;
    private readonly TimerHeap _timers;
    private readonly EngineJournal _journal;
    private readonly CheckpointLog _checkpoints;
    private readonly JournalUpkeep _upkeep;

    private FileEngines(FileBackendOptions options, MonotonicClock clock, EngineJournal journal, CheckpointLog checkpoints, byte[] identity, bool isCut, ILogger logger)
    {
        _clock = clock;
        _timers = new TimerHeap(clock);
        _checkpoints = checkpoints;
        _journal = journal;
        var capabilities = new QueueCapabilities { Backend = FileBackend.BackendName, Durability = options.Log.Durability };
        Queues = new QueueEngine(clock, _timers, options.CreatesQueues, capabilities, _journal, new MessageMemory(options.MemoryBytes))
        {
            IdHash = new IdHash(identity),
            Logger = logger,
        };
        State = new StateEngine(_journal);
        Locks = new LockEngine(clock, _timers, _journal);
        var checkpointedTo = Load(logger, isCut);
        _upkeep = new JournalUpkeep(_journal, checkpoints, Queues, WriteAll, options.Log.SegmentBytes, checkpointedTo, logger);
    }

    public QueueEngine Queues { get; }

    public StateEngine State { get; }

    public LockEngine Locks { get; }

    /// <summary>Why nothing can be written any more; null while it can.</summary>
    public string? Failure => _journal.Log.Failure?.Message;

    /// <summary>Nothing more is written: the folder belongs to somebody else.</summary>
    public void GiveUp(BackendUnavailableException reason) => _journal.Log.GiveUp(reason);

    /// <summary>What people should look at although everything works: for health.</summary>
    public void Describe(Dictionary<string, string> details)
    {
        if (_journal.Log.Damage is { IsTorn: false } damage)
        {
            details["journalDamage"] = string.Create(CultureInfo.InvariantCulture, $"{damage.File} at byte {damage.Offset}: {damage.Reason}; put aside when the folder was opened");
        }

        if (_upkeep.Fault is { } fault)
        {
            details["journalUpkeep"] = fault;
        }
    }

    /// <summary>Opens what a folder has, or begins anew.</summary>
    /// <exception cref="StorageCorruptException">Neither the journal nor a checkpoint is whole.</exception>
    public static async ValueTask<FileEngines> OpenAsync(IFileSystem files, FileBackendOptions options, FileLogOptions logs, BackendContext context, DamageNotes notes, ILogger logger)
    {
        var clock = new MonotonicClock(context.TimeProvider);
        var folder = Path.Combine(options.Folder, JournalFolder);
        var identity = OpenFolders(files, options.Folder);
        var wake = new AsyncSignal();
        var sizes = logs with
        {
            FirstSegmentBytes = Math.Min(FirstSegmentBytes, logs.SegmentBytes),
            EssentialBytes = Math.Clamp(logs.SegmentBytes, MinEssentialBytes, MaxEssentialBytes),
            Failed = wake.Set,
        };
        FileLog? journal = null;
        try
        {
            var checkpoints = new CheckpointLog(
                files,
                Path.Combine(options.Folder, CheckpointFolder),
                logs with { Durability = StoreDurability.None, FlushInterval = null, FirstSegmentBytes = Math.Min(FirstCheckpointBytes, logs.SegmentBytes) },
                context.TimeProvider,
                logger);
            journal = FileLog.Open(files, folder, sizes with { TrustedTo = checkpoints.Find() }, context.TimeProvider, logger);
            if (journal.Damage is { IsTorn: false } damage)
            {
                notes.Note(damage.File, $"the journal in the file '{damage.File}' at byte {damage.Offset}: {damage.Reason}");
            }

            var isCut = journal.Damage is not null || LogRecovery.HasPutAside(files, folder, journal.EndPosition);
            var engines = new FileEngines(options, clock, new EngineJournal(journal, wake), checkpoints, identity, isCut, logger);
            await engines.State.BeginAsync().ConfigureAwait(false);
            engines._upkeep.Start();
            return engines;
        }
        catch (Exception fault)
        {
            if (journal is not null)
            {
                await journal.DisposeAsync().ConfigureAwait(false);
            }

            if (FileFaults.IsFileFault(fault))
            {
                throw FileFaults.Describe("The queues cannot be opened", fault);
            }

            throw;
        }
    }

    /// <summary>Ends every wait, takes a last checkpoint, and closes the files.</summary>
    public async ValueTask DisposeAsync()
    {
        await Queues.DisposeAsync().ConfigureAwait(false);
        Locks.Dispose();
        State.Dispose();
        _timers.Dispose();
        await _upkeep.DisposeAsync().ConfigureAwait(false);
        await _journal.Log.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Ends as the death of the process would, for tests: nothing more is written.</summary>
    internal async ValueTask AbandonAsync()
    {
        await Queues.DisposeAsync().ConfigureAwait(false);
        Locks.Dispose();
        State.Dispose();
        _timers.Dispose();
        _journal.Log.Abandon();
        await _upkeep.StopAsync().ConfigureAwait(false);
    }

    /// <summary>Makes the folders, and reads the key under which ids are hashed: it must not change while ids are remembered.</summary>
    private static byte[] OpenFolders(IFileSystem files, string folder)
    {
        try
        {
            var journal = Path.Combine(folder, JournalFolder);
            var path = Path.Combine(journal, IdentityFile);
            var known = DurableFile.Read(files, path, IdentityBytes + ChecksumBytes);
            if (known is { Length: IdentityBytes + ChecksumBytes }
                && Crc32C.Of(known.AsSpan(0, IdentityBytes)) == BinaryPrimitives.ReadUInt32LittleEndian(known.AsSpan(IdentityBytes)))
            {
                return known[..IdentityBytes];
            }

            if (known is null && !HasLog(files, journal) && files.ListFolders(Path.Combine(folder, CheckpointFolder)).Count > 0)
            {
                throw new StorageCorruptException(
                    $"The folder '{JournalFolder}' is missing or empty, and the folder '{CheckpointFolder}' says that there was a journal: queues, documents and locks are gone. Restore the whole folder "
                    + $"from a backup; or, to begin with none of them, move '{CheckpointFolder}' away as well. Nothing was changed.");
            }

            if (known is not null || HasLog(files, journal))
            {
                throw new StorageCorruptException(
                    $"The file '{IdentityFile}' in the folder '{JournalFolder}' is {(known is null ? "missing" : "damaged")}: without it the ids of messages that were sent before would not be known "
                    + "again. Restore it from a backup of the folder. Nothing was changed.");
            }

            files.CreateFolder(journal);
            var content = new byte[IdentityBytes + ChecksumBytes];
            RandomNumberGenerator.Fill(content.AsSpan(0, IdentityBytes));
            BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(IdentityBytes), Crc32C.Of(content.AsSpan(0, IdentityBytes)));
            DurableFile.Write(files, path, content, flush: true);
            files.FlushFolder(folder);
            return content[..IdentityBytes];
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            throw FileFaults.Describe($"The folder '{JournalFolder}' cannot be opened", fault);
        }
    }

    private static bool HasLog(IFileSystem files, string folder) => files.ListFiles(folder).Any(file => LogFormat.TryParseName(file.Name, out _));

    /// <param name="logger">Where it logs.</param>
    /// <param name="isCut">Whether it is known why the journal may be shorter than it was: its end was damaged.</param>
    private long Load(ILogger logger, bool isCut)
    {
        var started = _clock.Now;
        var journal = _journal.Log;
        if (!isCut)
        {
            _checkpoints.RequireWhole(journal.EndPosition);
        }

        var loader = new EngineLoader(Queues, State, Locks);
        var from = 0L;
        if (_checkpoints.TryTake(journal.EndPosition, out var checkpoint))
        {
            _checkpoints.Load(checkpoint, loader);
            from = checkpoint.JournalStart;
        }

        if (journal.StartPosition > from)
        {
            throw new StorageCorruptException(
                $"The journal begins at position {journal.StartPosition}, and no whole checkpoint tells what was before: the folder '{CheckpointFolder}' is damaged or gone. "
                + "Restore it from a backup of the whole folder. Nothing was changed.");
        }

        using (var scan = journal.Scan(from + LogFormat.FrameBytes))
        {
            while (scan.MoveNext())
            {
                loader.Apply(scan.Position, scan.Payload);
            }

            if (scan.Damage is { } damage)
            {
                throw new StorageCorruptException($"The journal is damaged in '{damage.File}' at byte {damage.Offset}: {damage.Reason}. Restore the folder from a backup, or move this file and those after it away, which loses what they "
                    + "hold. Nothing was changed.");
            }
        }

        loader.Finish();
        logger.JournalLoaded(Queues.QueueCount, journal.EndPosition - from, TimeSpan.FromTicks(_clock.Now - started).TotalMilliseconds);
        return from;
    }

    private void WriteAll(Action<ChangeWriter> write)
    {
        State.WriteCheckpoint(write);
        Locks.WriteCheckpoint(write);
        Queues.WriteCheckpoint(write);
    }
}
