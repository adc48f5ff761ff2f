using System.Globalization;
using Microsoft.Extensions.Logging;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog.Streams;

/// <summary>The streams of one folder (laws S1–S9): <c>streams/NAME/PARTITION/</c>, a log each.</summary>
internal sealed class FileStreamStore : IStreamStore
{
    private const string StreamsFolder = "streams";
    private const string DeletedExtension = ".deleted";
    private const long FirstSegmentBytes = 64 * 1024;
    private const int SegmentsOfBound = 8;
    private static readonly TimeSpan RetentionInterval = TimeSpan.FromMinutes(1);

    private readonly IFileSystem _files;
    private readonly string _folder;
    private readonly FileLogOptions _options;
    private readonly FlushThreads _threads;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _turn = new(1);
    private readonly Dictionary<(string Stream, int Partition), FileStreamLog> _open = [];
    private readonly Dictionary<string, OwnerLock> _elsewhere = new(StringComparer.Ordinal);
    private readonly ITimer _retention;
    private volatile FileStreamLog[] _openLogs = [];
    private bool _isDisposed;

    /// <summary>Streams in a folder that the caller has locked.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="folder">The folder of the backend.</param>
    /// <param name="options">Of the logs; <see cref="FileLogOptions.Threads"/> is required.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where it logs.</param>
    public FileStreamStore(IFileSystem files, string folder, FileLogOptions options, TimeProvider time, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(options.Threads);
        (_files, _folder, _options, _threads, _time, _logger) = (files, Path.Combine(folder, StreamsFolder), options, options.Threads, time, logger);
        Capabilities = new StreamCapabilities { Backend = "file", Durability = options.Durability };
        _retention = time.CreateTimer(static store => ((FileStreamStore)store!).Retain(), this, RetentionInterval, RetentionInterval);
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
            return new FileStreamPartition(log, Capabilities);
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
        var home = Path.Combine(_folder, StreamNames.FolderOf(context.Stream));
        var manifest = RequireManifest(context, home);
        var key = (context.Stream, context.Partition);
        if (_open.TryGetValue(key, out var open))
        {
            if (!open.HasFailed)
            {
                return open;
            }

            // It takes nothing more; what is on the disk says what it had taken.
            await CloseAsync(key, open).ConfigureAwait(false);
        }

        var folder = manifest.Path is null ? home : HoldElsewhere(manifest);
        var place = new StreamLogPlace
        {
            Stream = context.Stream,
            Partition = context.Partition,
            Folder = Path.Combine(folder, PartitionFolder(context.Partition)),
            Files = _files,
            LogOptions = OptionsFor(context.Retention),
            Threads = _threads,
            Capabilities = Capabilities,
            Time = _time,
            Logger = _logger,
        };

        DeleteRest(place.Folder);

        // It may read some megabytes.
        var log = await Task.Run(() => FileStreamLog.OpenAsync(place).AsTask()).ConfigureAwait(false);
        _open.Add(key, log);
        _openLogs = [.. _open.Values];
        return log;
    }

    private StreamManifest RequireManifest(StreamPartitionContext context, string home)
    {
        var path = context.Path is null ? null : Path.GetFullPath(context.Path);
        if (StreamManifest.Load(_files, home) is not { } manifest || !HasPartitions(FolderOf(manifest, home)))
        {
            // None, or one that was left behind by a crash before its first partition or after its last.
            manifest = new StreamManifest(context.Stream, context.PartitionCount, path);
            _files.CreateFolder(home);
            manifest.Save(_files, home);
            _files.FlushFolder(_folder);
            return manifest;
        }

        if (manifest.Partitions != context.PartitionCount)
        {
            throw new StreamMismatchException(
                $"Stream '{context.Stream}' has {manifest.Partitions} partitions and was opened with {context.PartitionCount}. Open it with {manifest.Partitions}, or leave the count out.");
        }

        return string.Equals(manifest.Path, path, StringComparison.Ordinal) ? manifest : throw new StreamMismatchException(
            $"Stream '{context.Stream}' was created {Where(manifest.Path)} and was opened {Where(path)}. Open it as it was created.");
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

        return folder;
    }

    private async ValueTask<bool> DeleteAsync(StreamPartitionContext context)
    {
        var home = Path.Combine(_folder, StreamNames.FolderOf(context.Stream));
        if (StreamManifest.Load(_files, home) is not { } manifest)
        {
            return false;
        }

        var key = (context.Stream, context.Partition);
        if (_open.TryGetValue(key, out var log))
        {
            log.End(() => new BackendUnavailableException($"Partition {context.Partition} of stream '{context.Stream}' was deleted."));
            await CloseAsync(key, log).ConfigureAwait(false);
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
        }

        return existed;
    }

    private bool HasPartitions(string folder) => _files.ListFolders(folder).Any(name => !name.EndsWith(DeletedExtension, StringComparison.Ordinal));

    private void DeleteRest(string partitionFolder)
    {
        if (_files.FolderExists(partitionFolder + DeletedExtension))
        {
            _files.DeleteFolder(partitionFolder + DeletedExtension);
        }
    }

    private async ValueTask CloseAsync((string Stream, int Partition) key, FileStreamLog log)
    {
        _open.Remove(key);
        _openLogs = [.. _open.Values];
        await log.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Whole segments are removed, so they must be small where little is kept.</summary>
    private FileLogOptions OptionsFor(StreamRetention retention)
    {
        var largest = _options.SegmentBytes;
        if (retention.MaxBytes is { } bytes)
        {
            largest = Math.Min(largest, Math.Max(FirstSegmentBytes, bytes / SegmentsOfBound));
        }

        return _options with { SegmentBytes = largest, FirstSegmentBytes = Math.Min(largest, FirstSegmentBytes) };
    }

    private void Retain()
    {
        foreach (var log in _openLogs)
        {
            log.Retain();
        }
    }

    private static string FolderOf(StreamManifest manifest, string home) =>
        manifest.Path is null ? home : Path.Combine(manifest.Path, StreamNames.FolderOf(manifest.Stream));

    private static string PartitionFolder(int partition) => partition.ToString(CultureInfo.InvariantCulture);

    private static string Where(string? path) => path is null ? "without a path" : $"with the path '{path}'";
}
