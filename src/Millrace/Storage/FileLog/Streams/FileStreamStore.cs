using System.Globalization;
using Microsoft.Extensions.Logging;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog.Streams;

/// <summary>The streams of one folder (laws S1–S9): <c>streams/NAME/PARTITION/</c>, a log each.</summary>
internal sealed class FileStreamStore : IStreamStore
{
    private const string StreamsFolder = "streams";
    private const string DeletedExtension = ".deleted";
    private const long FirstSegmentBytes = FileStreamLog.MinPartBytes;
    private static readonly TimeSpan RetentionInterval = TimeSpan.FromMinutes(1);

    private readonly IFileSystem _files;
    private readonly OwnerLock _owner;
    private readonly string _folder;
    private readonly FileLogOptions _options;
    private readonly FlushThreads _threads;
    private readonly TimeProvider _time;
    private readonly DamageNotes _damage;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _turn = new(1);
    private readonly Dictionary<(string Stream, int Partition), FileStreamLog> _open = [];
    private readonly Dictionary<string, KnownStream> _known = new(StringComparer.Ordinal);
    private readonly Dictionary<string, OwnerLock> _elsewhere = new(StringComparer.Ordinal);
    private readonly ITimer _retention;
    private volatile FileStreamLog[] _openLogs = [];
    private bool _isDisposed;

    /// <summary>Streams in a folder that the caller has locked.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="owner">The right to the folder.</param>
    /// <param name="folder">The folder of the backend.</param>
    /// <param name="options">Of the logs; <see cref="FileLogOptions.Threads"/> is required.</param>
    /// <param name="time">The clock.</param>
    /// <param name="damage">Gets the damage that is found.</param>
    /// <param name="logger">Where it logs.</param>
    public FileStreamStore(IFileSystem files, OwnerLock owner, string folder, FileLogOptions options, TimeProvider time, DamageNotes damage, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(options.Threads);
        (_files, _owner, _folder, _options, _threads) = (files, owner, Path.Combine(folder, StreamsFolder), options, options.Threads);
        (_time, _damage, _logger) = (time, damage, logger);
        Capabilities = new StreamCapabilities { Backend = "file", Durability = options.Durability };
        _retention = time.CreateTimer(static store => ((FileStreamStore)store!).Look(), this, RetentionInterval, RetentionInterval);
    }

    /// <inheritdoc/>
    public StreamCapabilities Capabilities { get; }

    /// <inheritdoc/>
    public async ValueTask<IStreamPartition> OpenPartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Validate();
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            var log = await FindOrOpenAsync(context).ConfigureAwait(false);
            log.SetRetention(context.Retention);
            return new FileStreamPartition(this, context, log);
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            throw FileFaults.Describe($"Stream '{context.Stream}' cannot be opened", fault);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Opens a partition again whose log has failed, unless somebody else has done that, or has deleted it.</summary>
    /// <exception cref="BackendUnavailableException">It cannot be opened: the disk still fails, or its files are no longer where they were.</exception>
    public async ValueTask ReopenAsync(StreamPartitionContext context, FileStreamLog failed, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_open.TryGetValue((context.Stream, context.Partition), out var open) && ReferenceEquals(open, failed))
            {
                await FindOrOpenAsync(context with { Retention = failed.Retention }).ConfigureAwait(false);
            }
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            throw FileFaults.Describe($"Partition {context.Partition} of stream '{context.Stream}' cannot be opened again", fault);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Why some partition takes nothing more until the store is opened again; null when none is so.</summary>
    public string? FindLoss() => Array.Find(_openLogs, log => log.FindLoss() is not null)?.FindLoss()?.Message;

    /// <summary>Nothing more is stored: the folder belongs to somebody else.</summary>
    public void GiveUp(BackendUnavailableException reason)
    {
        foreach (var log in _openLogs)
        {
            log.GiveUp(reason);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> DeletePartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        ResourceName.Require(context.Stream, "stream");
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return await DeleteAsync(context).ConfigureAwait(false);
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            throw FileFaults.Describe($"Partition {context.Partition} of stream '{context.Stream}' cannot be deleted", fault);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            await _retention.DisposeAsync().ConfigureAwait(false);
            foreach (var log in _openLogs)
            {
                await log.DisposeAsync().ConfigureAwait(false);
            }

            foreach (var held in _elsewhere.Values)
            {
                held.Dispose();
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Ends it as the death of the process would, for tests.</summary>
    internal async ValueTask AbandonAsync()
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            _isDisposed = true;
            await _retention.DisposeAsync().ConfigureAwait(false);
            foreach (var log in _openLogs)
            {
                log.Abandon();
            }

            foreach (var held in _elsewhere.Values)
            {
                held.Dispose();
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    private async ValueTask<FileStreamLog> FindOrOpenAsync(StreamPartitionContext context)
    {
        if (_owner.FindLoss() is { } loss)
        {
            throw loss;
        }

        var home = Path.Combine(_folder, StreamNames.FolderOf(context.Stream));
        var manifest = RequireManifest(context, home);
        var key = (context.Stream, context.Partition);
        if (_open.TryGetValue(key, out var open))
        {
            if (!open.HasFailed)
            {
                return open;
            }

            if (open.FindLoss() is { } missing)
            {
                throw missing;
            }

            // It takes nothing more; what is on the disk says what it had taken.
            await open.RetireAsync().ConfigureAwait(false);
        }

        RequireUnmoved(context.Stream, home);

        var folder = manifest.Path is null ? home : HoldElsewhere(manifest);
        var place = new StreamLogPlace
        {
            Stream = context.Stream,
            Partition = context.Partition,
            Folder = Path.Combine(folder, PartitionFolder(context.Partition)),
            Files = _files,
            LogOptions = OptionsFor(context.Retention) with { FindLoss = manifest.Path is null ? _options.FindLoss : _elsewhere[folder].FindLoss },
            Threads = _threads,
            Capabilities = Capabilities,
            Time = _time,
            Damage = _damage,
            Logger = _logger,
        };

        DeleteRest(place.Folder);

        // It may read some megabytes.
        FileStreamLog log;
        try
        {
            log = await Task.Run(() => FileStreamLog.OpenAsync(place).AsTask()).ConfigureAwait(false);
        }
        catch
        {
            ForgetUnused(context.Stream);
            throw;
        }

        _open[key] = log;
        _openLogs = [.. _open.Values];
        open?.SucceedBy(log);
        return log;
    }

    private StreamManifest RequireManifest(StreamPartitionContext context, string home)
    {
        var path = context.Path is null ? null : Path.GetFullPath(context.Path);
        StreamManifest? manifest;
        if (_known.TryGetValue(context.Stream, out var known))
        {
            manifest = known.Manifest;
        }
        else if ((manifest = StreamManifest.Load(_files, home)) is null || !HasPartitions(FolderOf(manifest, home)))
        {
            // None, or one that was left behind by a crash before its first partition or after its last.
            manifest = new StreamManifest(context.Stream, context.PartitionCount, path);
            _files.CreateFolder(home);
            manifest.Save(_files, home);
            _files.FlushFolder(_folder);
        }

        if (manifest.Partitions != context.PartitionCount)
        {
            throw new StreamMismatchException(
                $"Stream '{context.Stream}' has {manifest.Partitions} partitions and was opened with {context.PartitionCount}. Open it with {manifest.Partitions}, or leave the count out.");
        }

        if (!string.Equals(manifest.Path, path, StringComparison.Ordinal))
        {
            throw new StreamMismatchException($"Stream '{context.Stream}' was created {Where(manifest.Path)} and was opened {Where(path)}. Open it as it was created.");
        }

        _known.TryAdd(context.Stream, new KnownStream(manifest, StreamManifest.IdentityIn(_files, home)));
        return manifest;
    }

    /// <summary>Of a stream that is in use nothing is made anew: where its folder is gone, its records are too.</summary>
    private void RequireUnmoved(string stream, string home)
    {
        if (StreamManifest.IdentityIn(_files, home) != _known[stream].Manifested)
        {
            throw new BackendUnavailableException(
                $"The folder of stream '{stream}' was removed, moved or replaced while it was in use. Put it back as it was, or start the process again; a stream that is not missed can be deleted.");
        }
    }

    /// <summary>The folder of a stream that is not in the store's, locked, because another store may know it too.</summary>
    private string HoldElsewhere(StreamManifest manifest)
    {
        var folder = FolderOf(manifest, "");
        if (!_elsewhere.ContainsKey(folder))
        {
            _files.CreateFolder(folder);
            _elsewhere.Add(folder, OwnerLock.Take(_files, folder));
        }
        else if (_elsewhere[folder].FindLoss() is { } loss)
        {
            throw loss;
        }

        return folder;
    }

    private async ValueTask<bool> DeleteAsync(StreamPartitionContext context)
    {
        if (_owner.FindLoss() is { } loss)
        {
            throw loss;
        }

        var home = Path.Combine(_folder, StreamNames.FolderOf(context.Stream));
        var key = (context.Stream, context.Partition);
        if (_open.Remove(key, out var log))
        {
            _openLogs = [.. _open.Values];
            log.End(() => new BackendUnavailableException($"Partition {context.Partition} of stream '{context.Stream}' was deleted."));
            await log.DisposeAsync().ConfigureAwait(false);
        }

        if (StreamManifest.Load(_files, home) is not { } manifest)
        {
            // Somebody has removed the folder; what is left of it, the stream is forgotten with its last partition.
            ForgetUnused(context.Stream);
            return log is not null;
        }

        var place = FolderOf(manifest, home);
        var folder = Path.Combine(place, PartitionFolder(context.Partition));
        var existed = _files.FolderExists(folder);
        if (existed)
        {
            // Under another name first: half a partition must not be found by whoever comes after a crash.
            DeleteRest(folder);
            _files.RenameFolder(folder, folder + DeletedExtension);
            _files.FlushFolder(place);
            DeleteRest(folder);
        }

        if (!HasPartitions(place))
        {
            if (_elsewhere.Remove(place, out var held))
            {
                held.Dispose();
                _files.DeleteFolder(place);
            }

            _files.DeleteFolder(home);
            _files.FlushFolder(_folder);
            _known.Remove(context.Stream);
        }

        return existed;
    }

    private void ForgetUnused(string stream)
    {
        if (!_open.Keys.Any(one => string.Equals(one.Stream, stream, StringComparison.Ordinal)))
        {
            _known.Remove(stream);
        }
    }

    private bool HasPartitions(string folder) => _files.ListFolders(folder).Any(name => !name.EndsWith(DeletedExtension, StringComparison.Ordinal));

    private void DeleteRest(string partitionFolder)
    {
        if (_files.FolderExists(partitionFolder + DeletedExtension))
        {
            _files.DeleteFolder(partitionFolder + DeletedExtension);
        }
    }

    /// <summary>Whole segments are removed, so they must be small where little is kept.</summary>
    private FileLogOptions OptionsFor(StreamRetention retention)
    {
        var largest = _options.SegmentBytes;
        if (retention.MaxBytes is { } bytes)
        {
            largest = Math.Min(largest, Math.Max(FirstSegmentBytes, bytes / FileStreamLog.PartsOfBound));
        }

        return _options with { SegmentBytes = largest, FirstSegmentBytes = Math.Min(largest, FirstSegmentBytes) };
    }

    private void Look()
    {
        foreach (var log in _openLogs)
        {
            log.Look();
        }
    }

    private static string FolderOf(StreamManifest manifest, string home) =>
        manifest.Path is null ? home : Path.Combine(manifest.Path, StreamNames.FolderOf(manifest.Stream));

    private static string PartitionFolder(int partition) => partition.ToString(CultureInfo.InvariantCulture);

    private static string Where(string? path) => path is null ? "without a path" : $"with the path '{path}'";

    /// <summary>A stream of which a partition was opened.</summary>
    private sealed record KnownStream(StreamManifest Manifest, FileIdentity? Manifested);
}
