using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Streams;

public sealed partial class StreamConsumer<T>
{
    /// <summary>Fetches until the buffer has something that may be handed out, or the time is over.</summary>
    private async ValueTask FetchAsync(int maxRecords, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var clock = _environment.TimeProvider;
        using var deadline = new WakingDeadline(clock, clock.GetTimestamp(), timeout, _wake);
        var isSweep = true;
        await using var stop = cancellationToken.UnsafeRegister(static wake => ((AsyncSignal)wake!).Set(), _wake).ConfigureAwait(false);
        while (true)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            cancellationToken.ThrowIfCancellationRequested();
            if (_member is { IsConfirmed: false } member)
            {
                // Others may have taken the partitions: nothing is handed out before that is known.
                await member.StepAsync(cancellationToken).ConfigureAwait(false);
            }

            if (HasBuffered() || await FetchRoundAsync(maxRecords, isSweep, cancellationToken).ConfigureAwait(false) || !deadline.Arm())
            {
                return;
            }

            // The first look is at every partition: what was appended a moment ago may not have woken anybody yet.
            isSweep = false;
            await _wake.WaitAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Looks once at the partitions that may have something, each in its turn.</summary>
    /// <returns>Whether the buffer has something now.</returns>
    private async ValueTask<bool> FetchRoundAsync(int maxRecords, bool isSweep, CancellationToken cancellationToken)
    {
        List<ConsumedPartition> partitions;
        lock (_gate)
        {
            // From where the last round ended, so that a busy partition does not hold back the others.
            partitions = [.. _partitions.Values.Where(partition => partition.IsReadable && (isSweep || partition.IsReady))];
            var first = partitions.FindIndex(partition => partition.Number >= _turn);
            if (first > 0)
            {
                partitions = [.. partitions[first..], .. partitions[..first]];
            }
        }

        var fetched = 0;
        foreach (var partition in partitions)
        {
            if (fetched >= maxRecords)
            {
                break;
            }

            try
            {
                fetched += await FetchPartitionAsync(partition, maxRecords - fetched, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception exception) when (fetched > 0 && exception is MillraceException)
            {
                // What the others gave is returned; the fault is met again by the next read, which begins here.
                _turn = partition.Number;
                return true;
            }

            _turn = partition.Number + 1;
        }

        return fetched > 0;
    }

    private async ValueTask<int> FetchPartitionAsync(ConsumedPartition partition, int maxRecords, CancellationToken cancellationToken)
    {
        long offset;
        int generation;
        lock (_gate)
        {
            (offset, generation) = (partition.Fetched, partition.Generation);
        }

        StreamPage page;
        try
        {
            page = await partition.Log.ReadWithinAsync(Stream, partition.Number, offset, maxRecords, _options.FetchBytes, cancellationToken).ConfigureAwait(false);
        }
        catch (OffsetOutOfRangeException trimmed) when (trimmed.End is null && _options.WhenTrimmed == OffsetReset.Earliest)
        {
            _environment.Logger.OffsetReset(offset, Stream, partition.Number, trimmed.Earliest);
            lock (_gate)
            {
                if (partition.Generation == generation)
                {
                    partition.Skip(trimmed.Earliest);
                }
            }

            return await FetchPartitionAsync(partition, maxRecords, cancellationToken).ConfigureAwait(false);
        }
        catch (BackendUnavailableException)
        {
            // So does a partition that was deleted answer, for ever.
            await RequireSameStreamAsync(cancellationToken).ConfigureAwait(false);
            throw;
        }

        using (page)
        {
            var messages = new StreamMessage<T>[page.Records.Length];
            var count = Read(partition, page.Records.Span, messages);
            bool mustWait;
            lock (_gate)
            {
                if (partition.Generation != generation || !partition.IsReadable)
                {
                    return 0;
                }

                for (var i = 0; i < count; i++)
                {
                    _buffer.Enqueue(new Buffered(partition, generation, messages[i]));
                }

                var next = count < messages.Length ? messages[count - 1].Offset + 1 : page.NextOffset;
                mustWait = partition.NoteFetched(next, next < page.EndOffset);
            }

            if (mustWait)
            {
                partition.Wait(_wake);
            }

            return count;
        }
    }

    private async ValueTask RequireSameStreamAsync(CancellationToken cancellationToken)
    {
        var now = await _environment.Catalog.GetAsync(Stream, cancellationToken).ConfigureAwait(false) ?? throw new StreamNotFoundException(Stream);
        if (now.CreatedAt != _stream!.CreatedAt)
        {
            throw new StreamMismatchException($"Stream '{Stream}' was deleted and created again while this consumer read it: its offsets mean other records now. Make a new consumer.");
        }
    }

    /// <summary>Turns records into messages, up to the first that cannot be; that one is the fault of a read of its own.</summary>
    private int Read(ConsumedPartition partition, ReadOnlySpan<StreamRecord> records, StreamMessage<T>[] messages)
    {
        for (var i = 0; i < records.Length; i++)
        {
            try
            {
                messages[i] = Read(partition, in records[i]);
            }
            catch (MessageSerializationException) when (i > 0)
            {
                return i;
            }
        }

        return records.Length;
    }

    private StreamMessage<T> Read(ConsumedPartition partition, in StreamRecord record)
    {
        string? contentType = null;
        record.Headers?.TryGetValue(StreamContentType.Header, out contentType);
        try
        {
            var serializer = _serializers.ForReading(typeof(T), contentType, _writer);

            // The page takes its memory back, and a value may be that memory.
            var body = typeof(T) == typeof(ReadOnlyMemory<byte>) ? record.Body.ToArray() : record.Body;
            return new StreamMessage<T>(
                serializer.Deserialize<T>(body),
                partition.Number,
                record.Offset,
                record.Key.IsEmpty ? default : record.Key.ToArray(),
                record.Headers ?? MessageHeaders.Empty,
                record.Timestamp,
                partition.Claim?.Epoch ?? 0);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw new MessageSerializationException(
                $"Record {record.Offset} of stream '{Stream}', partition {partition.Number} ({record.Body.Length:N0} bytes), cannot be read as {typeof(T).Name}: {exception.Message} "
                + $"Seek to {record.Offset + 1} to go on after it.",
                contentType,
                exception);
        }
    }

    private bool HasBuffered()
    {
        lock (_gate)
        {
            while (_buffer.TryPeek(out var next))
            {
                if (next.IsWanted)
                {
                    return true;
                }

                _buffer.Dequeue();
            }

            return false;
        }
    }

    private List<StreamMessage<T>> Take(int maxRecords)
    {
        var messages = new List<StreamMessage<T>>();
        lock (_gate)
        {
            while (messages.Count < maxRecords && _buffer.TryDequeue(out var next))
            {
                if (next.IsWanted)
                {
                    next.Partition.NoteDelivered(next.Message.Offset);
                    messages.Add(next.Message);
                }
            }
        }

        return messages;
    }

    private void NoteHandled()
    {
        var isRevoking = false;
        lock (_gate)
        {
            foreach (var partition in _partitions.Values)
            {
                partition.NoteHandled();
                isRevoking |= partition.IsRevoking;
            }
        }

        if (isRevoking)
        {
            _member?.Stir();
        }
    }

    /// <summary>A message that was fetched and not handed out.</summary>
    private readonly record struct Buffered(ConsumedPartition Partition, int Generation, StreamMessage<T> Message)
    {
        /// <summary>Whether nobody has paused, moved or lost the partition since.</summary>
        public bool IsWanted => Partition.Generation == Generation;
    }
}
