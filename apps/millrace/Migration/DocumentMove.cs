using Millrace.Scheduling.Schedules;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.App.Migration;

/// <summary>
/// Copies state documents, those of streams and their groups apart. The source keeps them; those that the target has are left as they are there. How far a schedule was fired comes before the
/// schedule, as its key does, so that a node of the target does not fire again what was fired; such nodes are told of the schedules that have come.
/// </summary>
internal sealed class DocumentMove(IStateStore from, IStateStore? to, MigrationReport report)
{
    private const int PageSize = 100;

    private readonly List<string> _schedules = [];

    /// <summary>Copies every document.</summary>
    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        var counts = new MoveCounts();
        await CopyAsync("", key => !IsLeftOut(key), counts, cancellationToken);
        if (to is not null)
        {
            await new ScheduleStore(to).AnnounceAsync(_schedules, cancellationToken);
        }

        if (counts.Left > 0)
        {
            report.Warn(to is null
                ? "the state documents are not copied, because the target has none."
                : $"{counts.Left:N0} state documents are not copied, because the target has others under their keys.");
        }

        if (counts.Moved + counts.Skipped + counts.Left > 0)
        {
            report.Add("documents", null, counts);
        }
    }

    /// <summary>Copies the documents under a prefix that are wanted.</summary>
    public async ValueTask CopyAsync(string prefix, Func<string, bool> isWanted, MoveCounts counts, CancellationToken cancellationToken)
    {
        string? after = null;
        while (true)
        {
            var page = await from.ListAsync(prefix, after, PageSize, cancellationToken);
            foreach (var document in page.Documents.Where(document => isWanted(document.Key)))
            {
                var verdict = await CopyAsync(document, cancellationToken);
                counts.Add(verdict);
                counts.Left += verdict == MoveVerdict.Conflict ? 1 : 0;
            }

            if (page.Documents.Count < PageSize)
            {
                return;
            }

            after = page.Documents[^1].Key;
        }
    }

    /// <summary>How many documents there are, those of streams and groups and announcements apart.</summary>
    public static async ValueTask<long> CountAsync(IStateStore store, CancellationToken cancellationToken)
    {
        var (count, after) = (0L, (string?)null);
        while (true)
        {
            var page = await store.ListAsync("", after, PageSize, cancellationToken);
            count += page.Documents.Count(document => !IsLeftOut(document.Key));
            if (page.Documents.Count < PageSize)
            {
                return count;
            }

            after = page.Documents[^1].Key;
        }
    }

    private async ValueTask<MoveVerdict> CopyAsync(StateDocument document, CancellationToken cancellationToken)
    {
        if (to is null)
        {
            return MoveVerdict.Conflict;
        }

        if ((await to.PutAsync(document.Key, document.Value, IStateStore.Absent, cancellationToken)).Written)
        {
            if (document.Key.StartsWith(ScheduleKeys.DefinitionPrefix, StringComparison.Ordinal))
            {
                _schedules.Add(document.Key[ScheduleKeys.DefinitionPrefix.Length..]);
            }

            return MoveVerdict.Stored;
        }

        var found = await to.GetAsync(document.Key, cancellationToken);
        return found is not null && found.Value.Span.SequenceEqual(document.Value.Span) ? MoveVerdict.Present : MoveVerdict.Conflict;
    }

    // What streams move with them, and what tells nodes of changes, which is the target's own.
    private static bool IsLeftOut(string key) =>
        key == ScheduleKeys.Changes
        || key.StartsWith(StreamKeys.StreamPrefix, StringComparison.Ordinal)
        || key.StartsWith(StreamKeys.GroupPrefix, StringComparison.Ordinal);
}
