using System.Diagnostics.CodeAnalysis;

namespace Millrace.Storage;

/// <summary>
/// One partition of a stream store of your own: you say how a batch is stored at the end, how records are read, and how they are removed from the front; the rest of the laws
/// (limits, offsets, idempotent producers, waits, retention, finding by time, closing) is done here. Made by a <see cref="StreamStoreBase"/>.
/// </summary>
/// <remarks>
/// The members that you write are called one at a time. What they throw reaches the caller of the operation: a <see cref="BackendUnavailableException"/> for what may work later, a
/// <see cref="StorageCorruptException"/> for damage. A batch whose <see cref="StoreAsync"/> threw must leave nothing that could be read, also later.
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "The turn never makes a handle, so there is nothing to dispose; the store ends a partition by EndAsync.")]
public abstract class StreamPartitionBase
{
    private const int MaxPageRecords = 1000;

    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly StreamPartitionContext _context;
    private readonly StreamStoreBase _store;
    private readonly ProducerSequences _producers = new();
    private readonly StreamWaiters _waiters = new();
    private readonly Queue<Extent> _extents = new();
    private StreamRetention _retention;
    private Func<Exception>? _reasonOfEnd;
    private long _earliest;
    private long _end;
    private long _bytes;

    /// <summary>A partition, empty until <see cref="RecoverAsync"/> says otherwise.</summary>
    /// <param name="context">Which one; checked.</param>
    /// <param name="store">Its store.</param>
    protected StreamPartitionBase(StreamPartitionContext context, StreamStoreBase store)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(store);
        (_context, _store, _retention) = (context, store, context.Retention);
    }

    internal StreamPartitionContext Context => _context;

    /// <summary>Stores a batch after everything that is there. When it returns, the batch is as durable as the store's capabilities say, and can be read.</summary>
    protected abstract ValueTask StoreAsync(StreamBatch batch);

    /// <summary>Reads records from an offset that is there. At least one, at most as many as are asked for; fewer are fine.</summary>
    /// <param name="offset">The first.</param>
    /// <param name="maxRecords">No more than are there from that offset on.</param>
    /// <param name="maxBytes">What is read beyond so many bytes of keys, headers and bodies is not used.</param>
    protected abstract ValueTask<IReadOnlyList<StreamRecord>> LoadAsync(long offset, int maxRecords, int maxBytes);

    /// <summary>Removes the records before an offset, which is at most the end. That they are gone is as durable as an append; their space may be freed later.</summary>
    protected abstract ValueTask RemoveBeforeAsync(long offset);

    /// <summary>Finds what an earlier process has stored, and tells it by <see cref="Restore"/> and <see cref="RestoreStart"/>. Called once, before anything else. Nothing unless overridden.</summary>
    protected internal virtual ValueTask RecoverAsync() => default;

    /// <summary>Makes everything stored so far as durable as the engine can. Nothing unless overridden.</summary>
    protected virtual ValueTask FlushAsync() => default;

    /// <summary>Releases files and the like. Called once, after everything else. Nothing unless overridden.</summary>
    protected virtual ValueTask CloseAsync() => default;

    /// <summary>In <see cref="RecoverAsync"/>: a batch that is stored, in the order in which they were stored.</summary>
    /// <exception cref="StorageCorruptException">It does not follow the one before it.</exception>
    protected void Restore(StreamBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.FirstOffset != _end || batch.Records.IsEmpty)
        {
            throw new StorageCorruptException(
                $"Partition {_context.Partition} of stream '{_context.Stream}' has a batch of {batch.Records.Length} records at offset {batch.FirstOffset} where offset {_end} was expected.");
        }

        Take(batch);
        ForgetExtents();
    }

    /// <summary>In <see cref="RecoverAsync"/>: the records before an offset have been removed.</summary>
    protected void RestoreStart(long earliestOffset)
    {
        _earliest = Math.Max(_earliest, earliestOffset);
        _end = Math.Max(_end, _earliest);
        ForgetExtents();
    }

    internal async ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken)
    {
        StreamRecordRules.Require(in request, _store.Capabilities);
        var records = new StreamRecord[request.Records.Length];
        for (var i = 0; i < records.Length; i++)
        {
            records[i] = CopyOf(in request.Records.Span[i]);
        }

        return await InTurnAsync(() => AppendInTurnAsync(request, records), cancellationToken).ConfigureAwait(false);
    }

    internal ValueTask<StreamPage> ReadAsync(long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRecords, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        return InTurnAsync(() => ReadInTurnAsync(offset, Math.Min(maxRecords, MaxPageRecords), maxBytes), cancellationToken);
    }

    internal ValueTask WaitForAsync(long offset, CancellationToken cancellationToken, CancellationToken closing)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return _waiters.WaitAsync(offset, cancellationToken, closing);
    }

    internal ValueTask<long> FindOffsetAsync(DateTimeOffset timestamp, CancellationToken cancellationToken) =>
        InTurnAsync(() => FindInTurnAsync(timestamp), cancellationToken);

    internal async ValueTask FlushAsync(CancellationToken cancellationToken) =>
        await InTurnAsync(
            async () =>
            {
                await FlushAsync().ConfigureAwait(false);
                return 0;
            },
            cancellationToken).ConfigureAwait(false);

    internal async ValueTask TrimAsync(long beforeOffset, CancellationToken cancellationToken) =>
        await InTurnAsync(
            async () =>
            {
                ArgumentOutOfRangeException.ThrowIfGreaterThan(beforeOffset, _end);
                await MoveStartAsync(beforeOffset).ConfigureAwait(false);
                return 0;
            },
            cancellationToken).ConfigureAwait(false);

    internal ValueTask<StreamPartitionStats> GetStatsAsync(CancellationToken cancellationToken) =>
        InTurnAsync(
            async () =>
            {
                await RetainAsync().ConfigureAwait(false);
                return new StreamPartitionStats(_earliest, _end, _bytes);
            },
            cancellationToken);

    /// <summary>Recovers, before anybody else has the partition.</summary>
    internal async ValueTask StartAsync()
    {
        await RecoverAsync().ConfigureAwait(false);
        _waiters.Advance(_end);
    }

    /// <summary>Keeps records as this says, from the next operation on.</summary>
    internal void SetRetention(StreamRetention retention) => Volatile.Write(ref _retention, retention);

    /// <summary>Ends the partition for everybody, and closes it.</summary>
    internal async ValueTask EndAsync(Func<Exception> reason)
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_reasonOfEnd is null)
            {
                _reasonOfEnd = reason;
                await CloseAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            _turn.Release();
            _waiters.Fail(reason());
        }
    }

    private static StreamRecord CopyOf(in StreamRecord record) => record with
    {
        Key = record.Key.IsEmpty ? default : record.Key.ToArray(),
        Body = record.Body.IsEmpty ? default : record.Body.ToArray(),
    };

    private async ValueTask<TResult> InTurnAsync<TResult>(Func<ValueTask<TResult>> work, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_reasonOfEnd is not null)
            {
                throw _reasonOfEnd();
            }

            return await work().ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async ValueTask<AppendResult> AppendInTurnAsync(AppendRequest request, StreamRecord[] records)
    {
        if (records.Length == 0)
        {
            return new AppendResult(_end, false);
        }

        if (request.ProducerId is not null && _producers.FindRepeat(request.ProducerId, request.FirstSequence, records.Length) is { } repeat)
        {
            return repeat;
        }

        // Before the append: what fails here must not make it look as if the records were not stored.
        await RetainAsync().ConfigureAwait(false);
        var now = _store.TimeProvider.GetUtcNow();
        for (var i = 0; i < records.Length; i++)
        {
            records[i] = records[i] with { Offset = _end + i, Timestamp = records[i].Timestamp == default ? now : records[i].Timestamp.ToUniversalTime() };
        }

        var batch = new StreamBatch(_end, records, request.ProducerId, request.FirstSequence);
        await StoreAsync(batch).ConfigureAwait(false);
        Take(batch);
        _waiters.Advance(_end);
        return new AppendResult(batch.FirstOffset, false);
    }

    private void Take(StreamBatch batch)
    {
        var extent = new Extent(batch.FirstOffset, batch.Records.Length, 0, DateTimeOffset.MinValue);
        foreach (ref readonly var record in batch.Records.Span)
        {
            extent = extent with { Bytes = extent.Bytes + StreamRecordRules.SizeOf(in record), Newest = record.Timestamp > extent.Newest ? record.Timestamp : extent.Newest };
        }

        if (batch.ProducerId is not null)
        {
            _producers.Note(batch.ProducerId, batch.FirstSequence, batch.Records.Length, batch.FirstOffset);
        }

        _extents.Enqueue(extent);
        _bytes += extent.Bytes;
        _end += batch.Records.Length;
    }

    private async ValueTask<StreamPage> ReadInTurnAsync(long offset, int maxRecords, int maxBytes)
    {
        await RetainAsync().ConfigureAwait(false);
        if (offset < _earliest)
        {
            throw new OffsetOutOfRangeException(_context.Stream, _context.Partition, offset, _earliest);
        }

        if (offset >= _end)
        {
            return new StreamPage(default, offset, _end);
        }

        var loaded = await LoadCheckedAsync(offset, maxRecords, maxBytes).ConfigureAwait(false);
        var page = new List<StreamRecord>(loaded.Count);
        var bytes = 0L;
        foreach (var record in loaded)
        {
            bytes += StreamRecordRules.SizeOf(in record);
            if (page.Count > 0 && bytes > maxBytes)
            {
                break;
            }

            page.Add(record);
        }

        return new StreamPage(page.ToArray(), offset + page.Count, _end);
    }

    // Senders may set timestamps, so they need not rise: batches are looked at from the first on, and passed over by their highest timestamp.
    private async ValueTask<long> FindInTurnAsync(DateTimeOffset timestamp)
    {
        await RetainAsync().ConfigureAwait(false);
        foreach (var extent in _extents)
        {
            for (var offset = Math.Max(extent.First, _earliest); extent.Newest >= timestamp && offset < extent.Next;)
            {
                var count = (int)Math.Min(extent.Next - offset, MaxPageRecords);
                foreach (var record in await LoadCheckedAsync(offset, count, int.MaxValue).ConfigureAwait(false))
                {
                    if (record.Timestamp >= timestamp)
                    {
                        return record.Offset;
                    }

                    offset++;
                }
            }
        }

        return _end;
    }

    private async ValueTask<IReadOnlyList<StreamRecord>> LoadCheckedAsync(long offset, int maxRecords, int maxBytes)
    {
        var count = (int)Math.Min(maxRecords, _end - offset);
        var records = await LoadAsync(offset, count, maxBytes).ConfigureAwait(false);
        return records.Count >= 1 && records.Count <= count && records[0].Offset == offset
            ? records
            : throw new InvalidOperationException(
                $"{GetType().Name}.LoadAsync was asked for at most {count} records from offset {offset}, and returned {records.Count}{(records.Count == 0 ? "" : $" from {records[0].Offset}")}.");
    }

    /// <summary>By count the start moves to the record; by bytes and age from batch to batch.</summary>
    private async ValueTask RetainAsync()
    {
        var retention = Volatile.Read(ref _retention);
        if (retention == StreamRetention.Forever)
        {
            return;
        }

        var earliest = Math.Max(_earliest, _end - (retention.MaxRecords ?? _end));
        var oldest = retention.MaxAge is { } age ? _store.TimeProvider.GetUtcNow() - age : DateTimeOffset.MinValue;
        var bytes = _bytes;
        foreach (var extent in _extents)
        {
            if (!(extent.Next <= earliest || bytes - extent.Bytes >= retention.MaxBytes || extent.Newest < oldest))
            {
                break;
            }

            earliest = Math.Max(earliest, extent.Next);
            bytes -= extent.Bytes;
        }

        await MoveStartAsync(earliest).ConfigureAwait(false);
    }

    private async ValueTask MoveStartAsync(long earliest)
    {
        if (earliest > _earliest)
        {
            await RemoveBeforeAsync(earliest).ConfigureAwait(false);
            _earliest = earliest;
            ForgetExtents();
        }
    }

    private void ForgetExtents()
    {
        while (_extents.TryPeek(out var extent) && extent.Next <= _earliest)
        {
            _extents.Dequeue();
            _bytes -= extent.Bytes;
        }
    }

    /// <summary>What is remembered of a batch.</summary>
    private readonly record struct Extent(long First, int Count, long Bytes, DateTimeOffset Newest)
    {
        public long Next => First + Count;
    }
}
