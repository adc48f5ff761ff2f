using Millrace.App.Commands;
using Millrace.App.Output;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.App.Migration;

/// <summary>What a migration would move: a look at the source alone, so that no target is made by it.</summary>
internal sealed class MigrationPreview(Backend from, OutputWriter output)
{
    public async ValueTask RunAsync(IAsyncEnumerable<StreamInfo> streams, StreamCatalog? catalog, CancellationToken cancellationToken)
    {
        var admin = from.Require<IQueueAdmin>();
        await foreach (var queue in Arguments.ListQueuesAsync(admin, "", cancellationToken))
        {
            Show(queue, await admin.GetStatsAsync(queue, cancellationToken));
        }

        await foreach (var stream in streams.WithCancellation(cancellationToken))
        {
            var (records, isTrimmed) = (0L, false);
            for (var number = 0; number < stream.Settings.Partitions; number++)
            {
                var stats = await (await catalog!.OpenPartitionAsync(stream.Name, number, cancellationToken)).GetStatsAsync(cancellationToken);
                (records, isTrimmed) = (records + stats.EndOffset - stats.EarliestOffset, isTrimmed || stats.EarliestOffset > 0);
            }

            Show(stream, records, isTrimmed);
        }

        if (from.Find<IStateStore>() is { } state)
        {
            ShowDocuments(await DocumentMove.CountAsync(state, cancellationToken));
        }
    }

    private void Show(string queue, QueueStats stats)
    {
        if (!output.IsJson)
        {
            output.WriteLine(
                $"queue '{queue}': {MessageText.Count(stats.Ready)} ready, {MessageText.Count(stats.Scheduled)} scheduled, {MessageText.Count(stats.Dead)} dead, {MessageText.Count(stats.Leased)} with receivers");
            return;
        }

        output.WriteObject(json =>
        {
            json.WriteString("kind", "queue");
            json.WriteString("name", queue);
            json.WriteNumber("ready", stats.Ready);
            json.WriteNumber("scheduled", stats.Scheduled);
            json.WriteNumber("dead", stats.Dead);
            json.WriteNumber("leased", stats.Leased);
        });
    }

    private void Show(StreamInfo stream, long records, bool isTrimmed)
    {
        if (!output.IsJson)
        {
            output.WriteLine($"stream '{stream.Name}': {MessageText.Count(records)} records{(isTrimmed ? "; trimmed, so it needs --renumber" : "")}");
            return;
        }

        output.WriteObject(json =>
        {
            json.WriteString("kind", "stream");
            json.WriteString("name", stream.Name);
            json.WriteNumber("records", records);
            json.WriteBoolean("trimmed", isTrimmed);
        });
    }

    private void ShowDocuments(long documents)
    {
        if (!output.IsJson)
        {
            output.WriteLine($"documents: {MessageText.Count(documents)}");
            return;
        }

        output.WriteObject(json =>
        {
            json.WriteString("kind", "documents");
            json.WriteString("name", null as string);
            json.WriteNumber("documents", documents);
        });
    }
}
