using System.Text;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.Stomp.Sessions;

/// <summary>What SEND frames append to one stream: gathered messages, an append for each partition.</summary>
internal sealed class StreamAppends(BrokerResources resources, string stream)
{
    private int _turn;

    /// <summary>Appends messages, in order within each partition.</summary>
    /// <returns>The position of the first that was not stored, and why; null when all were. Those of another partition that came after it may have been stored.</returns>
    public async ValueTask<(int Index, MillraceException Reason)?> AppendAsync(ReadOnlyMemory<Envelope> messages)
    {
        StreamInfo info;
        try
        {
            info = await resources.Streams!.GetAsync(stream, CancellationToken.None).ConfigureAwait(false) ?? throw new StreamNotFoundException(stream);
        }
        catch (MillraceException exception)
        {
            return (0, exception);
        }

        // What is wrong with a message is found before anything is stored: by STOMP those before it are stored, those after it not.
        var (records, bad) = Read(messages.Span, info);
        foreach (var part in records.GroupBy(record => record.Partition))
        {
            var numbered = part.ToArray();
            for (var from = 0; from < numbered.Length;)
            {
                var count = Fitting(numbered.AsSpan(from));
                try
                {
                    var log = await resources.Streams.OpenPartitionAsync(stream, part.Key, CancellationToken.None).ConfigureAwait(false);
                    var appended = Array.ConvertAll(numbered[from..(from + count)], record => record.Record);
                    await log.AppendAsync(new AppendRequest(appended), CancellationToken.None).ConfigureAwait(false);
                }
                catch (MillraceException exception)
                {
                    return (numbered[from].Index, exception);
                }

                from += count;
            }
        }

        return bad;
    }

    private (List<(int Index, int Partition, StreamRecord Record)> Records, (int Index, MillraceException Reason)? Bad) Read(ReadOnlySpan<Envelope> messages, StreamInfo info)
    {
        var records = new List<(int, int, StreamRecord)>(messages.Length);
        var keyless = (int)((uint)_turn++ % info.Settings.Partitions);
        for (var i = 0; i < messages.Length; i++)
        {
            try
            {
                var record = RecordOf(in messages[i], out var asked);
                StreamRecordRules.Require(new AppendRequest(new[] { record }), resources.StreamCapabilities!);
                var partition = asked ?? (record.Key.IsEmpty ? keyless : StreamPartitioner.PartitionOf(record.Key.Span, info.Settings.Partitions));
                records.Add(partition < info.Settings.Partitions
                    ? (i, partition, record)
                    : throw new InvalidMessageException($"Stream '{stream}' has no partition {partition}: it has {info.Settings.Partitions}, numbered from 0."));
            }
            catch (InvalidMessageException exception)
            {
                return (records, (i, exception));
            }
        }

        return (records, null);
    }

    private int Fitting(ReadOnlySpan<(int Index, int Partition, StreamRecord Record)> records)
    {
        var (count, bytes) = (0, 0L);
        while (count < records.Length)
        {
            var record = records[count].Record;
            bytes += StreamRecordRules.SizeOf(in record);
            if (count > 0 && bytes > resources.StreamCapabilities!.MaxAppendBytes)
            {
                break;
            }

            count++;
        }

        return count;
    }

    private static StreamRecord RecordOf(in Envelope message, out int? partition)
    {
        partition = null;
        if (message.Delay > TimeSpan.Zero || message.TimeToLive is not null)
        {
            throw new InvalidMessageException("A stream has neither delays nor expiries: send to a queue, or leave the header out.");
        }

        var headers = message.Headers ?? MessageHeaders.Empty;
        if (headers.TryGetValue(StreamPlace.PartitionHeader, out var asked))
        {
            partition = int.TryParse(asked, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number)
                ? number
                : throw new InvalidMessageException($"The header {StreamPlace.PartitionHeader} must be a whole number of 0 or more, not '{Destination.Shown(asked)}'.");
        }

        if (headers.ContainsKey(StreamPlace.PartitionHeader) || headers.ContainsKey(StreamPlace.KeyHeader))
        {
            headers = MessageHeaders.Create(headers.Where(header => header.Key is not (StreamPlace.PartitionHeader or StreamPlace.KeyHeader)));
        }

        return new StreamRecord
        {
            Key = message.Key is { } key ? Encoding.UTF8.GetBytes(key) : default,
            Body = message.Body,
            Headers = message.ContentType is { } type && !StreamContentType.IsJson(type) ? MessageHeaders.Create([.. headers, new(StreamContentType.Header, type)]) : headers,
        };
    }
}
