using Millrace.Storage;
using Millrace.Storage.Http.Wire;
using Millrace.Streams;

namespace Millrace.Server.Api;

/// <summary>Records that somebody wants to append to a stream, spread over its partitions: where each asks to be, or by its key, or all that have none to one partition in turn.</summary>
/// <param name="records">The records, with the partitions that they ask for.</param>
/// <param name="producer">The idempotent producer; null for none.</param>
/// <param name="sequence">Its sequence number of the first record; each further one has the next.</param>
internal sealed class RecordSpread(IReadOnlyList<(StreamRecord Record, int? Partition)> records, string? producer, long sequence)
{
    private static int s_turn;

    /// <summary>How many records there are.</summary>
    public int Count => records.Count;

    public static RecordSpread Read(ref WireReader json, int maxBatch)
    {
        List<(StreamRecord Record, int? Partition)> records = [];
        int? ofAll = null;
        string? producer = null;
        var sequence = 0L;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.Records))
            {
                json.BeginArray();
                while (json.NextElement())
                {
                    if (records.Count == maxBatch)
                    {
                        throw new WireFormatException($"A batch has at most {maxBatch} records here.");
                    }

                    records.Add(StreamWire.ReadNewRecord(ref json));
                }
            }
            else if (json.Is(WireNames.Partition))
            {
                ofAll = json.IsNull() ? null : json.Number(0, StreamPartitionContext.MaxPartitions - 1);
            }
            else if (json.Is(WireNames.ProducerId))
            {
                producer = json.OptionalText();
            }
            else if (json.Is(WireNames.FirstSequence))
            {
                sequence = json.Number(0, long.MaxValue);
            }
            else
            {
                json.Unknown(WireNames.Records, WireNames.Partition, WireNames.ProducerId, WireNames.FirstSequence);
            }
        }

        return new RecordSpread([.. records.Select(record => (record.Record, record.Partition ?? ofAll))], producer, sequence);
    }

    /// <summary>An append for each partition that gets something, in the order in which they get it.</summary>
    /// <remarks>
    /// Of an idempotent producer, the records of a partition take the sequences from that of their first one on. They are below those of the next batch, and a repeat of the batch is
    /// spread alike, so each partition tells the repeat.
    /// </remarks>
    /// <exception cref="Errors.PartitionNotFoundException">A record asks for a partition that is not there.</exception>
    public IReadOnlyList<RecordPart> Over(StreamInfo stream)
    {
        if (producer is not null && sequence > long.MaxValue - Math.Max(Count, 1))
        {
            throw new InvalidMessageException($"The append was refused: its first sequence is {sequence}, and {Count} records do not fit behind it.");
        }

        var partitions = stream.Settings.Partitions;
        var keyless = (int)((producer is null ? (uint)Interlocked.Increment(ref s_turn) : sequence) % partitions);
        var positions = new Dictionary<int, List<int>>();
        for (var i = 0; i < records.Count; i++)
        {
            var (record, wanted) = records[i];
            var partition = wanted ?? (record.Key.IsEmpty ? keyless : StreamPartitioner.PartitionOf(record.Key.Span, partitions));
            if (partition >= partitions)
            {
                throw new Errors.PartitionNotFoundException(stream.Name, partition, partitions);
            }

            if (!positions.TryGetValue(partition, out var ofPartition))
            {
                positions[partition] = ofPartition = [];
            }

            ofPartition.Add(i);
        }

        return [.. positions.Select(pair => new RecordPart(pair.Key, pair.Value, new AppendRequest(pair.Value.Select(i => records[i].Record).ToArray())
        {
            ProducerId = producer,
            FirstSequence = sequence + pair.Value[0],
        }))];
    }
}

/// <summary>The records for one partition.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Positions">Where they stand among those that were asked for.</param>
/// <param name="Request">The append.</param>
internal sealed record RecordPart(int Partition, IReadOnlyList<int> Positions, AppendRequest Request);
