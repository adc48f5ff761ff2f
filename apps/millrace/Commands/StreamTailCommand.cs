using System.CommandLine;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace stream tail</c>: records to standard output, from somewhere on, and as they come.</summary>
internal static class StreamTailCommand
{
    private const int PageRecords = 500;
    private const int PageBytes = 1024 * 1024;

    public static Command Create(CliContext context)
    {
        var stream = StreamAccess.Stream();
        var from = StreamAccess.Point("--from", "Where to begin; last unless set, next with --follow");
        var partition = StreamAccess.Partition("Only this partition; all unless set.");
        var group = new Option<string?>("--group", "-g") { Description = "Begin where this consumer group stands, instead of --from. Nothing is committed.", HelpName = "GROUP" };
        var count = Arguments.Number("--count", "At most so many records.", int.MaxValue);
        count.Aliases.Add("-n");
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on with what comes, until Ctrl-C." };
        var command = new CliCommand(
            "tail",
            "Print the records of a stream, their bodies one a line. Exit code 7 says that there was none.",
            "millrace stream tail orders --from first",
            "millrace stream tail orders -f",
            "millrace stream tail orders --partition 0 --from 120 --count 10 --json",
            "millrace stream tail orders --group billing")
        {
            stream, from, partition, group, count, follow,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            var request = new Request(
                arguments.GetRequiredValue(stream), arguments.GetValue(from), arguments.GetValue(partition), arguments.GetValue(group), arguments.GetValue(count), arguments.GetValue(follow));
            return request is { From: not null, Group: not null }
                ? throw new UsageException("--from and --group are two places to begin: give one of them.")
                : RunAsync(arguments, request, context, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, Request request, CliContext context, CancellationToken cancellationToken)
    {
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        await using var catalog = StreamAccess.Open(backend, context);
        var info = await catalog.Streams.RequireAsync(request.Stream, cancellationToken);
        var ends = new Dictionary<int, long>();
        var places = new List<(int Partition, IStreamPartition Log, long Offset)>();
        var positions = request.Group is null ? [] : await catalog.Streams.GetGroupAsync(request.Stream, request.Group, cancellationToken);
        if (request.Group is { } group && positions.Count == 0)
        {
            throw new GroupNotFoundException(request.Stream, group);
        }

        foreach (var number in StreamAccess.PartitionsOf(info, request.Partition))
        {
            var log = await catalog.Streams.OpenPartitionAsync(request.Stream, number, cancellationToken);
            var stats = await log.GetStatsAsync(cancellationToken);
            var offset = request.Group is null
                ? await request.Start.ResolveAsync(log, cancellationToken)
                : positions.FirstOrDefault(position => position.Partition == number)?.Offset ?? stats.EarliestOffset;
            await log.RequireWithinAsync(request.Stream, number, offset, cancellationToken);
            ends[number] = stats.EndOffset;
            if (request.Follow || offset < stats.EndOffset)
            {
                places.Add((number, log, offset));
            }
        }

        return await PrintAsync(output, request, places, ends, cancellationToken) > 0 || request.Follow ? ExitCodes.Done : ExitCodes.Nothing;
    }

    private static async ValueTask<long> PrintAsync(
        OutputWriter output, Request request, List<(int Partition, IStreamPartition Log, long Offset)> places, Dictionary<int, long> ends, CancellationToken cancellationToken)
    {
        var printed = 0L;
        using var follower = new PartitionFollower(request.Stream, places);
        while (printed < request.Count && (request.Follow || follower.Positions.Any(position => position.Offset < ends[position.Partition])))
        {
            var part = await follower.ReadAsync((int)Math.Min(PageRecords, request.Count - printed), PageBytes, cancellationToken);
            if (part.Missing is { } missing)
            {
                throw missing;
            }

            using var page = part.Page!;
            foreach (var record in page.Records.Span)
            {
                // What came meanwhile is not asked for.
                if (request.Follow || record.Offset < ends[part.Partition])
                {
                    Write(output, request.Stream, part.Partition, in record);
                    printed++;
                }
            }

            output.Flush();
        }

        return printed;
    }

    private static void Write(OutputWriter output, string stream, int partition, in StreamRecord record)
    {
        if (!output.IsJson)
        {
            output.WriteLine(record.Body.Span);
            return;
        }

        var written = record;
        output.WriteObject(json =>
        {
            json.WriteString("stream", stream);
            json.WriteNumber("partition", partition);
            json.WriteNumber("offset", written.Offset);
            json.WriteString("timestamp", written.Timestamp);
            MessageText.WriteBytes(json, "key", written.Key.Span);
            json.WriteStartObject("headers");
            foreach (var (name, value) in written.Headers ?? MessageHeaders.Empty)
            {
                json.WriteString(name, value);
            }

            json.WriteEndObject();
            MessageText.WriteBytes(json, "body", written.Body.Span);
        });
    }

    private sealed record Request(string Stream, StartingPoint? From, int? Partition, string? Group, int Count, bool Follow)
    {
        public StartingPoint Start => From ?? (Follow ? StartingPoint.Next : StartingPoint.Last);
    }
}
