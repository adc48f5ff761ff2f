using System.Collections.Frozen;
using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>
/// Marks at jobs: those that are to be cancelled (<see cref="JobKeys.Cancels"/>), or have been put to another time (<see cref="JobKeys.Moves"/>). Documents that anybody writes, and each worker watches.
/// Safe for concurrent use.
/// </summary>
/// <param name="state">Where they are.</param>
/// <param name="prefix">The keys of their documents.</param>
/// <param name="timeProvider">The clock.</param>
/// <param name="onMarked">Told of each new mark, after <see cref="Contains"/> knows it.</param>
internal sealed class JobMarks(IStateStore state, string prefix, TimeProvider timeProvider, Action<string> onMarked)
{
    // A store may wake a watcher for changes elsewhere; it must not list at the pace of all writes.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private volatile FrozenSet<string> _marked = FrozenSet<string>.Empty;

    /// <summary>Whether nothing is marked, as far as is known.</summary>
    public bool IsEmpty => _marked.Count == 0;

    /// <summary>Whether a job is marked, as far as is known.</summary>
    public bool Contains(string id) => _marked.Contains(id);

    /// <summary>Marks a job that is to be cancelled.</summary>
    public static async ValueTask CancelAsync(IStateStore state, string id, DateTimeOffset now, CancellationToken cancellationToken) =>
        await state.PutAsync(JobKeys.Cancels + id, JobDocuments.Write(new MarkDocument(now)), expectedVersion: null, cancellationToken).ConfigureAwait(false);

    /// <summary>Marks a job that is put to another time.</summary>
    public static async ValueTask MoveAsync(IStateStore state, string id, DateTimeOffset dueAt, CancellationToken cancellationToken) =>
        await state.PutAsync(JobKeys.Moves + id, JobDocuments.Write(new MarkDocument(dueAt)), expectedVersion: null, cancellationToken).ConfigureAwait(false);

    /// <summary>Asks the store itself whether a job is marked.</summary>
    public async ValueTask<bool> IsMarkedAsync(string id, CancellationToken cancellationToken) =>
        Contains(id) || await FindAsync(id, cancellationToken).ConfigureAwait(false) is not null;

    /// <summary>The time that a job's mark says, as the store itself has it; null if there is none.</summary>
    public async ValueTask<DateTimeOffset?> FindAsync(string id, CancellationToken cancellationToken) =>
        await state.GetAsync(prefix + id, cancellationToken).ConfigureAwait(false) is { } document ? JobDocuments.ReadMark(document.Value).At : null;

    /// <summary>Removes the mark of a job that has ended.</summary>
    public async ValueTask ClearAsync(string id, CancellationToken cancellationToken) =>
        await state.DeleteAsync(prefix + id, expectedVersion: null, cancellationToken).ConfigureAwait(false);

    /// <summary>Reads the marks that there are, before the first job is run.</summary>
    public async Task LoadAsync() => await ReadAsync(CancellationToken.None).ConfigureAwait(false);

    /// <summary>Watches until it is told to stop.</summary>
    public async Task WatchAsync(LoopTokens tokens)
    {
        while (true)
        {
            var revision = await ReadAsync(tokens.Stopping).ConfigureAwait(false);
            await Task.Delay(Pause, timeProvider, tokens.Draining).ConfigureAwait(false);
            await state.WaitForChangeAsync(prefix, revision, tokens.Draining).ConfigureAwait(false);
        }
    }

    /// <summary>Looks once at what is marked.</summary>
    /// <returns>From which revision to wait for more.</returns>
    public async ValueTask<long> ReadAsync(CancellationToken cancellationToken)
    {
        const int limit = 1000;
        var found = new HashSet<string>(StringComparer.Ordinal);
        long? revision = null;
        string? after = null;
        while (true)
        {
            var page = await state.ListAsync(prefix, after, limit, cancellationToken).ConfigureAwait(false);
            revision ??= page.Revision;
            foreach (var document in page.Documents)
            {
                found.Add(document.Key[prefix.Length..]);
                after = document.Key;
            }

            if (page.Documents.Count < limit)
            {
                break;
            }
        }

        var before = _marked;
        if (found.Count > 0 || before.Count > 0)
        {
            _marked = found.ToFrozenSet(StringComparer.Ordinal);
            foreach (var id in found)
            {
                if (!before.Contains(id))
                {
                    onMarked(id);
                }
            }
        }

        return revision.Value;
    }
}
