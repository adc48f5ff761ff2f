using System.Runtime.CompilerServices;
using Millrace.Storage;

namespace Millrace.Scheduling.Schedules;

/// <summary>A document that was read, with the version by which it is changed.</summary>
/// <param name="Value">What it says.</param>
/// <param name="Revision">Its version in the state store; <see cref="IStateStore.Absent"/> if it does not exist.</param>
internal readonly record struct Stored<T>(T Value, long Revision);

/// <summary>The documents of schedules in a state store. Keeps nothing; safe for concurrent use.</summary>
internal sealed class ScheduleStore(IStateStore state)
{
    public const int PageSize = 1_000;

    /// <summary>A schedule of a document; null when it cannot be read, which the nodes report.</summary>
    public static ScheduleDocument? TryRead(StateDocument document)
    {
        try
        {
            return ScheduleDocuments.ReadSchedule(document);
        }
        catch (StorageCorruptException)
        {
            return null;
        }
    }

    /// <summary>A schedule; null when there is none.</summary>
    public async ValueTask<Stored<ScheduleDocument>?> ReadAsync(string schedule, CancellationToken cancellationToken) =>
        await state.GetAsync(ScheduleKeys.OfDefinition(schedule), cancellationToken).ConfigureAwait(false) is { } document
            ? new(ScheduleDocuments.ReadSchedule(document), document.Version)
            : null;

    /// <summary>A schedule that is to be written; null when there is none, or it cannot be read, in which case the revision tells that there is something.</summary>
    public async ValueTask<Stored<ScheduleDocument?>> ReadToWriteAsync(string schedule, CancellationToken cancellationToken)
    {
        var document = await state.GetAsync(ScheduleKeys.OfDefinition(schedule), cancellationToken).ConfigureAwait(false);
        return new(document is null ? null : TryRead(document), document?.Version ?? IStateStore.Absent);
    }

    /// <summary>How far a schedule has been fired; <see cref="CursorDocument.Empty"/> before the first firing.</summary>
    public async ValueTask<Stored<CursorDocument>> ReadCursorAsync(string schedule, CancellationToken cancellationToken) =>
        await state.GetAsync(ScheduleKeys.OfCursor(schedule), cancellationToken).ConfigureAwait(false) is { } document
            ? new(ScheduleDocuments.ReadCursor(document), document.Version)
            : new(CursorDocument.Empty, IStateStore.Absent);

    /// <summary>Writes a schedule if it is as it was read, without telling anybody.</summary>
    public ValueTask<StateWriteResult> WriteAsync(ScheduleDocument schedule, long revision, CancellationToken cancellationToken) =>
        state.PutAsync(ScheduleKeys.OfDefinition(schedule.Definition.Name), ScheduleDocuments.Write(schedule), revision, cancellationToken);

    public ValueTask<StateWriteResult> WriteCursorAsync(string schedule, CursorDocument cursor, long revision, CancellationToken cancellationToken) =>
        state.PutAsync(ScheduleKeys.OfCursor(schedule), ScheduleDocuments.Write(cursor), revision, cancellationToken);

    /// <summary>Changes a cursor, again and again until nobody else has meanwhile.</summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="change">Makes the new one of the one that is there; null: leave it.</param>
    /// <param name="cancellationToken">Honoured until a write was accepted.</param>
    /// <returns>The cursor as it is now.</returns>
    public async ValueTask<CursorDocument> ChangeCursorAsync(string schedule, Func<CursorDocument, CursorDocument?> change, CancellationToken cancellationToken)
    {
        while (true)
        {
            var stored = await ReadCursorAsync(schedule, cancellationToken).ConfigureAwait(false);
            if (change(stored.Value) is not { } changed)
            {
                return stored.Value;
            }

            if ((await WriteCursorAsync(schedule, changed, stored.Revision, cancellationToken).ConfigureAwait(false)).Written)
            {
                return changed;
            }
        }
    }

    /// <summary>Removes a schedule with its cursor.</summary>
    /// <returns>False when there was none.</returns>
    public async ValueTask<bool> RemoveAsync(string schedule, CancellationToken cancellationToken)
    {
        var found = await state.GetAsync(ScheduleKeys.OfDefinition(schedule), cancellationToken).ConfigureAwait(false) is not null;

        // In this order: who fires it at this moment finds that its cursor has gone, and then that it has itself.
        await state.DeleteAsync(ScheduleKeys.OfDefinition(schedule), null, cancellationToken).ConfigureAwait(false);
        await RemoveCursorAsync(schedule, cancellationToken).ConfigureAwait(false);
        return found;
    }

    /// <summary>Removes the cursor that a schedule has left behind; leaves it if there is such a schedule again, or still.</summary>
    public async ValueTask RemoveCursorAsync(string schedule, CancellationToken cancellationToken)
    {
        while (await state.GetAsync(ScheduleKeys.OfCursor(schedule), cancellationToken).ConfigureAwait(false) is { } cursor
            && await state.GetAsync(ScheduleKeys.OfDefinition(schedule), cancellationToken).ConfigureAwait(false) is null)
        {
            if ((await state.DeleteAsync(cursor.Key, cursor.Version, cancellationToken).ConfigureAwait(false)).Written)
            {
                return;
            }
        }
    }

    /// <summary>Gives out a version of a definition, which nobody else is given, and no schedule has had: not even one of the same name that was removed.</summary>
    public async ValueTask<long> NewVersionAsync(string schedule, CancellationToken cancellationToken) =>
        (await ChangeChangesAsync([schedule], cancellationToken).ConfigureAwait(false)).Count;

    /// <summary>All schedules whose names begin with a prefix, in the order of their UTF-8 bytes, as the store has them.</summary>
    public IAsyncEnumerable<StateDocument> ListAsync(string prefix, string? after, CancellationToken cancellationToken) =>
        ListKeysAsync(ScheduleKeys.OfDefinition(prefix), after is null ? null : ScheduleKeys.OfDefinition(after), cancellationToken);

    /// <summary>All cursors.</summary>
    public IAsyncEnumerable<StateDocument> ListCursorsAsync(CancellationToken cancellationToken) => ListKeysAsync(ScheduleKeys.CursorPrefix, null, cancellationToken);

    /// <summary>Tells nodes of changes.</summary>
    public async ValueTask AnnounceAsync(IReadOnlyCollection<string> schedules, CancellationToken cancellationToken)
    {
        if (schedules.Count > 0)
        {
            await ChangeChangesAsync(schedules, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<ScheduleChanges> ChangeChangesAsync(IReadOnlyCollection<string> schedules, CancellationToken cancellationToken)
    {
        while (true)
        {
            var document = await state.GetAsync(ScheduleKeys.Changes, cancellationToken).ConfigureAwait(false);
            var changes = (document is null ? ScheduleChanges.None : ScheduleDocuments.ReadChanges(document)).With(schedules);
            var written = await state
                .PutAsync(ScheduleKeys.Changes, ScheduleDocuments.Write(changes), document?.Version ?? IStateStore.Absent, cancellationToken)
                .ConfigureAwait(false);
            if (written.Written)
            {
                return changes;
            }
        }
    }

    /// <summary>The latest changes, and the revision from which to wait for more.</summary>
    public async ValueTask<Stored<ScheduleChanges>> ReadChangesAsync(CancellationToken cancellationToken) =>
        await state.GetAsync(ScheduleKeys.Changes, cancellationToken).ConfigureAwait(false) is { } document
            ? new(ScheduleDocuments.ReadChanges(document), document.Version)
            : new(ScheduleChanges.None, IStateStore.Absent);

    /// <summary>Returns when changes may have been announced since a revision.</summary>
    public ValueTask<long> WaitForChangesAsync(long revision, CancellationToken cancellationToken) =>
        state.WaitForChangeAsync(ScheduleKeys.Changes, revision, cancellationToken);

    private async IAsyncEnumerable<StateDocument> ListKeysAsync(string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            var page = await state.ListAsync(prefix, after, PageSize, cancellationToken).ConfigureAwait(false);
            foreach (var document in page.Documents)
            {
                yield return document;
            }

            if (page.Documents.Count < PageSize)
            {
                yield break;
            }

            after = page.Documents[^1].Key;
        }
    }
}
