using System.Buffers;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog.Streams;

/// <summary>The records of one partition in files, shared by all who have it open. Safe for concurrent use.</summary>
/// <remarks>
/// <para>An append is one frame of the log. It is visible when it is as durable as the store promises (S1): <c>_visibleEnd</c> and <c>_visiblePosition</c> follow the flushes, which finish
/// everything before them.</para>
/// <para>Locks, from the outside in: <c>_maintenance</c>, <c>_gate</c>, those of the log.</para>
/// </remarks>
internal sealed partial class FileStreamLog : IAsyncDisposable
{
    private const int StackBytes = 512;

    private readonly StreamLogPlace _place;
    private readonly IFileSystem _files;
    private readonly string _folder;
    private readonly string _stream;
    private readonly int _partition;
    private readonly StreamCapabilities _capabilities;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly FlushThreads _threads;
    private readonly FileLog _log;
    private readonly Lock _gate = new();
    private readonly PartitionIndex _index;
    private readonly ProducerSequences _producers;
    private readonly StreamWaiters _waiters = new();
    private StreamRetention _retention = StreamRetention.Forever;
    private long _earliest;
    private long _nextOffset;
    private long _visibleEnd;
    private long _visiblePosition;
    private Func<Exception>? _end;
    private FileStreamLog? _successor;
    private int _isTold;

    private FileStreamLog(StreamLogPlace place, FileLog log, PartitionRecovery recovered)
    {
        _place = place;
        (_files, _folder, _stream, _partition, _capabilities) = (place.Files, place.Folder, place.Stream, place.Partition, place.Capabilities);
        (_time, _logger, _threads, _log) = (place.Time, place.Logger, place.Threads, log);
        (_index, _producers) = (recovered.Index, recovered.Producers);
        (_earliest, _nextOffset, _visibleEnd) = (recovered.Earliest, recovered.EndOffset, recovered.EndOffset);
        _visiblePosition = log.EndPosition;
        _small = new PartitionFiles(_files, _folder);
        _runMaintenance = RunMaintenance;
        _waiters.Advance(_visibleEnd);
    }

    /// <summary>Opens a partition's log, which may read its last segments.</summary>
    public static async ValueTask<FileStreamLog> OpenAsync(StreamLogPlace place)
    {
        var log = FileLog.Open(place.Files, place.Folder, place.LogOptions, place.Time, place.Logger);
        try
        {
            if (log.Damage is { IsTorn: false } damage)
            {
                NoteDamage(place, damage);
            }

            var recovery = new PartitionRecovery(place, log);
            recovery.Run();
            return new FileStreamLog(place, log, recovery);
        }
        catch (Exception fault)
        {
            await log.DisposeAsync().ConfigureAwait(false);
            if (FileFaults.IsFileFault(fault))
            {
                throw FileFaults.Describe($"Partition {place.Partition} of stream '{place.Stream}' cannot be opened", fault);
            }

            throw;
        }
    }

    /// <summary>Notes damage of a partition for health and metrics.</summary>
    public static void NoteDamage(StreamLogPlace place, LogDamage damage) => place.Damage.Note(
        $"{place.Folder}/{damage.File}", $"stream '{place.Stream}', partition {place.Partition}, in the file '{damage.File}' at byte {damage.Offset}: {damage.Reason}");

    /// <summary>Whether a fault of the disk has ended it, so that it must be opened anew.</summary>
    public bool HasFailed => _log.HasFailed;

    /// <summary>The log that has taken the place of this one after a fault; null while there is none.</summary>
    public FileStreamLog? Successor => Volatile.Read(ref _successor);

    /// <summary>How long it keeps records.</summary>
    public StreamRetention Retention => Volatile.Read(ref _retention);

    /// <summary>Whether it was closed after a fault, so that it cannot even be read.</summary>
    public bool IsRetired => HasFailed && Volatile.Read(ref _end) is not null;

    /// <summary>Why it cannot be opened again after a fault; null when it can: its files are where they were.</summary>
    public BackendUnavailableException? FindLoss() => HasFailed && _log.FindDisplaced() is { } file
        ? new BackendUnavailableException(
            $"Partition {_partition} of stream '{_stream}' takes nothing more: its file '{file}' was removed, moved or replaced while it was in use. Put its folder back as it was, or start the process again; "
            + "a stream that is not missed can be deleted.")
        : null;

    /// <summary>The fault that has ended it, once, where appends return before they could learn of it: what they stored last may be lost.</summary>
    public BackendUnavailableException? TakeUntoldFailure() =>
        _capabilities.Durability == StoreDurability.None && _log.Failure is { } failure && Interlocked.Exchange(ref _isTold, 1) == 0
            ? new BackendUnavailableException($"What was appended last to partition {_partition} of stream '{_stream}' may be lost. {failure.Message}", mayHaveBeenApplied: false, failure)
            : null;

    /// <summary>Ends it for appends where its files are no longer those that were opened, and removes what need not be kept any longer.</summary>
    public void Look()
    {
        try
        {
            _log.RequirePlace();
            Retain();
        }
        catch (BackendUnavailableException)
        {
            // It has failed, and says so to everybody who appends.
            return;
        }
    }

    /// <summary>Ends it for appends, because the folder belongs to somebody else.</summary>
    public void GiveUp(BackendUnavailableException reason) => _log.GiveUp(reason);

    /// <summary>Appends records that have been checked.</summary>
    /// <param name="request">The append.</param>
    /// <param name="bytes">Its bytes of keys, headers and bodies.</param>
    public ValueTask<AppendResult> AppendAsync(in AppendRequest request, long bytes)
    {
        if (request.Records.IsEmpty)
        {
            return new ValueTask<AppendResult>(new AppendResult(EndOffset(), false));
        }

        var most = StreamFrame.MaxBytes(in request, bytes);
        if (most > LogFormat.MaxPayloadBytes)
        {
            throw new InvalidMessageException($"The append was refused: its {request.Records.Length:N0} records are too many for one. Split it into smaller ones.");
        }

        var now = _time.GetUtcNow().UtcTicks;
        Appended appended;
        if (most <= StackBytes)
        {
            Span<byte> payload = stackalloc byte[StackBytes];
            var length = StreamFrame.Write(in request, now, payload, out var latest);
            appended = Append(in request, payload[..length], latest, bytes);
        }
        else
        {
            var payload = ArrayPool<byte>.Shared.Rent((int)most);
            try
            {
                var length = StreamFrame.Write(in request, now, payload, out var latest);
                appended = Append(in request, payload.AsSpan(0, length), latest, bytes);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(payload);
            }
        }

        if (!_log.IsDurable(appended.Position))
        {
            var flushed = _log.FlushAsync(appended.Position);
            if (!flushed.IsCompletedSuccessfully)
            {
                return PublishWhenFlushedAsync(flushed, appended);
            }
        }

        Publish(in appended);
        return new ValueTask<AppendResult>(appended.Result);
    }

    public ValueTask WaitForAsync(long offset, CancellationToken cancellationToken, CancellationToken closing) => _waiters.WaitAsync(offset, cancellationToken, closing);

    /// <summary>Makes everything that was appended durable, whatever the store promises.</summary>
    public ValueTask FlushAsync()
    {
        ThrowIfEnded();
        return _log.SyncAsync(_log.EndPosition);
    }

    public StreamPartitionStats GetStats()
    {
        lock (_gate)
        {
            ThrowIfEndedLocked();
            RetainByAgeLocked();

            // Bytes are known by segments: what is trimmed of the first one counts until that goes, unless nothing is left at all.
            return new StreamPartitionStats(_earliest, _visibleEnd, _earliest == _visibleEnd ? 0 : _index.RecordBytes);
        }
    }

    /// <summary>The log is gone: whoever waits or calls learns why.</summary>
    public void End(Func<Exception> reason)
    {
        lock (_gate)
        {
            _end ??= reason;
        }

        _waiters.Fail(reason());
    }

    /// <summary>Ends it as the death of the process would, for tests.</summary>
    public void Abandon()
    {
        _log.Abandon();
        End(Disposed);
        lock (_maintenance)
        {
            _isOver = true;
        }
    }

    /// <summary>Closes it after a fault, so that another one can be opened in its place.</summary>
    public ValueTask RetireAsync()
    {
        lock (_gate)
        {
            _end ??= () => new BackendUnavailableException($"Partition {_partition} of stream '{_stream}' has failed, and is being opened again.");
        }

        return CloseAsync();
    }

    /// <summary>Another one has been opened in its place: it keeps as much, and whoever waits goes on in that.</summary>
    public void SucceedBy(FileStreamLog successor)
    {
        successor.SetRetention(_retention);
        Volatile.Write(ref _successor, successor);
        _waiters.Fail(new BackendUnavailableException($"Partition {_partition} of stream '{_stream}' was opened again."));
    }

    public ValueTask DisposeAsync()
    {
        End(Disposed);
        return CloseAsync();
    }

    private async ValueTask CloseAsync()
    {
        RunMaintenance();
        await _log.DisposeAsync().ConfigureAwait(false);
        lock (_maintenance)
        {
            // What runs there ends first.
            _isOver = true;
        }
    }

    private static ObjectDisposedException Disposed() => new(nameof(IStreamStore), "The file stream store has been disposed.");

    private Appended Append(in AppendRequest request, Span<byte> payload, long latest, long bytes)
    {
        var count = request.Records.Length;
        RollWhereBound(latest);
        using var reservation = Reserve(payload.Length);
        Appended appended;
        bool maintain;
        lock (_gate)
        {
            ThrowIfEndedLocked();
            if (request.ProducerId is { } known && _producers.FindRepeat(known, request.FirstSequence, count) is { } repeat)
            {
                // What it repeats may not be flushed yet, so its caller waits like the first one.
                return new Appended(repeat, _nextOffset, _log.EndPosition);
            }

            var first = _nextOffset;
            StreamFrame.SetBaseOffset(payload, first);
            var position = _log.Append(in reservation, payload);
            var end = position + payload.Length;
            var frame = position - LogFormat.FrameBytes;
            maintain = BeginSegmentLocked(frame, first);
            _index.AddFrame(frame, end, first, count, latest, bytes, request.ProducerId is not null);
            if (request.ProducerId is { } producer)
            {
                _producers.Note(producer, request.FirstSequence, count, first);
            }

            _nextOffset = first + count;
            appended = new Appended(new AppendResult(first, false), _nextOffset, end);
            maintain |= RetainLocked();
        }

        if (maintain)
        {
            RequestMaintenance();
        }

        return appended;
    }

    private LogReservation Reserve(int bytes)
    {
        try
        {
            return _log.Reserve(bytes, essential: false);
        }
        catch (ObjectDisposedException)
        {
            // The partition was deleted, say: the files are closed after whoever calls is told why.
            ThrowIfEnded();
            throw;
        }
    }

    /// <summary>Begins the index of another segment where the log has begun one.</summary>
    /// <returns>True when one is full.</returns>
    private bool BeginSegmentLocked(long framePosition, long offset)
    {
        Debug.Assert(_gate.IsHeldByCurrentThread, "The gate is held.");
        if (_index.Last is { } last && last.EndPosition == framePosition)
        {
            return false;
        }

        _index.Add(new SegmentIndex(framePosition - LogFormat.HeaderBytes, offset));
        return _index.Segments.Length > 1;
    }

    private void Publish(in Appended appended)
    {
        lock (_gate)
        {
            if (appended.EndOffset > _visibleEnd)
            {
                _visibleEnd = appended.EndOffset;
                _visiblePosition = appended.Position;
                BoundCountLocked();

                // Waiters go on elsewhere, so nothing of theirs runs under the gate; ends must reach them in order.
                _waiters.Advance(appended.EndOffset);
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<AppendResult> PublishWhenFlushedAsync(ValueTask flushed, Appended appended)
    {
        await flushed.ConfigureAwait(false);
        Publish(in appended);
        return appended.Result;
    }

    private long EndOffset()
    {
        lock (_gate)
        {
            ThrowIfEndedLocked();
            return _visibleEnd;
        }
    }

    private void ThrowIfEnded()
    {
        lock (_gate)
        {
            ThrowIfEndedLocked();
        }
    }

    private void ThrowIfEndedLocked()
    {
        Debug.Assert(_gate.IsHeldByCurrentThread, "The gate is held.");
        if (_end is not null)
        {
            throw _end();
        }
    }

    /// <summary>An append on its way to being visible.</summary>
    private readonly record struct Appended(AppendResult Result, long EndOffset, long Position);
}
