using System.Diagnostics;

namespace Millrace.Storage.InMemory;

/// <summary>The records of one partition in memory. Safe for concurrent use.</summary>
internal sealed class InMemoryStreamLog(string stream, int partition, MonotonicClock clock)
{
    // Records of one append share arrays of so much: one is collected when the last of its records is gone.
    private const int MaxSharedBytes = 64 * 1024;

    private readonly Lock _gate = new();
    private readonly KeptRecords _records = new();
    private readonly ProducerSequences _producers = new();
    private readonly StreamWaiters _waiters = new();
    private StreamRetention _retention = StreamRetention.Forever;
    private long _earliest;
    private long _bytes;
    private Func<Exception>? _end;

    private long EndLocked => _earliest + _records.Count;

    public void SetRetention(StreamRetention retention)
    {
        lock (_gate)
        {
            _retention = retention;
            RetainLocked();
        }
    }

    /// <summary>Appends records that have been checked, and copies them.</summary>
    public AppendResult Append(in AppendRequest request, long bytes)
    {
        var records = request.Records.Span;
        var content = CopyOfContent(records);
        long first, end;
        lock (_gate)
        {
            ThrowIfEndedLocked();
            first = EndLocked;
            if (request.ProducerId is { } producer && records.Length > 0)
            {
                if (_producers.FindRepeat(producer, request.FirstSequence, records.Length) is { } repeat)
                {
                    return repeat;
                }

                _producers.Note(producer, request.FirstSequence, records.Length, first);
            }

            KeepLocked(records, content);
            _bytes += bytes;
            end = EndLocked;
            RetainLocked();
        }

        _waiters.Advance(end);
        return new AppendResult(first, false);
    }

    public StreamPage Read(long offset, int maxRecords, int maxBytes)
    {
        lock (_gate)
        {
            ThrowIfEndedLocked();
            RetainLocked();
            var end = EndLocked;
            if (offset < _earliest)
            {
                throw new OffsetOutOfRangeException(stream, partition, offset, _earliest);
            }

            if (offset >= end)
            {
                return new StreamPage(default, offset, end);
            }

            var start = (int)(offset - _earliest);
            var count = 0;
            var bytes = 0L;
            while (count < maxRecords && start + count < _records.Count)
            {
                bytes += SizeOf(start + count);
                if (count > 0 && bytes > maxBytes)
                {
                    break;
                }

                count++;
            }

            var page = new StreamRecord[count];
            for (var i = 0; i < count; i++)
            {
                page[i] = _records[start + i].At(offset + i);
            }

            return new StreamPage(page, offset + count, end);
        }
    }

    public ValueTask WaitForAsync(long offset, CancellationToken cancellationToken, CancellationToken closing) =>
        _waiters.WaitAsync(offset, cancellationToken, closing);

    public long Find(DateTimeOffset timestamp)
    {
        lock (_gate)
        {
            ThrowIfEndedLocked();
            RetainLocked();

            // Senders may set timestamps, so they need not rise: only looking finds the first one.
            var found = 0;
            while (found < _records.Count && _records[found].TimestampTicks < timestamp.UtcTicks)
            {
                found++;
            }

            return _earliest + found;
        }
    }

    /// <returns>The start of the partition.</returns>
    public long Trim(long beforeOffset)
    {
        lock (_gate)
        {
            ThrowIfEndedLocked();
            ArgumentOutOfRangeException.ThrowIfGreaterThan(beforeOffset, EndLocked);
            while (_earliest < beforeOffset)
            {
                DropFirstLocked();
            }

            return _earliest;
        }
    }

    public StreamPartitionStats GetStats()
    {
        lock (_gate)
        {
            ThrowIfEndedLocked();
            RetainLocked();
            return new StreamPartitionStats(_earliest, EndLocked, _bytes);
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

    /// <summary>The keys and bodies of an append, one after the other, in as many arrays as keep each out of the heap of large objects where it can be.</summary>
    private static byte[][] CopyOfContent(ReadOnlySpan<StreamRecord> records)
    {
        var arrays = new List<byte[]>(1);
        for (var from = 0; from < records.Length;)
        {
            var (to, size) = (from, 0);
            do
            {
                size += records[to].Key.Length + records[to].Body.Length;
                to++;
            }
            while (to < records.Length && size + records[to].Key.Length + records[to].Body.Length <= MaxSharedBytes);

            var array = GC.AllocateUninitializedArray<byte>(size);
            var written = 0;
            for (; from < to; from++)
            {
                records[from].Key.Span.CopyTo(array.AsSpan(written));
                written += records[from].Key.Length;
                records[from].Body.Span.CopyTo(array.AsSpan(written));
                written += records[from].Body.Length;
            }

            arrays.Add(array);
        }

        return [.. arrays];
    }

    private void KeepLocked(ReadOnlySpan<StreamRecord> records, byte[][] content)
    {
        var now = clock.UtcNow;
        var (array, written) = (0, 0);
        foreach (ref readonly var record in records)
        {
            var size = record.Key.Length + record.Body.Length;
            if (written + size > content[array].Length)
            {
                (array, written) = (array + 1, 0);
            }

            var timestamp = record.Timestamp == default ? now : record.Timestamp;
            _records.Add(new KeptRecord(content[array], written, record.Key.Length, record.Body.Length, record.Headers, timestamp.UtcTicks));
            written += size;
        }
    }

    private void RetainLocked()
    {
        var oldest = _retention.MaxAge is { } age ? (clock.UtcNow - age).UtcTicks : long.MinValue;
        while (_records.Count > 0 && (_records.Count > _retention.MaxRecords || _bytes > _retention.MaxBytes || _records[0].TimestampTicks < oldest))
        {
            DropFirstLocked();
        }
    }

    private void DropFirstLocked()
    {
        _bytes -= SizeOf(0);
        _records.RemoveFirst();
        _earliest++;
    }

    private long SizeOf(int index)
    {
        var record = _records[index].At(offset: 0);
        return StreamRecordRules.SizeOf(in record);
    }

    private void ThrowIfEndedLocked()
    {
        Debug.Assert(_gate.IsHeldByCurrentThread, "The gate is held.");
        if (_end is not null)
        {
            throw _end();
        }
    }
}
