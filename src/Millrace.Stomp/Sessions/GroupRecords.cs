using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.Stomp.Sessions;

/// <summary>
/// Records of a member of a consumer group. Committed is, in each partition, what has been acknowledged without a gap; what a partition's next owner gets again is what was not. A commit
/// that is refused because the partition has another owner by now is none of the client's business, as a lost lease is not.
/// </summary>
internal sealed class GroupRecords(StreamConsumer<byte[]> consumer) : RecordSource
{
    private readonly Lock _gate = new();

    // By epoch and partition, so that what came under an earlier claim is not taken for what came under this one.
    private readonly Dictionary<ulong, Queue<Entry>> _open = [];
    private readonly Dictionary<LeaseToken, Entry> _byPlace = [];
    private readonly Dictionary<ulong, StreamMessage<byte[]>> _handled = [];

    public override async ValueTask<IReadOnlyList<SourcedRecord>> ReadAsync(int maxRecords, CancellationToken cancellationToken)
    {
        var messages = await consumer.ReadAsync(maxRecords, Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
        var records = new SourcedRecord[messages.Count];
        lock (_gate)
        {
            for (var i = 0; i < records.Length; i++)
            {
                var message = messages[i];
                var record = new StreamRecord { Offset = message.Offset, Key = message.KeyBytes, Headers = message.Headers, Timestamp = message.Timestamp, Body = message.Value };
                records[i] = new SourcedRecord(message.Partition, record, message.Epoch);
                Note(records[i].Place, message);
            }
        }

        return records;
    }

    public override void Acknowledge(LeaseToken place)
    {
        lock (_gate)
        {
            if (!_byPlace.Remove(place, out var acknowledged))
            {
                return;
            }

            acknowledged.IsHandled = true;
            var open = _open[place.High];
            while (open.TryPeek(out var first) && first.IsHandled)
            {
                _handled[place.High] = open.Dequeue().Message;
            }

            if (open.Count == 0)
            {
                _open.Remove(place.High);
            }
        }
    }

    public override async ValueTask CommitAsync()
    {
        StreamMessage<byte[]>[] handled;
        lock (_gate)
        {
            handled = [.. _handled.Values];
            _handled.Clear();
        }

        foreach (var message in handled)
        {
            await consumer.CommitAsync(message, CancellationToken.None).ConfigureAwait(false);
        }
    }

    public override ValueTask DisposeAsync() => consumer.DisposeAsync();

    private void Note(LeaseToken place, StreamMessage<byte[]> message)
    {
        if (!_open.TryGetValue(place.High, out var open))
        {
            _open[place.High] = open = new Queue<Entry>();
        }

        var entry = new Entry(message);
        open.Enqueue(entry);
        _byPlace[place] = entry;
    }

    private sealed class Entry(StreamMessage<byte[]> message)
    {
        public StreamMessage<byte[]> Message => message;

        public bool IsHandled { get; set; }
    }
}
