using System.CommandLine;
using System.Text;
using Millrace.App.Input;
using Millrace.App.Output;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.App.Commands;

/// <summary><c>millrace stream append</c>: argument, file or standard input into a stream.</summary>
internal static class StreamAppendCommand
{
    public static Command Create(CliContext context)
    {
        var stream = StreamAccess.Stream("Where the records go. It must exist.");
        var partition = StreamAccess.Partition("The partition; by the key unless set, and in turn without a key.");
        var records = new MessageOptions(MessageOptions.Kind.Records);
        var command = new CliCommand(
            "append",
            "Append records to a stream. They are stored when the command says so, or, with --json, when their line is printed.",
            "millrace stream append orders '{\"sku\": 7}' --key ada",
            "millrace stream append orders --file orders.jsonl --key-field customer",
            "tail -f app.log | millrace stream append logs --text --partition 0")
        {
            stream, partition,
        };
        records.AddTo(command);
        command.SetAction((arguments, cancellationToken) =>
            RunAsync(arguments, arguments.GetRequiredValue(stream), arguments.GetValue(partition), records.Read(arguments), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        ParseResult arguments, string stream, int? partition, MessageRequest request, CliContext context, CancellationToken cancellationToken)
    {
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        await using var catalog = StreamAccess.Open(backend, context);
        var info = await catalog.Streams.RequireAsync(stream, cancellationToken);
        _ = StreamAccess.PartitionsOf(info, partition);
        var most = backend.Require<IStreamStore>().Capabilities.MaxRecordBytes;
        await using var source = MessageSource.Open(request, new QueueCapabilities { Backend = backend.Name, Durability = StoreDurability.None, MaxBodyBytes = most }, context);
        var turn = 0;
        var last = (Partition: 0, Offset: 0L);
        var started = context.TimeProvider.GetTimestamp();
        var accepted = await MessagePump.RunAsync(source, AppendAsync, context, cancellationToken);
        if (!output.IsJson)
        {
            output.WriteLine(accepted == 1
                ? $"Appended to partition {last.Partition} of '{stream}' at offset {last.Offset}."
                : $"Appended {MessageText.Count(accepted)} records to '{stream}' in {MessageText.Duration(context.TimeProvider.GetElapsedTime(started))}.");
        }

        return ExitCodes.Done;

        async ValueTask AppendAsync(ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken)
        {
            var keyless = partition ?? turn++ % info.Settings.Partitions;
            foreach (var part in batch.ToArray().Select(RecordOf).GroupBy(record => PartitionOf(record, partition, keyless, info.Settings.Partitions)))
            {
                var log = await catalog.Streams.OpenPartitionAsync(stream, part.Key, cancellationToken);
                var appended = part.ToArray();
                var result = await log.AppendAsync(new AppendRequest(appended), cancellationToken);
                last = (part.Key, result.FirstOffset + appended.Length - 1);
                for (var i = 0; output.IsJson && i < appended.Length; i++)
                {
                    var offset = result.FirstOffset + i;
                    output.WriteObject(json =>
                    {
                        json.WriteNumber("partition", part.Key);
                        json.WriteNumber("offset", offset);
                    });
                }
            }

            output.Flush();
        }
    }

    private static int PartitionOf(StreamRecord record, int? asked, int keyless, int partitions) =>
        asked ?? (record.Key.IsEmpty ? keyless : StreamPartitioner.PartitionOf(record.Key.Span, partitions));

    // The content type as typed producers say it: JSON, which most records are, goes without saying.
    private static StreamRecord RecordOf(Envelope envelope)
    {
        var headers = envelope.Headers ?? MessageHeaders.Empty;
        return new StreamRecord
        {
            Key = envelope.Key is { } key ? Encoding.UTF8.GetBytes(key) : default,
            Body = envelope.Body,
            Headers = envelope.ContentType is { } type && !StreamContentType.IsJson(type) ? MessageHeaders.Create([.. headers, new(StreamContentType.Header, type)]) : headers,
        };
    }
}
