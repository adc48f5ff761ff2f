using Microsoft.AspNetCore.Http;
using Millrace.Server.Security;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Following a stream by server-sent events. Nothing is dropped for a slow reader: it reads the log at its own pace, and less than a page waits for it.</summary>
internal static class RecordFollowing
{
    /// <summary>The most partitions of one request: their positions stand in each event's id, which comes back as a header field.</summary>
    public const int MostPartitions = 256;

    private const int PageRecords = 500;
    private const int PageBytes = 256 * 1024;

    private static readonly TextParameter Partitions = new("partitions", $"The partitions, such as 0,2,5-7; all unless set, at most {MostPartitions}.");
    private static readonly TextParameter From = new("from", $"Where to begin in each: {StartingPoint.Forms}; next unless set.");

    private static readonly ChoiceParameter<EventFormat> Format = new(
        "format", "What stands in the data of an event: the body as text, or the whole record as JSON.", ("text", EventFormat.Text), ("json", EventFormat.Json));

    private static readonly TextParameter LastEventId = new("Last-Event-ID", "The last event that came, before which 'from' means nothing: what a browser sends when it connects again.");

    public static readonly ApiRoute Route = new(HttpMethods.Get, "streams/{stream}/events", "Follows a stream: its records as server-sent events, whose ids are offsets.", FollowAsync)
    {
        Query = [Partitions, From, Format],
        Headers = [LastEventId],
        AnswerType = "text/event-stream",
        Problems = [ProblemMap.TooManyOpen, ProblemMap.PartitionNotFound, ProblemMap.OffsetOutOfRange],
    };

    private static async Task FollowAsync(ApiCall call)
    {
        var stream = call.Stream(Permission.Receive);
        var format = Format.Read(call);
        var from = From.Read(call) is not { } text ? StartingPoint.Next
            : StartingPoint.TryParse(text, out var point) ? point
            : throw new WireFormatException($"The parameter 'from' must be {StartingPoint.Forms}.");
        var resumed = EventPosition.Parse(call.Context.Request.Headers[LastEventId.Name].ToString());
        var info = await call.Instance.Partitions.RequireAsync(stream, call.Aborted).ConfigureAwait(false);
        var wanted = PartitionList.Parse(Partitions.Read(call), stream, info.Settings.Partitions);
        using var place = call.Instance.TryEnterSubscription();
        if (place is null)
        {
            await call.TooManySubscriptionsAsync().ConfigureAwait(false);
            return;
        }

        var entered = new List<ServedPartition>();
        try
        {
            var logs = new List<(int Partition, IStreamPartition Log, long Offset)>();
            foreach (var partition in wanted)
            {
                entered.Add(await call.Instance.Partitions.EnterAsync(stream, partition, call.Aborted).ConfigureAwait(false));
                var log = entered[^1].Log;
                logs.Add((partition, log, resumed.TryGetValue(partition, out var next) ? next : await StartAsync(log, stream, partition, from, call.Aborted).ConfigureAwait(false)));
            }

            if (!HttpMethods.IsHead(call.Context.Request.Method))
            {
                using var follower = new PartitionFollower(stream, logs);
                using var permission = call.Instance.Standing.HoldOne(call.Caller, Permission.Receive, ResourceKind.Stream, stream);
                using var ending = CancellationTokenSource.CreateLinkedTokenSource(call.Aborted, call.Instance.Stopping, permission.Lost);
                await RunAsync(call, follower, format, ending.Token).ConfigureAwait(false);
            }
        }
        finally
        {
            entered.ForEach(partition => partition.Dispose());
        }
    }

    // A wrong offset is told here, as long as the answer can still be a problem.
    private static async ValueTask<long> StartAsync(IStreamPartition log, string stream, int partition, StartingPoint from, CancellationToken cancellationToken)
    {
        var offset = await from.ResolveAsync(log, cancellationToken).ConfigureAwait(false);
        await log.RequireWithinAsync(stream, partition, offset, cancellationToken).ConfigureAwait(false);
        return offset;
    }

    private static async Task RunAsync(ApiCall call, PartitionFollower follower, EventFormat format, CancellationToken ending)
    {
        var output = new RecordEvents(call, follower, format);
        await output.BeginAsync().ConfigureAwait(false);
        while (true)
        {
            using var quiet = new CancellationTokenSource(EventNames.KeepAlive, call.Instance.TimeProvider);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(ending, quiet.Token);
            try
            {
                var page = await follower.ReadAsync(PageRecords, PageBytes, either.Token).ConfigureAwait(false);
                using (page.Page)
                {
                    await output.WriteAsync(page).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (ending.IsCancellationRequested)
            {
                return;
            }
            catch (OperationCanceledException) when (quiet.IsCancellationRequested)
            {
                await output.KeepAliveAsync().ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is MillraceException or ObjectDisposedException)
            {
                // The stream was deleted, or its store has failed: whoever comes again is told which.
                call.Instance.Logger.FollowingFailed(exception, call.Name("stream"));
                return;
            }
        }
    }
}
