using System.Globalization;
using Microsoft.Extensions.Logging;
using Millrace.Storage.FileLog.Disk;
using Millrace.Storage.FileLog.Journal;
using Millrace.Storage.FileLog.Streams;

namespace Millrace.Storage.FileLog;

/// <summary>
/// The backend <c>file:</c>: durable stores in a folder, for one process, with nothing to install. Opened by
/// <c>file:./data?durability=full&amp;segmentBytes=67108864</c>; the values shown are the defaults, and the folder is created if there is none.
/// </summary>
/// <remarks>
/// Options of the URL: <c>durability</c>, what survives when a call returns: <c>full</c>: a power cut; <c>process</c>: the end of the process; <c>none</c>; <c>interval</c>: calls return at once,
/// and what they stored is flushed every <c>flushIntervalMs</c> (5). <c>segmentBytes</c>: the size of the files.
/// <c>memoryBytes</c>: how much memory messages may take that wait in queues (64 MiB); what is beyond that is in the files alone. <c>autocreate</c> (<c>true</c>: queues are created when they are
/// first used).
/// </remarks>
public sealed class FileBackend : Backend, IHealthProbe
{
    internal const string BackendName = "file";

    private const string ProbeName = "probe";
    private static readonly TimeSpan WatchInterval = TimeSpan.FromMinutes(1);

    private readonly IFileSystem _files;
    private readonly FileBackendOptions _options;
    private readonly TimeProvider _time;
    private readonly OwnerLock _lock;
    private readonly FlushThreads _threads;
    private readonly SemaphoreSlim _probing = new(1);
    private readonly FileStreamStore _streams;
    private readonly FileEngines _engines;
    private readonly DamageNotes _damage;
    private readonly ITimer _watch;
    private bool _isDisposed;

    private FileBackend(
        IFileSystem files, FileBackendOptions options, TimeProvider time, OwnerLock ownerLock, FlushThreads threads, FileStreamStore streams, FileEngines engines, DamageNotes damage)
    {
        (_files, _options, _time, _lock, _threads, _streams, _engines, _damage) = (files, options, time, ownerLock, threads, streams, engines, damage);
        _watch = time.CreateTimer(static backend => ((FileBackend)backend!).LookAtOwner(), this, WatchInterval, WatchInterval);
    }

    /// <inheritdoc/>
    public override string Name => BackendName;

    /// <inheritdoc/>
    public override IQueueStore Queues => _engines.Queues;

    /// <inheritdoc/>
    public override ILockStore Locks => _engines.Locks;

    /// <inheritdoc/>
    public override IStateStore State => _engines.State;

    /// <inheritdoc/>
    public override IStreamStore Streams => _streams;

    /// <inheritdoc/>
    public override IHealthProbe Health => this;

    /// <summary>Opens a folder, creating it if there is none.</summary>
    /// <param name="url">Names the folder and the options.</param>
    /// <param name="context">Clock and log.</param>
    /// <param name="cancellationToken">Honoured before the folder is touched.</param>
    /// <exception cref="MillraceConfigurationException">An option is wrong, or the path cannot be a folder.</exception>
    /// <exception cref="BackendUnavailableException">Another process has the folder open, or it cannot be written.</exception>
    public static async ValueTask<Backend> OpenAsync(BackendUrl url, BackendContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(url);
        ArgumentNullException.ThrowIfNull(context);
        var options = FileBackendOptions.Parse(url);
        return await Task.Run(() => OpenAsync(NativeFileSystem.Instance, options, context).AsTask(), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Opens a folder of any file system.</summary>
    internal static async ValueTask<FileBackend> OpenAsync(IFileSystem files, FileBackendOptions options, BackendContext context)
    {
        try
        {
            files.CreateFolder(options.Folder);
        }
        catch (IOException fault) when (fault is DirectoryNotFoundException or FileNotFoundException)
        {
            throw new BackendUnavailableException($"The folder '{options.Folder}' cannot be created: nothing can be made where it would be. Name a folder on a disk.", mayHaveBeenApplied: false, fault);
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            throw FileFaults.Describe($"The folder '{options.Folder}' cannot be created", fault);
        }

        var ownerLock = OwnerLock.Take(files, options.Folder);
        var threads = new FlushThreads();
        var logger = context.LoggerFactory.CreateLogger<FileBackend>();
        var logs = options.Log with { Threads = threads, FindLoss = ownerLock.FindLoss };
        var damage = new DamageNotes();
        try
        {
            // Each in folders of its own in this one.
            var engines = await FileEngines.OpenAsync(files, options, logs, context, damage, logger).ConfigureAwait(false);
            var streams = new FileStreamStore(files, ownerLock, options.Folder, logs, context.TimeProvider, damage, logger);
            return new FileBackend(files, options, context.TimeProvider, ownerLock, threads, streams, engines, damage);
        }
        catch
        {
            threads.Dispose();
            ownerLock.Dispose();
            throw;
        }
    }

    /// <summary>Writes a small file and flushes it. Unhealthy too when an earlier write or flush of the journal has failed, after which it takes nothing until the folder is opened again.</summary>
    public async ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
    {
        var started = _time.GetTimestamp();
        await _probing.WaitAsync(cancellationToken).ConfigureAwait(false);
        string? error = null;
        try
        {
            error = _isDisposed ? "The file backend has been disposed." : await Task.Run(Probe, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            _probing.Release();
        }

        var details = new Dictionary<string, string>
        {
            ["durability"] = _options.Durability,
            ["folder"] = Path.GetFileName(_options.Folder),
            ["segmentBytes"] = _options.Log.SegmentBytes.ToString(CultureInfo.InvariantCulture),
        };
        _engines.Describe(details);
        return new HealthReport(error is null, _time.GetElapsedTime(started), error, details) { Warning = _damage.Describe() };
    }

    /// <inheritdoc/>
    public string? FindPermanentFailure() => _isDisposed ? null : LookAtOwner()?.Message ?? _engines.Failure ?? _streams.FindLoss();

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        await _watch.DisposeAsync().ConfigureAwait(false);
        LookAtOwner();
        await _streams.DisposeAsync().ConfigureAwait(false);
        await _engines.DisposeAsync().ConfigureAwait(false);
        _threads.Dispose();
        _lock.Dispose();
    }

    /// <summary>Ends as the death of the process would, for tests: nothing more is written, and the folder is free.</summary>
    internal async ValueTask AbandonAsync()
    {
        _isDisposed = true;
        await _watch.DisposeAsync().ConfigureAwait(false);
        await _streams.AbandonAsync().ConfigureAwait(false);
        await _engines.AbandonAsync().ConfigureAwait(false);
        _threads.Dispose();
        _lock.Dispose();
    }

    /// <summary>Stores nothing more when the folder has got another owner, or could have.</summary>
    private BackendUnavailableException? LookAtOwner()
    {
        var loss = _lock.FindLoss();
        if (loss is not null)
        {
            _streams.GiveUp(loss);
            _engines.GiveUp(loss);
        }

        return loss;
    }

    private string? Probe()
    {
        if (FindPermanentFailure() is { } failure)
        {
            return failure;
        }

        try
        {
            DurableFile.Write(_files, Path.Combine(_options.Folder, ProbeName), [1], flush: true);
            return null;
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            return FileFaults.Describe("Writing a file into the folder failed", fault).Message;
        }
    }
}
