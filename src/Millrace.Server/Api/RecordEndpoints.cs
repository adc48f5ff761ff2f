using System.Globalization;
using Microsoft.AspNetCore.Http;
using Millrace.Serialization;
using Millrace.Server.Errors;
using Millrace.Server.Security;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Records of streams: appending one or many, reading by offset, following, trimming; and the partitions' contract for the <c>http:</c> backend.</summary>
internal static class RecordEndpoints
{
    private const int MostPageBytes = 64 * 1024 * 1024;

    // So many times the messages of a batch: records in bytes are small.
    private const int RecordsPerMessage = 10;

    private static readonly NumberParameter Wanted = new("partition", "The partition; by the key unless set.", null, 0, StreamPartitionContext.MaxPartitions - 1);
    private static readonly TextParameter Producer = new("producerId", "An idempotent producer's name: a repeat is stored once.");
    private static readonly NumberParameter Sequence = new("sequence", "The producer's sequence number of the record.", 0, 0, long.MaxValue);
    private static readonly NumberParameter Offset = new("offset", "The first offset.", 0, 0, long.MaxValue);
    private static readonly NumberParameter Limit = new("limit", "The most records of a page; a server may give fewer.", 100, 1, int.MaxValue);
    private static readonly NumberParameter MaxBytes = new("maxBytes", "The most bytes of keys, headers and bodies; one record is given even if it is larger.", 1024 * 1024, 1, int.MaxValue);
    private static readonly NumberParameter WaitMs = new("waitMs", "How long to wait for a first record, in milliseconds.", 0, 0, long.MaxValue);
    private static readonly NumberParameter Beyond = new("beyond", "Waits until the partition's end is beyond this offset: 204 when the wait has passed.", null, 0, long.MaxValue);
    private static readonly ChoiceParameter<bool> PageFormat = new("format", $"JSON, or {RecordBytes.MediaType}.", ("json", false), ("bytes", true));
    private static readonly TextParameter Timestamp = new("timestamp", "A time such as 2026-01-31T08:30:00Z.");

    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Post, "streams/{stream}/records", "Appends one record: the body is the record's, of any type; Millrace-… headers say the rest.", AppendAsync)
        {
            Query = [Wanted, Producer, Sequence],
            Headers = MessageHeaderFields.RecordFields,
            Body = ApiBody.Bytes,
            Answer = "Appended",
            Success = [201, 200],
            Problems = [ProblemMap.InvalidMessage, ProblemMap.PartitionNotFound],
        },
        new(HttpMethods.Post, "streams/{stream}/batches", "Appends many records, those of each partition all or nothing.", AppendBatchAsync)
        {
            Body = ApiBody.Json("RecordBatch"),
            Answer = "AppendedBatch",
            Problems = [ProblemMap.InvalidMessage, ProblemMap.PartitionNotFound],
        },
        RecordFollowing.Route,
        new(HttpMethods.Get, "streams/{stream}/partitions/{partition}", "Where a partition begins and ends; or waits until it has grown.", GetPartitionAsync)
        {
            Query = [Beyond, WaitMs],
            Answer = "PartitionStats",
            Success = [200, 204],
        },
        new(HttpMethods.Put, "streams/{stream}/partitions/{partition}", "Opens a partition for a client library, and creates the stream if it is not there.", OpenPartitionAsync)
        {
            Body = ApiBody.Json("StreamSettings"),
            Problems = [ProblemMap.InvalidSettings, ProblemMap.StreamMismatch],
        },
        new(HttpMethods.Delete, "streams/{stream}/partitions/{partition}", "Removes a partition with its records, for a client library that deletes a stream.", DeletePartitionAsync)
        {
            AuditedAs = "stream.partition.delete",
            Answer = "PartitionRemoved",
        },
        new(HttpMethods.Get, "streams/{stream}/partitions/{partition}/records", "Reads a page of records from an offset on.", ReadAsync)
        {
            Query = [Offset, Limit, MaxBytes, WaitMs, PageFormat],
            Answer = "RecordPage",
            Problems = [ProblemMap.OffsetOutOfRange],
        },
        new(HttpMethods.Post, "streams/{stream}/partitions/{partition}/appends", "Appends records that come as bytes, all or nothing.", AppendBytesAsync)
        {
            Body = new ApiBody(RecordBytes.MediaType, null, true),
            Answer = "Appended",
            Problems = [ProblemMap.InvalidMessage],
        },
        new(HttpMethods.Get, "streams/{stream}/partitions/{partition}/offset", "The offset of the first record at or after a time; the end if there is none.", FindAsync)
        {
            Query = [Timestamp],
            Answer = "FoundOffset",
        },
        new(HttpMethods.Post, "streams/{stream}/partitions/{partition}/trim", "Removes the records before an offset.", TrimAsync)
        {
            AuditedAs = "stream.trim",
            Body = ApiBody.Json("Trim"),
        },
        new(HttpMethods.Post, "streams/{stream}/partitions/{partition}/flush", "Makes what was appended to a partition as durable as the store can.", FlushOneAsync),
    ];

    /// <summary>Flushes one partition.</summary>
    public static async ValueTask FlushAsync(ApiCall call, string stream, int partition) => await call.Instance.Partitions.UseAsync(
        stream,
        partition,
        async log =>
        {
            await log.FlushAsync(call.Aborted).ConfigureAwait(false);
            return true;
        },
        call.Aborted).ConfigureAwait(false);

    private static async Task AppendAsync(ApiCall call)
    {
        var stream = call.Stream(Permission.Send);
        int? wanted = call.Query(Wanted.Name) is null ? null : (int)Wanted.Read(call);
        var (producer, sequence) = (Producer.Read(call), Sequence.Read(call));
        using var body = await call.ReadBodyAsync().ConfigureAwait(false);
        var record = MessageHeaderFields.ReadRecord(call.Context.Request, body[..]);
        var (partition, result) = (await AppendAsync(call, stream, new RecordSpread([(record, wanted)], producer, sequence)).ConfigureAwait(false))[0];
        await call.WriteAsync(result.Duplicate ? 200 : 201, json => StreamWire.WriteAppended(json, partition, result)).ConfigureAwait(false);
    }

    private static async Task AppendBatchAsync(ApiCall call)
    {
        var stream = call.Stream(Permission.Send);
        var spread = await call.ReadJsonAsync((ref json) => RecordSpread.Read(ref json, call.Instance.Limits.MaxBatch)).ConfigureAwait(false);
        var results = await AppendAsync(call, stream, spread).ConfigureAwait(false);
        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray(WireNames.Records);
            foreach (var (partition, result) in results)
            {
                StreamWire.WriteAppended(json, partition, result);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    // Checked whole before the first partition gets anything, so that what is wrong with a record leaves nothing half done.
    private static async ValueTask<(int Partition, AppendResult Result)[]> AppendAsync(ApiCall call, string stream, RecordSpread spread)
    {
        var info = await call.Instance.Partitions.RequireAsync(stream, call.Aborted).ConfigureAwait(false);
        var parts = spread.Over(info);
        foreach (var part in parts)
        {
            StreamRecordRules.Require(part.Request, call.Instance.Streams.Capabilities);
        }

        var results = new (int, AppendResult)[spread.Count];
        for (var i = 0; i < parts.Count; i++)
        {
            var part = parts[i];
            try
            {
                var result = await call.Instance.Partitions
                    .UseAsync(stream, part.Partition, log => log.AppendAsync(part.Request, call.Aborted), call.Aborted)
                    .ConfigureAwait(false);
                for (var j = 0; j < part.Positions.Count; j++)
                {
                    results[part.Positions[j]] = (part.Partition, result with { FirstOffset = result.FirstOffset < 0 ? -1 : result.FirstOffset + j });
                }
            }
            catch (MillraceException exception) when (i > 0)
            {
                throw new BackendUnavailableException(
                    $"The records for partition {part.Partition} were not appended, those for {i} other partitions were: {exception.Message} A batch with a producerId can be repeated.",
                    mayHaveBeenApplied: true,
                    exception);
            }
        }

        return results;
    }

    private static async Task GetPartitionAsync(ApiCall call)
    {
        var (stream, number) = (call.Name("stream"), call.Partition());
        ResourceName.Require(stream, "stream");
        if (!StreamEndpoints.IsVisible(call.Caller, stream))
        {
            throw call.Denied(Permission.Receive, ResourceKind.Stream, stream);
        }

        var wait = call.Wait(WaitMs.Read(call));
        if (call.Query(Beyond.Name) is not null)
        {
            var beyond = Beyond.Read(call);
            if (!await GrowsAsync(call, stream, number, beyond, wait).ConfigureAwait(false))
            {
                await call.NoContentAsync().ConfigureAwait(false);
                return;
            }
        }

        var stats = await call.Instance.Partitions.UseAsync(stream, number, log => log.GetStatsAsync(call.Aborted), call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json => StreamWire.WriteStats(json, number, stats)).ConfigureAwait(false);
    }

    private static async Task OpenPartitionAsync(ApiCall call)
    {
        var (stream, number) = (call.Name("stream"), call.Partition());
        ResourceName.Require(stream, "stream");
        var mayManage = call.Caller.May(Permission.Manage, ResourceKind.Stream, stream);
        if (!StreamEndpoints.IsVisible(call.Caller, stream))
        {
            throw call.Denied(Permission.Manage, ResourceKind.Stream, stream);
        }

        var asked = await call.ReadJsonAsync(StreamWire.ReadSettings).ConfigureAwait(false);
        var context = new StreamPartitionContext { Stream = stream, Partition = number, PartitionCount = asked.Partitions, Retention = asked.Retention };
        context.Validate();
        var info = await call.Instance.Catalog.GetAsync(stream, call.Aborted).ConfigureAwait(false);
        if (info is null)
        {
            // Whoever may only use it must not bring it about.
            call.Require(Permission.Manage, ResourceKind.Stream, stream);
            await call.Instance.Catalog.CreateAsync(stream, asked, call.Aborted).ConfigureAwait(false);
            info = await call.Instance.Partitions.RequireAsync(stream, call.Aborted).ConfigureAwait(false);
        }

        if (info.Settings.Partitions != asked.Partitions)
        {
            info = mayManage
                ? await call.Instance.Partitions.RecreateAsync(context, call.Aborted).ConfigureAwait(false)
                : throw new StreamMismatchException(
                    $"Stream '{stream}' has {info.Settings.Partitions} partitions and was opened with {asked.Partitions}. Open it with {info.Settings.Partitions}, or leave the count out.");
        }

        context = context with { Path = info.Settings.Path, Retention = mayManage ? asked.Retention : info.Settings.Retention };
        await call.Instance.Partitions.OpenAsync(context, call.Aborted).ConfigureAwait(false);
        await call.NoContentAsync().ConfigureAwait(false);
    }

    private static async Task DeletePartitionAsync(ApiCall call)
    {
        var (stream, number) = (call.Stream(Permission.Manage), call.Partition());
        var removed = await call.Instance.Partitions.DeleteAsync(stream, number, call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteBoolean(WireNames.Removed, removed);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task ReadAsync(ApiCall call)
    {
        var (stream, number) = (call.Stream(Permission.Receive), call.Partition());
        var offset = Offset.Read(call);
        var limit = (int)Math.Min(Limit.Read(call), call.Instance.Limits.MaxBatch * RecordsPerMessage);
        var maxBytes = (int)Math.Min(MaxBytes.Read(call), MostPageBytes);
        var (wait, inBytes) = (call.Wait(WaitMs.Read(call)), PageFormat.Read(call));
        var page = await ReadPageAsync().ConfigureAwait(false);
        if (page.Records.IsEmpty && wait > TimeSpan.Zero && await GrowsAsync(call, stream, number, offset, wait).ConfigureAwait(false))
        {
            page.Dispose();
            page = await ReadPageAsync().ConfigureAwait(false);
        }

        using (page)
        {
            await (inBytes ? WriteBytesAsync(call, page) : WriteJsonAsync(call, page)).ConfigureAwait(false);
        }

        ValueTask<StreamPage> ReadPageAsync() =>
            call.Instance.Partitions.UseAsync(stream, number, log => log.ReadAsync(offset, limit, maxBytes, call.Aborted), call.Aborted);
    }

    private static async Task AppendBytesAsync(ApiCall call)
    {
        var (stream, number) = (call.Stream(Permission.Send), call.Partition());
        if (!string.Equals(call.Context.Request.ContentType, RecordBytes.MediaType, StringComparison.OrdinalIgnoreCase))
        {
            throw new UnsupportedMediaException($"The body must be records in bytes: send the header 'Content-Type: {RecordBytes.MediaType}'. Records in JSON go to 'batches'.");
        }

        using var body = await call.ReadBodyAsync().ConfigureAwait(false);
        var request = RecordBytes.ReadAppend(body[..], call.Instance.Limits.MaxBatch * RecordsPerMessage);
        var result = await call.Instance.Partitions.UseAsync(stream, number, log => log.AppendAsync(request, call.Aborted), call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json => StreamWire.WriteAppended(json, number, result)).ConfigureAwait(false);
    }

    private static async Task FindAsync(ApiCall call)
    {
        var (stream, number) = (call.Stream(Permission.Receive), call.Partition());
        if (!DateTimeOffset.TryParse(Timestamp.Read(call), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
        {
            throw new WireFormatException("The parameter 'timestamp' must be a time such as 2026-01-31T08:30:00Z.");
        }

        var offset = await call.Instance.Partitions.UseAsync(stream, number, log => log.FindOffsetAsync(time, call.Aborted), call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteNumber(WireNames.Offset, offset);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task TrimAsync(ApiCall call)
    {
        var (stream, number) = (call.Stream(Permission.Manage), call.Partition());
        var before = await call.ReadJsonAsync(ReadTrim).ConfigureAwait(false);
        await call.Instance.Partitions.UseAsync(
            stream,
            number,
            async log =>
            {
                await log.TrimAsync(before, call.Aborted).ConfigureAwait(false);
                return true;
            },
            call.Aborted).ConfigureAwait(false);
        await call.NoContentAsync().ConfigureAwait(false);
    }

    private static async Task FlushOneAsync(ApiCall call)
    {
        await FlushAsync(call, call.Stream(Permission.Send), call.Partition()).ConfigureAwait(false);
        await call.NoContentAsync().ConfigureAwait(false);
    }

    // Tells a client that would ask again at once that the server is stopping.
    private static async ValueTask<bool> GrowsAsync(ApiCall call, string stream, int partition, long beyond, TimeSpan wait)
    {
        var grows = await call.Instance.Partitions.UseAsync(
            stream, partition, log => LongPoll.RunAsync(call, wait, token => log.WaitForAsync(beyond, token)), call.Aborted).ConfigureAwait(false);
        if (!grows)
        {
            call.RequireServing();
        }

        return grows;
    }

    private static async Task WriteBytesAsync(ApiCall call, StreamPage page)
    {
        using var body = new PooledBuffer();
        RecordBytes.WritePage(body, page);
        await call.WriteAsync(200, RecordBytes.MediaType, body[..]).ConfigureAwait(false);
    }

    private static Task WriteJsonAsync(ApiCall call, StreamPage page) => call.WriteAsync(200, json =>
    {
        json.WriteStartObject();
        json.WriteStartArray(WireNames.Records);
        foreach (ref readonly var record in page.Records.Span)
        {
            StreamWire.WriteRecord(json, in record, partition: null);
        }

        json.WriteEndArray();
        json.WriteNumber(WireNames.NextOffset, page.NextOffset);
        json.WriteNumber(WireNames.EndOffset, page.EndOffset);
        json.WriteEndObject();
    });

    private static long ReadTrim(ref WireReader json)
    {
        long? before = null;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.BeforeOffset))
            {
                before = json.Number(0, long.MaxValue);
            }
            else
            {
                json.Unknown(WireNames.BeforeOffset);
            }
        }

        return before ?? throw new WireFormatException("The field 'beforeOffset' is missing: the first offset that is kept.");
    }
}
