using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;
using Millrace.Storage.Engine;

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
    private const long MaxEssentialBytes = 4 * 1024 * 1024;
    private const int IdentityBytes = 16;

    private readonly MonotonicClock _clock;
    private readonly TimerHeap _timers;
    private readonly EngineJournal _journal;
    private readonly CheckpointLog _checkpoints;
    private readonly JournalUpkeep _upkeep;

    private FileEngines(FileBackendOptions options, MonotonicClock clock, FileLog log, CheckpointLog checkpoints, byte[] identity, ILogger logger)
    {
        _clock = clock;
        _timers = new TimerHeap(clock);
        _checkpoints = checkpoints;
        _journal = new EngineJournal(log, options.Log.Durability);
        var capabilities = new QueueCapabilities { Backend = FileBackend.BackendName, Durability = options.Log.Durability };
        Queues = new QueueEngine(clock, _timers, options.CreatesQueues, capabilities, _journal, new MessageMemory(options.MemoryBytes)) { IdHash = new IdHash(identity) };
        State = new StateEngine(_journal);
        Locks = new LockEngine(clock, _timers, _journal);
        var (checkpointedTo, isNewest) = Load(logger);
        _upkeep = new JournalUpkeep(_journal, checkpoints, Queues, WriteAll, options.Log.SegmentBytes, checkpointedTo, logger);
        MustCheckpoint = !isNewest;
    }

    public QueueEngine Queues { get; }

    public StateEngine State { get; }

    public LockEngine Locks { get; }

    /// <summary>What was wrong with the journal when it was opened; null when nothing was.</summary>
    public LogDamage? Damage => _journal.Log.Damage;

    // A checkpoint that says more than the journal has must not be found again when the journal has grown beyond it.
    private bool MustCheckpoint { get; }

    /// <summary>Opens what a folder has, or begins anew.</summary>
    /// <exception cref="StorageCorruptException">Neither the journal nor a checkpoint is whole.</exception>
    public static async ValueTask<FileEngines> OpenAsync(IFileSystem files, FileBackendOptions options, FileLogOptions logs, BackendContext context, ILogger logger)
    {
        var clock = new MonotonicClock(context.TimeProvider);
        var folder = Path.Combine(options.Folder, JournalFolder);
        files.CreateFolder(folder);
        var identity = ReadIdentity(files, folder);
        var sizes = logs with
        {
            FirstSegmentBytes = Math.Min(FirstSegmentBytes, logs.SegmentBytes),
            EssentialBytes = Math.Min(MaxEssentialBytes, logs.SegmentBytes),
        };
        var journal = FileLog.Open(files, folder, sizes, context.TimeProvider, logger);
        var checkpoints = new CheckpointLog(FileLog.Open(
            files,
            Path.Combine(options.Folder, CheckpointFolder),
            sizes with { Durability = StoreDurability.None, FlushInterval = null, EssentialBytes = 0 },
            context.TimeProvider,
            logger));
        try
        {
            var engines = new FileEngines(options, clock, journal, checkpoints, identity, logger);
            if (engines.MustCheckpoint)
            {
                await engines._upkeep.CheckpointAsync().ConfigureAwait(false);
            }

            engines._upkeep.Start();
            return engines;
        }
        catch
        {
            await checkpoints.DisposeAsync().ConfigureAwait(false);
            await journal.DisposeAsync().ConfigureAwait(false);
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
        await _checkpoints.DisposeAsync().ConfigureAwait(false);
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
        _checkpoints.Abandon();
    }

    /// <summary>The key under which ids are hashed: it must not change while ids are remembered.</summary>
    private static byte[] ReadIdentity(IFileSystem files, string folder)
    {
        var path = Path.Combine(folder, IdentityFile);
        if (DurableFile.Read(files, path, IdentityBytes) is { Length: IdentityBytes } known)
        {
            return known;
        }

        var identity = RandomNumberGenerator.GetBytes(IdentityBytes);
        DurableFile.Write(files, path, identity, flush: true);
        return identity;
    }

    private (long CheckpointedTo, bool IsNewest) Load(ILogger logger)
    {
        var started = _clock.Now;
        var journal = _journal.Log;
        var loader = new EngineLoader(Queues, State, Locks);
        var from = 0L;
        if (_checkpoints.TryFind(journal.EndPosition, out var checkpoint, out var isNewest))
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
                throw new StorageCorruptException($"The journal is damaged in '{damage.File}' at byte {damage.Offset}: {damage.Reason}. Nothing was changed.");
            }
        }

        loader.Finish();
        logger.JournalLoaded(Queues.QueueCount, journal.EndPosition - from, TimeSpan.FromTicks(_clock.Now - started).TotalMilliseconds);
        return (from, isNewest);
    }

    private void WriteAll(Action<ChangeWriter> write)
    {
        State.WriteCheckpoint(write);
        Locks.WriteCheckpoint(write);
        Queues.WriteCheckpoint(write);
    }
}
