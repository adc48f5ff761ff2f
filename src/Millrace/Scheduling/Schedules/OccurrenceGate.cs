using Millrace.Storage;

namespace Millrace.Scheduling.Schedules;

/// <summary>The gate over the documents of the schedules.</summary>
internal sealed class OccurrenceGate(
    ScheduleStore store, QueueCapabilities queues, Func<RunRecord, CancellationToken, ValueTask> record, TimeProvider timeProvider, string node) : IOccurrenceGate
{
    // For queues that do not keep the occurrences of one schedule apart by themselves.
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);

    public async ValueTask<OccurrenceVerdict> BeginAsync(Occurrence occurrence, CancellationToken cancellationToken)
    {
        // The cursor first: read the other way round, it might be that of a later version of the definition, in which nothing of this one is open.
        var stored = await store.ReadCursorAsync(occurrence.Schedule, cancellationToken).ConfigureAwait(false);
        if (await store.ReadAsync(occurrence.Schedule, cancellationToken).ConfigureAwait(false) is not { } schedule)
        {
            // Nothing is known of it any more, not even where its history would belong.
            return new(occurrence.IsRedriven ? OccurrenceAction.Run : OccurrenceAction.Drop);
        }

        var definition = schedule.Value.Definition;
        var cursor = stored.Value.For(schedule.Value);
        var place = PlaceOf(occurrence.Id, cursor.Open);
        if (occurrence.IsRedriven && place < 0)
        {
            await ReopenAsync(occurrence, definition.Queue, cancellationToken).ConfigureAwait(false);
            return new(OccurrenceAction.Run, definition);
        }

        // One that was tried goes on when its schedule is changed, but not when it was removed: a schedule of the same name is another one.
        var isSuperseded = schedule.Value.Version != occurrence.Version && !(occurrence.HasStarted && schedule.Value.HasHad(occurrence.Version));
        if (isSuperseded && !occurrence.IsRedriven)
        {
            return await SkipAsync(definition, occurrence, SkipReason.Superseded, cancellationToken).ConfigureAwait(false);
        }

        if (place < 0)
        {
            // It has ended, unless the cursor is behind it: then the state store has lost a write, and running it again is better than never.
            var isAhead = schedule.Value.Version == occurrence.Version && occurrence.Due > cursor.Cursor && !ScheduleKeys.IsAskedFor(occurrence.Id);
            return new(isAhead ? OccurrenceAction.Run : OccurrenceAction.Drop, definition);
        }

        var isReplaced = definition.Overlap.Kind == OverlapKind.CancelRunning && cursor.Open.Skip(place + 1).Any(later => !later.IsInTurn);
        return isReplaced ? await SkipAsync(definition, occurrence, SkipReason.Overlap, cancellationToken).ConfigureAwait(false)
            : HasToWait(definition.Overlap.Kind, cursor.Open, place) ? new(OccurrenceAction.PutOff, definition, AskAgain)
            : new(OccurrenceAction.Run, definition);
    }

    public async ValueTask EndAsync(Occurrence occurrence, RunRecord run, CancellationToken cancellationToken) =>
        await store.ChangeCursorAsync(
            occurrence.Schedule,
            cursor => PlaceOf(occurrence.Id, cursor.Open) >= 0
                ? Counted(cursor, run) with { Open = [.. cursor.Open.Where(open => open.Id != occurrence.Id)] }
                : null,
            cancellationToken).ConfigureAwait(false);

    /// <summary>Makes a redriven occurrence one that has not ended, so that the next ones heed it.</summary>
    private async ValueTask ReopenAsync(Occurrence occurrence, string queue, CancellationToken cancellationToken) =>
        await store.ChangeCursorAsync(
            occurrence.Schedule,
            cursor => PlaceOf(occurrence.Id, cursor.Open) < 0 && cursor.Open.Count < OverlapPolicy.MostOpen
                ? cursor with { Open = [.. cursor.Open, new OpenOccurrence(occurrence.Id, occurrence.Due, queue, PendingSince: null)] }
                : null,
            cancellationToken).ConfigureAwait(false);

    /// <summary>Whether others must end before an occurrence, and the queue does not see to that by their ordering key.</summary>
    private bool HasToWait(OverlapKind overlap, IReadOnlyList<OpenOccurrence> open, int place)
    {
        var isKeyed = overlap is OverlapKind.BufferOne or OverlapKind.CancelRunning;
        return place > 0
            && (isKeyed || open[place].IsInTurn)
            && !(queues.Has(QueueFeatures.OrderedKeys) && open.Take(place).All(earlier => (isKeyed || earlier.IsInTurn) && earlier.Queue == open[place].Queue));
    }

    private static CursorDocument Counted(CursorDocument cursor, RunRecord run)
    {
        var counted = run.Outcome switch
        {
            RunOutcome.Succeeded => cursor with { Succeeded = cursor.Succeeded + 1 },
            RunOutcome.Failed => cursor with { Failed = cursor.Failed + 1 },
            RunOutcome.Cancelled => cursor with { Cancelled = cursor.Cancelled + 1 },
            _ => cursor with { Skipped = cursor.Skipped + 1 },
        };
        return run.Outcome == RunOutcome.Skipped ? counted : counted with { Last = new LastRun(run.ScheduledAt, run.FinishedAt, run.Outcome, run.Error) };
    }

    private static int PlaceOf(string id, IReadOnlyList<OpenOccurrence> open)
    {
        for (var i = 0; i < open.Count; i++)
        {
            if (open[i].Id == id)
            {
                return i;
            }
        }

        return -1;
    }

    private async ValueTask<OccurrenceVerdict> SkipAsync(ScheduleDefinition definition, Occurrence occurrence, string reason, CancellationToken cancellationToken)
    {
        var skipped = RunRecords.Skipped(definition, occurrence.Id, new(occurrence.Due, reason), timeProvider.GetUtcNow(), node);
        await record(skipped, cancellationToken).ConfigureAwait(false);
        await EndAsync(occurrence, skipped, cancellationToken).ConfigureAwait(false);
        return new(OccurrenceAction.Drop);
    }
}
