using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Streams;

/// <summary>One opening of a partition in Redis.</summary>
internal sealed class RedisStreamPartition(RedisStreamStore store, string stream, int number, PartitionFeed feed) : IStreamPartition
{
    // A page is read in one call of the server, which does nothing else meanwhile.
    private const int MaxPageBytes = 8 * 1024 * 1024;

    private readonly CancellationTokenSource _closing = new();
    private int _isDisposed;

    public async ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default)
    {
        Require();
        StreamRecordRules.Require(in request, store.Capabilities);
        cancellationToken.ThrowIfCancellationRequested();
        var call = feed.Scripts.Append().Add(feed.Incarnation).Add(store.PublishCommand).Add(feed.Scripts.Channel).Add(request.ProducerId ?? "");
        call = AddSequence(AddSequence(call, request.FirstSequence), request.FirstSequence + request.Records.Length - 1);
        RecordCodec.AddRows(call, request.Records.Span);

        // Sent twice, an append without a producer would be stored twice.
        call = request.ProducerId is null ? call : call.MayRepeat();
        return ToResult(await store.Writes.ExecuteAsync(call, cancellationToken).ConfigureAwait(false), in request);
    }

    public async ValueTask<StreamPage> ReadAsync(long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRecords, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        Require();
        var known = feed.End;
        maxBytes = Math.Min(maxBytes, MaxPageBytes);
        var call = feed.Scripts.Read().Add(feed.Incarnation).Add(offset).Add(maxRecords).Add(maxBytes);
        var reply = await ExecuteAsync(call, cancellationToken).ConfigureAwait(false);
        if (reply.Items[0].ToInteger() == 2)
        {
            throw new OffsetOutOfRangeException(stream, number, offset, reply.Items[1].ToInteger());
        }

        var end = reply.Items[1].ToInteger();
        if (end < known)
        {
            feed.GoBack(known, end);
        }

        feed.Advance(end);

        return ToPage(reply.Items[2].Items, offset, maxRecords, maxBytes, end);
    }

    public ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        Require();
        cancellationToken.ThrowIfCancellationRequested();
        return feed.WaitAsync(offset, cancellationToken, _closing.Token);
    }

    public async ValueTask<long> FindOffsetAsync(DateTimeOffset timestamp, CancellationToken cancellationToken = default)
    {
        Require();
        long? from = null;
        while (true)
        {
            var call = AddSequence(feed.Scripts.Find().Add(feed.Incarnation), timestamp.UtcTicks);
            call = from is { } at ? call.Add(at) : call.Add("");
            var reply = await ExecuteAsync(call, cancellationToken).ConfigureAwait(false);
            switch (reply.Items[0].ToInteger())
            {
                case 1:
                    var row = StoredRow.Of(reply.Items[3]);
                    RecordCodec.Check(in row, stream, number);
                    if (RecordCodec.Find(in row, Math.Max(reply.Items[2].ToInteger(), from ?? 0), timestamp) is { } found)
                    {
                        return found;
                    }

                    from = row.Next;
                    break;
                case 2:
                    from = reply.Items[1].ToInteger();
                    break;
                default:
                    return reply.Items[1].ToInteger();
            }
        }
    }

    /// <summary>How durable an append is, is the server's setting: there is nothing more to ask of it.</summary>
    public async ValueTask FlushAsync(CancellationToken cancellationToken = default) => await GetStatsAsync(cancellationToken).ConfigureAwait(false);

    public async ValueTask TrimAsync(long beforeOffset, CancellationToken cancellationToken = default)
    {
        Require();
        var reply = RequireThere(await store.Writes.ExecuteAsync(feed.Scripts.Trim().Add(feed.Incarnation).Add(beforeOffset), cancellationToken).ConfigureAwait(false));
        if (reply.Items[0].ToInteger() == 2)
        {
            throw new ArgumentOutOfRangeException(
                nameof(beforeOffset), beforeOffset, $"Partition {number} of stream '{stream}' ends at offset {reply.Items[1].ToInteger()}: what lies beyond it cannot be trimmed.");
        }
    }

    public async ValueTask<StreamPartitionStats> GetStatsAsync(CancellationToken cancellationToken = default)
    {
        Require();
        var reply = await ExecuteAsync(feed.Scripts.Stats().Add(feed.Incarnation), cancellationToken).ConfigureAwait(false);
        return new StreamPartitionStats(reply.Items[1].ToInteger(), reply.Items[2].ToInteger(), reply.Items[3].ToInteger());
    }

    // The source has no timer and no handle, so it is left to the garbage collector: a wait that begins meanwhile may still look at it.
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            await _closing.CancelAsync().ConfigureAwait(false);
            await store.ReleaseAsync(feed).ConfigureAwait(false);
        }
    }

    private static RedisCommand AddSequence(RedisCommand call, long sequence) =>
        call.Add(Math.Max(0, sequence).ToString(RecordCodec.Digits, System.Globalization.CultureInfo.InvariantCulture));

    private async ValueTask<RedisReply> ExecuteAsync(RedisCommand call, CancellationToken cancellationToken) =>
        RequireThere(await store.Executor.ExecuteAsync(call, cancellationToken).ConfigureAwait(false));

    private RedisReply RequireThere(RedisReply reply) => reply.Items[0].ToInteger() == 0 ? throw feed.Deleted() : reply;

    private AppendResult ToResult(RedisReply reply, in AppendRequest request)
    {
        var items = RequireThere(reply).Items;
        switch (items[0].ToInteger())
        {
            case 1:
                feed.Advance(items[2].ToInteger());
                return new AppendResult(items[1].ToInteger(), false);
            case 2:
                feed.Advance(items[3].ToInteger());
                var offset = items[1].ToInteger();
                return new AppendResult(offset < 0 ? offset : offset + (request.FirstSequence - items[2].ToInteger()), true);
            default:
                throw new InvalidMessageException(
                    $"The append was refused: it has the sequences {request.FirstSequence} to {request.FirstSequence + request.Records.Length - 1} of producer '{request.ProducerId}', "
                    + $"of which those up to {items[1].ToInteger()} are stored already. Repeat an append as it was, or go on after the last sequence.");
        }
    }

    private StreamPage ToPage(ReadOnlySpan<RedisReply> replies, long offset, int maxRecords, int maxBytes, long end)
    {
        var rows = new StoredRow[replies.Length];
        var available = 0L;
        for (var i = 0; i < rows.Length; i++)
        {
            rows[i] = StoredRow.Of(replies[i]);
            available += rows[i].Next - Math.Max(rows[i].First, offset);
        }

        var records = new StreamRecord[(int)Math.Min(available, maxRecords)];
        var (count, bytesLeft) = (0, (long)maxBytes);
        foreach (ref readonly var row in rows.AsSpan())
        {
            try
            {
                RecordCodec.Check(in row, stream, number);
            }
            catch (StorageCorruptException) when (count > 0)
            {
                // What stands before the damage is given out; the next read meets it.
                break;
            }

            if (!RecordCodec.Decode(in row, offset, records, ref count, ref bytesLeft))
            {
                break;
            }
        }

        return new StreamPage(records.AsMemory(0, count), offset + count, end);
    }

    private void Require()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed) != 0, this);
        store.RequireUsable();
    }
}
