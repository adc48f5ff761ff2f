using Millrace.Storage;

namespace Millrace.Testing.Streams;

/// <summary>What one partition must answer, in the simplest words: a list that only grows, and where it begins.</summary>
internal sealed class StreamModel(StreamRetention retention)
{
    private readonly Dictionary<string, List<(long Sequence, long Offset)>> _producers = new(StringComparer.Ordinal);

    /// <summary>Every record that was ever appended; its index is its offset.</summary>
    public List<StreamRecord> Records { get; } = [];

    /// <summary>What was trimmed by somebody: below it nothing may be readable.</summary>
    public long Trimmed { get; private set; }

    /// <summary>The highest start that retention allows: what lies beyond it must be readable.</summary>
    public long KeptFrom { get; private set; }

    public long End => Records.Count;

    /// <summary>The offset of the first of the records, and whether they were there before; null when the append must be refused.</summary>
    public (long First, bool IsRepeat)? Append(StreamRecord[] records, string? producer, long firstSequence)
    {
        if (producer is not null && records.Length > 0)
        {
            var known = _producers.TryGetValue(producer, out var found) ? found : _producers[producer] = [];
            var last = known.Count == 0 ? -1 : known[^1].Sequence;
            if (firstSequence <= last)
            {
                var at = known.FindIndex(one => one.Sequence == firstSequence);
                return firstSequence + records.Length - 1 > last ? null : (at < 0 ? -1 : known[at].Offset, true);
            }

            for (var i = 0; i < records.Length; i++)
            {
                known.Add((firstSequence + i, End + i));
            }
        }

        var first = End;
        Records.AddRange(records);
        Retain();
        return (first, false);
    }

    public void Trim(long before)
    {
        Trimmed = Math.Max(Trimmed, before);
        KeptFrom = Math.Max(KeptFrom, Trimmed);
    }

    public long Find(DateTimeOffset timestamp, long earliest)
    {
        var found = Records.FindIndex((int)earliest, record => record.Timestamp >= timestamp);
        return found < 0 ? End : found;
    }

    private void Retain()
    {
        var kept = End;
        var bytes = 0L;
        while (kept > 0)
        {
            var record = Records[(int)kept - 1];
            bytes += StreamRecordRules.SizeOf(in record);
            if (End - kept + 1 > retention.MaxRecords || bytes > retention.MaxBytes)
            {
                break;
            }

            kept--;
        }

        KeptFrom = Math.Max(KeptFrom, kept);
    }
}
