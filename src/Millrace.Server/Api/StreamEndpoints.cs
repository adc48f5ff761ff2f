using Microsoft.AspNetCore.Http;
using Millrace.Server.Security;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;
using Millrace.Streams;

namespace Millrace.Server.Api;

/// <summary>Streams as a whole: which there are, what they are, their counts, and their consumer groups.</summary>
internal static class StreamEndpoints
{
    private const int MaxPage = 1000;

    private static readonly TextParameter Prefix = new("prefix", "Only names that begin with this.");
    private static readonly TextParameter After = new("after", "Only names after this one: 'next' of the page before.");
    private static readonly NumberParameter Limit = new("limit", "The most streams of a page.", 100, 1, MaxPage);

    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Get, "streams", "Streams, in the order of their names, a page at a time.", ListAsync) { Query = [Prefix, After, Limit], Answer = "StreamList" },
        new(HttpMethods.Put, "streams/{stream}", "Creates a stream. One that exists is left as it is, if it has as many partitions.", CreateAsync)
        {
            AuditedAs = "stream.create",
            Body = ApiBody.OptionalJson("StreamSettings"),
            Answer = "Created",
            Success = [201, 200],
            Problems = [ProblemMap.InvalidSettings, ProblemMap.StreamMismatch],
        },
        new(HttpMethods.Get, "streams/{stream}", "What a stream is.", GetAsync) { Answer = "Stream" },
        new(HttpMethods.Put, "streams/{stream}/retention", "Replaces how long a stream keeps its records; a bound that is not named does not hold.", PutRetentionAsync)
        {
            AuditedAs = "stream.retention",
            Body = ApiBody.Json("StreamRetention"),
            Problems = [ProblemMap.InvalidSettings],
        },
        new(HttpMethods.Delete, "streams/{stream}", "Deletes a stream with its records and groups.", DeleteAsync) { AuditedAs = "stream.delete" },
        new(HttpMethods.Get, "streams/{stream}/stats", "Where the partitions of a stream begin and end, and how many records it has.", GetStatsAsync) { Answer = "StreamStats" },
        new(HttpMethods.Post, "streams/{stream}/flush", "Makes what was appended as durable as the store can.", FlushAsync),
        new(HttpMethods.Get, "streams/{stream}/groups", "The names of the consumer groups of a stream.", ListGroupsAsync) { Answer = "GroupNames" },
        new(HttpMethods.Get, "streams/{stream}/groups/{group}", "Where a group stands in each partition that it has claimed, and how far behind it is.", GetGroupAsync)
        {
            Answer = "Group",
            Problems = [ProblemMap.GroupNotFound],
        },
        new(HttpMethods.Post, "streams/{stream}/groups/{group}/seek", "Moves a group, in one partition or all; its members go on from there.", SeekGroupAsync)
        {
            AuditedAs = "stream.seek",
            Body = ApiBody.Json("Seek"),
            Answer = "Group",
            Problems = [ProblemMap.PartitionNotFound],
        },
        new(HttpMethods.Delete, "streams/{stream}/groups/{group}", "Forgets a group and its offsets.", DeleteGroupAsync)
        {
            AuditedAs = "stream.group.delete",
            Problems = [ProblemMap.GroupNotFound],
        },
    ];

    private static async Task ListAsync(ApiCall call)
    {
        var limit = (int)Limit.Read(call);
        var streams = await ListVisibleAsync(call, Prefix.Read(call) ?? "", After.Read(call), limit).ConfigureAwait(false);
        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray(WireNames.Streams);
            foreach (var stream in streams)
            {
                StreamWire.WriteInfo(json, stream);
            }

            json.WriteEndArray();
            json.WriteString(WireNames.Next, streams.Count == limit ? streams[^1].Name : null);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    // Reads on where names are hidden, as with queues.
    private static async ValueTask<List<StreamInfo>> ListVisibleAsync(ApiCall call, string prefix, string? after, int limit)
    {
        var visible = new List<StreamInfo>();
        for (var size = limit; ; size = MaxPage)
        {
            var page = await call.Instance.Catalog.ListAsync(prefix, after, size, call.Aborted).ConfigureAwait(false);
            visible.AddRange(page.Where(stream => IsVisible(call.Caller, stream.Name)).Take(limit - visible.Count));
            if (page.Count < size || visible.Count == limit)
            {
                return visible;
            }

            after = page[^1].Name;
        }
    }

    private static async Task CreateAsync(ApiCall call)
    {
        var stream = call.Stream(Permission.Manage);
        var settings = await call.ReadJsonAsync(StreamWire.ReadSettings, static () => new StreamSettings()).ConfigureAwait(false);
        var created = await call.Instance.Catalog.CreateAsync(stream, settings, call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(created ? 201 : 200, json =>
        {
            json.WriteStartObject();
            json.WriteBoolean(WireNames.Created, created);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task GetAsync(ApiCall call)
    {
        var info = await call.Instance.Partitions.RequireAsync(VisibleStreamOf(call), call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json => StreamWire.WriteInfo(json, info)).ConfigureAwait(false);
    }

    private static async Task PutRetentionAsync(ApiCall call)
    {
        var stream = call.Stream(Permission.Manage);
        var retention = await call.ReadJsonAsync(StreamWire.ReadRetention).ConfigureAwait(false);
        retention.Validate();
        await call.Instance.Partitions.RequireAsync(stream, call.Aborted).ConfigureAwait(false);
        await call.Instance.Catalog.SetRetentionAsync(stream, retention, call.Aborted).ConfigureAwait(false);
        call.Instance.Partitions.Forget(stream);
        await call.NoContentAsync().ConfigureAwait(false);
    }

    private static async Task DeleteAsync(ApiCall call)
    {
        var stream = call.Stream(Permission.Manage);
        var deleted = await call.Instance.Catalog.DeleteAsync(stream, call.Aborted).ConfigureAwait(false);
        call.Instance.Partitions.Forget(stream);
        if (!deleted)
        {
            throw new StreamNotFoundException(stream);
        }

        await call.NoContentAsync().ConfigureAwait(false);
    }

    private static async Task GetStatsAsync(ApiCall call)
    {
        var stream = VisibleStreamOf(call);
        var info = await call.Instance.Partitions.RequireAsync(stream, call.Aborted).ConfigureAwait(false);
        var stats = new StreamPartitionStats[info.Settings.Partitions];
        for (var i = 0; i < stats.Length; i++)
        {
            stats[i] = await call.Instance.Partitions.UseAsync(stream, i, partition => partition.GetStatsAsync(call.Aborted), call.Aborted).ConfigureAwait(false);
        }

        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteNumber(WireNames.Records, stats.Sum(partition => partition.EndOffset - partition.EarliestOffset));
            json.WriteNumber(WireNames.Bytes, stats.Sum(partition => partition.Bytes));
            json.WriteStartArray(WireNames.Partitions);
            for (var i = 0; i < stats.Length; i++)
            {
                StreamWire.WriteStats(json, i, stats[i]);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task FlushAsync(ApiCall call)
    {
        var stream = call.Stream(Permission.Send);
        var info = await call.Instance.Partitions.RequireAsync(stream, call.Aborted).ConfigureAwait(false);
        for (var i = 0; i < info.Settings.Partitions; i++)
        {
            await RecordEndpoints.FlushAsync(call, stream, i).ConfigureAwait(false);
        }

        await call.NoContentAsync().ConfigureAwait(false);
    }

    private static async Task ListGroupsAsync(ApiCall call)
    {
        var stream = GroupStreamOf(call);
        await call.Instance.Partitions.RequireAsync(stream, call.Aborted).ConfigureAwait(false);
        var groups = await call.Instance.Catalog.ListGroupsAsync(stream, call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray(WireNames.Groups);
            foreach (var group in groups)
            {
                json.WriteStringValue(group);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task GetGroupAsync(ApiCall call)
    {
        var stream = GroupStreamOf(call);
        var group = GroupOf(call);
        await call.Instance.Partitions.RequireAsync(stream, call.Aborted).ConfigureAwait(false);
        var positions = await call.Instance.Catalog.GetGroupAsync(stream, group, call.Aborted).ConfigureAwait(false);
        if (positions.Count == 0 && !(await call.Instance.Catalog.ListGroupsAsync(stream, call.Aborted).ConfigureAwait(false)).Contains(group))
        {
            await GroupNotFoundAsync(call, stream, group).ConfigureAwait(false);
            return;
        }

        await call.WriteAsync(200, json => StreamWire.WriteGroup(json, group, positions)).ConfigureAwait(false);
    }

    private static async Task SeekGroupAsync(ApiCall call)
    {
        var stream = call.Stream(Permission.Manage);
        var group = GroupOf(call);
        var (only, point) = await call.ReadJsonAsync(ReadSeek).ConfigureAwait(false);
        var info = await call.Instance.Partitions.RequireAsync(stream, call.Aborted).ConfigureAwait(false);
        var (first, count) = only is { } partition ? (partition, 1) : (0, info.Settings.Partitions);
        for (var i = first; i < first + count; i++)
        {
            var offset = await call.Instance.Partitions.UseAsync(stream, i, log => point.ResolveAsync(log, call.Aborted), call.Aborted).ConfigureAwait(false);
            await call.Instance.Catalog.SeekGroupAsync(stream, group, i, offset, call.Aborted).ConfigureAwait(false);
        }

        var positions = await call.Instance.Catalog.GetGroupAsync(stream, group, call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json => StreamWire.WriteGroup(json, group, positions)).ConfigureAwait(false);
    }

    private static async Task DeleteGroupAsync(ApiCall call)
    {
        var stream = call.Stream(Permission.Manage);
        var group = GroupOf(call);
        await call.Instance.Partitions.RequireAsync(stream, call.Aborted).ConfigureAwait(false);
        if (await call.Instance.Catalog.DeleteGroupAsync(stream, group, call.Aborted).ConfigureAwait(false))
        {
            await call.NoContentAsync().ConfigureAwait(false);
        }
        else
        {
            await GroupNotFoundAsync(call, stream, group).ConfigureAwait(false);
        }
    }

    private static (int? Partition, StartingPoint To) ReadSeek(ref WireReader json)
    {
        int? partition = null;
        StartingPoint? to = null;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.Partition))
            {
                partition = json.IsNull() ? null : json.Number(0, StreamPartitionContext.MaxPartitions - 1);
            }
            else if (json.Is(WireNames.To))
            {
                to = StartingPoint.TryParse(json.Text(), out var point) ? point : throw new WireFormatException($"The field 'to' must be {StartingPoint.Forms}, as a text.");
            }
            else
            {
                json.Unknown(WireNames.Partition, WireNames.To);
            }
        }

        return (partition, to ?? throw new WireFormatException($"The field 'to' is missing: {StartingPoint.Forms}."));
    }

    private static string GroupOf(ApiCall call)
    {
        var group = call.Name("group");
        ResourceName.Require(group, "group");
        return group;
    }

    private static Task GroupNotFoundAsync(ApiCall call, string stream, string group) => call.ProblemAsync(new(
        ProblemMap.GroupNotFound, 404, "There is no such group", $"Stream '{stream}' has no group '{group}': a group is there once a member has claimed a partition, or it was moved."));

    private static string VisibleStreamOf(ApiCall call)
    {
        var stream = StreamOf(call);
        return IsVisible(call.Caller, stream) ? stream : throw call.Denied(Permission.Receive, ResourceKind.Stream, stream);
    }

    // Groups concern those who read, and those who look after the stream.
    private static string GroupStreamOf(ApiCall call)
    {
        var stream = StreamOf(call);
        return call.Caller.May(Permission.Manage, ResourceKind.Stream, stream) || call.Caller.May(Permission.Receive, ResourceKind.Stream, stream)
            ? stream
            : throw call.Denied(Permission.Receive, ResourceKind.Stream, stream);
    }

    private static string StreamOf(ApiCall call)
    {
        var stream = call.Name("stream");
        ResourceName.Require(stream, "stream");
        return stream;
    }

    /// <summary>Whether the caller may do anything with a stream, and so may know of it.</summary>
    public static bool IsVisible(Caller caller, string stream) =>
        caller.May(Permission.Receive, ResourceKind.Stream, stream) || caller.May(Permission.Send, ResourceKind.Stream, stream) || caller.May(Permission.Manage, ResourceKind.Stream, stream);
}
