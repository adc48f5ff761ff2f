using System.CommandLine;
using System.Runtime.CompilerServices;
using Millrace.App.Migration;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.App.Commands;

/// <summary><c>millrace migrate</c>: everything that one store has to another one.</summary>
internal static class MigrateCommand
{
    private const int StreamPageSize = 500;

    public static Command Create(CliContext context)
    {
        var from = new Option<string>("--from") { Description = "The store to move.", HelpName = "URL", Required = true };
        var to = new Option<string>("--to") { Description = "Where it goes; made if it is not there.", HelpName = "URL", Required = true };
        var dryRun = new Option<bool>("--dry-run") { Description = "Print what the source has, and change nothing. The target is not opened." };
        var renumber = new Option<bool>("--renumber") { Description = "Also copy streams whose oldest records have been trimmed. Their records get new offsets, and their groups are not copied." };
        var command = new CliCommand(
            "migrate",
            "Move a store to another one, of any backend. Nobody else may use either of them meanwhile: stop the node and the workers first.\n\n"
            + "Queues are created with their settings and bindings, and emptied: a message leaves the source once the target has it, with id, body, headers, key, priority, "
            + "content type, and what is left of its delay and time to live; dead letters keep their reason and last error. Streams with their groups, and state documents, are copied.\n\n"
            + "Not kept: how often messages were attempted, when they were enqueued or died, the ids of messages that are settled, locks, and a stream's own path. "
            + "Delayed retries no longer hold back their key.\n\n"
            + "A run that ended early, however it did, is repeated: it moves the rest and stores nothing twice. The exit code is 1 when something is left. "
            + "A message that somebody takes from the target before the repeat, and that was not yet removed from the source, is known for as long as its queue remembers ids (--dedup-window, 10m unless set). "
            + "While a queue is emptied its max-deliveries is raised in the source; after kill -9 the repeat sets it back.",
            "millrace migrate --from sqlite:./data.db --to file:./data",
            "millrace migrate --from sqlite:./data.db --to file:./data --dry-run",
            "millrace migrate --from file:./data --to http://host:7070 --json")
        {
            from, to, dryRun, renumber,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            if (arguments.GetValue(CliContext.UrlOption) is not null || arguments.GetValue(CliContext.ServerOption) is not null)
            {
                throw new UsageException("migrate has two stores: name them with --from and --to, not with --url or --server.");
            }

            var request = new Request(
                arguments.GetRequiredValue(from).Trim(), arguments.GetRequiredValue(to).Trim(), arguments.GetValue(dryRun), arguments.GetValue(renumber));
            return RunAsync(arguments, request, context, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, Request request, CliContext context, CancellationToken cancellationToken)
    {
        RequireSource(request);
        await using var from = await context.OpenAsync(request.From, cancellationToken);
        await using var source = from.Find<IStreamStore>() is null || from.Find<IStateStore>() is null ? null : StreamAccess.Open(from, context);
        using var output = context.OpenOutput(arguments);
        if (request.DryRun)
        {
            await new MigrationPreview(from, output).RunAsync(ListStreamsAsync(source?.Streams, cancellationToken), source?.Streams, cancellationToken);
            return ExitCodes.Done;
        }

        await using var to = await context.OpenAsync(request.To, cancellationToken);
        var stores = new MigrationStores(from, to, context.TimeProvider);
        await stores.RequireTwoAsync(cancellationToken);
        var report = new MigrationReport(output, context.Error);
        await foreach (var queue in Arguments.ListQueuesAsync(from.Require<IQueueAdmin>(), "", cancellationToken))
        {
            await new QueueMove(stores, report, queue).RunAsync(cancellationToken);
        }

        await CopyAsync(stores, source?.Streams, report, request.Renumber, context, cancellationToken);
        report.Finish();
        return report.IsComplete ? ExitCodes.Done : ExitCodes.Failed;
    }

    private static async ValueTask CopyAsync(
        MigrationStores stores, StreamCatalog? streams, MigrationReport report, bool renumber, CliContext context, CancellationToken cancellationToken)
    {
        if (stores.From.Find<IStateStore>() is not { } state)
        {
            return;
        }

        var to = stores.To;
        var documents = new DocumentMove(state, to.Find<IStateStore>(), report);
        await using var target = to.Find<IStreamStore>() is null || to.Find<IStateStore>() is null ? null : StreamAccess.Open(to, context);
        await foreach (var stream in ListStreamsAsync(streams, cancellationToken))
        {
            await new StreamMove(streams!, target?.Streams, documents, report, renumber).RunAsync(stream, cancellationToken);
        }

        await documents.RunAsync(cancellationToken);
    }

    private static async IAsyncEnumerable<StreamInfo> ListStreamsAsync(StreamCatalog? streams, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? after = null;
        while (streams is not null)
        {
            var page = await streams.ListAsync("", after, StreamPageSize, cancellationToken);
            foreach (var stream in page)
            {
                yield return stream;
            }

            if (page.Count < StreamPageSize)
            {
                yield break;
            }

            after = page[^1].Name;
        }
    }

    // A store that is not there would be made, and found empty.
    private static void RequireSource(Request request)
    {
        if (string.Equals(request.From, request.To, StringComparison.Ordinal))
        {
            throw new UsageException("--from and --to are one store: name two.");
        }

        var url = BackendUrl.Parse(request.From);
        if (url.Scheme is "file" or "sqlite" && !Path.Exists(url.Path))
        {
            throw new UsageException($"There is no store at '{url.Path}': correct --from.");
        }
    }

    private sealed record Request(string From, string To, bool DryRun, bool Renumber);
}
