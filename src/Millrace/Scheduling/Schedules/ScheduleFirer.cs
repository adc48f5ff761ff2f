using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;

namespace Millrace.Scheduling.Schedules;

/// <summary>
/// Fires one schedule: reads it, plans, claims the occurrences by moving the cursor, sends them, and says that they have been sent. Any number of nodes may do so at the same
/// time. Safe for concurrent use, but for one schedule at a time.
/// </summary>
internal sealed class ScheduleFirer(ScheduleStore store, OccurrenceSender sender, TimeProvider timeProvider, ILogger logger)
{
    /// <summary>Occurrences that somebody has claimed and not sent for so long are sent by whoever sees them.</summary>
    public static readonly TimeSpan PendingTooLong = TimeSpan.FromSeconds(5);

    // What is wrong is said again after so long.
    private static readonly TimeSpan BetweenWarnings = TimeSpan.FromMinutes(5);

    // When this node first saw a claimed occurrence of a schedule that was not sent: by its own clock, for those of others may be wrong.
    private readonly ConcurrentDictionary<string, (string Id, long SeenAt)> _suspects = new(StringComparer.Ordinal);

    // Since when this node cannot send the occurrences of a schedule, and when it last said so.
    private readonly ConcurrentDictionary<string, (long Since, long SaidAt)> _unsent = new(StringComparer.Ordinal);

    /// <summary>Looks at a schedule, and does what is due.</summary>
    public async ValueTask<Firing> FireAsync(string name, CancellationToken cancellationToken)
    {
        var sent = 0;
        while (true)
        {
            // The cursor first: a definition that was read before it may be older than the cursor, which would then be set back.
            var stored = await store.ReadCursorAsync(name, cancellationToken).ConfigureAwait(false);
            if (await store.ReadAsync(name, cancellationToken).ConfigureAwait(false) is not { } schedule)
            {
                _suspects.TryRemove(name, out _);
                _unsent.TryRemove(name, out _);
                return Firing.Gone;
            }

            var cursor = stored.Value.For(schedule.Value);
            if (await ResendAsync(schedule.Value, cursor, cancellationToken).ConfigureAwait(false) is { } again)
            {
                sent += again;
                continue;
            }

            var isUnsent = _unsent.ContainsKey(name);
            if (!schedule.Value.IsFiring)
            {
                return new Firing(true, schedule.Revision, LookFor(cursor, null), Fired: sent, IsUnsent: isUnsent);
            }

            var now = timeProvider.GetUtcNow();
            var plan = FirePlan.Of(schedule.Value, cursor, now);
            if (plan.IsHeldBack && await sender.FindEndedAsync(cursor.Open, cancellationToken).ConfigureAwait(false) is { Count: > 0 } ended)
            {
                await CloseLostAsync(name, ended, cancellationToken).ConfigureAwait(false);
                continue;
            }

            if (plan.IsEmpty)
            {
                return new Firing(true, schedule.Revision, LookFor(cursor, plan.NextLook), Fired: sent, IsUnsent: isUnsent);
            }

            var claimed = Claim(schedule.Value, cursor, plan, now);
            if (!(await store.WriteCursorAsync(name, claimed, stored.Revision, cancellationToken).ConfigureAwait(false)).Written)
            {
                continue;
            }

            var isSent = await CarryOutAsync(schedule.Value, cursor, claimed, plan).ConfigureAwait(false);
            sent += isSent ? plan.Run.Count : 0;
            isUnsent |= !isSent;
            return new Firing(true, schedule.Revision, isUnsent ? LookFor(claimed, plan.NextLook) : plan.NextLook, HasClaimed: true, sent, isUnsent);
        }
    }

    /// <summary>Sends one more occurrence of a schedule now, whatever its trigger and policies say.</summary>
    /// <returns>The id of its run; null when there is no such schedule.</returns>
    public async ValueTask<string?> FireNowAsync(string name, CancellationToken cancellationToken)
    {
        while (true)
        {
            var stored = await store.ReadCursorAsync(name, cancellationToken).ConfigureAwait(false);
            if (await store.ReadAsync(name, cancellationToken).ConfigureAwait(false) is not { } schedule)
            {
                return null;
            }

            var cursor = stored.Value.For(schedule.Value);
            var queue = schedule.Value.Definition.Queue;
            if (cursor.Open.Count >= OverlapPolicy.MostOpen)
            {
                throw new QueueFullException(queue, $"the schedule '{name}' has {cursor.Open.Count:N0} occurrences that have not ended");
            }

            var now = timeProvider.GetUtcNow();
            var id = ScheduleKeys.OfOccurrence(name, schedule.Value.Version, now, Guid.NewGuid().ToString("N"));
            var open = new OpenOccurrence(id, now, queue, now);
            var claimed = cursor with { Open = [.. cursor.Open, open], Fired = cursor.Fired + 1, AskedFor = cursor.AskedFor + 1 };
            if ((await store.WriteCursorAsync(name, claimed, stored.Revision, cancellationToken).ConfigureAwait(false)).Written)
            {
                await SendAsync(schedule.Value, [open]).ConfigureAwait(false);
                return id;
            }
        }
    }

    private static CursorDocument Claim(ScheduleDocument schedule, CursorDocument cursor, FirePlan plan, DateTimeOffset now)
    {
        var definition = schedule.Definition;
        var open = new List<OpenOccurrence>(cursor.Open);
        foreach (var due in plan.Run)
        {
            var id = ScheduleKeys.OfOccurrence(definition.Name, schedule.Version, due);
            open.Add(new OpenOccurrence(id, due, definition.Queue, now, plan.IsInTurn(open.Count - cursor.Open.Count)));
        }

        return cursor with { Cursor = plan.Cursor, Open = open, Fired = cursor.Fired + plan.Run.Count, Skipped = cursor.Skipped + plan.SkippedCount };
    }

    private static CursorDocument Without(CursorDocument cursor, List<string> ids) => cursor with { Open = [.. cursor.Open.Where(open => !ids.Contains(open.Id))] };

    /// <summary>Does what has been claimed, from here on without being cancelled: another node would do it only after a while.</summary>
    /// <returns>False when sending failed; it is tried again.</returns>
    private async ValueTask<bool> CarryOutAsync(ScheduleDocument schedule, CursorDocument before, CursorDocument claimed, FirePlan plan)
    {
        var isSent = true;
        try
        {
            if (plan.CancelsOpen)
            {
                await sender.CancelAsync(before.Open, CancellationToken.None).ConfigureAwait(false);
            }

            if (plan.Run.Count > 0)
            {
                await SendAsync(schedule, [.. claimed.Open.TakeLast(plan.Run.Count)]).ConfigureAwait(false);
            }
        }
        catch (MillraceException exception)
        {
            NotSent(schedule.Definition.Name, claimed, exception);
            isSent = false;
        }

        await sender.RecordSkippedAsync(schedule, plan.Skipped, CancellationToken.None).ConfigureAwait(false);
        return isSent;
    }

    /// <summary>Takes occurrences out that are open by the cursor, and of which no message is left.</summary>
    private async ValueTask CloseLostAsync(string name, List<string> ids, CancellationToken cancellationToken)
    {
        List<string> lost = [];
        await store.ChangeCursorAsync(
            name,
            cursor =>
            {
                // Those that have ended since the look were no loss.
                lost = [.. cursor.Open.Select(open => open.Id).Where(ids.Contains)];
                return lost.Count > 0 ? Without(cursor, lost) : null;
            },
            cancellationToken).ConfigureAwait(false);
        if (lost.Count > 0)
        {
            logger.OccurrencesLost(name, string.Join(", ", lost));
        }
    }

    /// <summary>Sends what somebody claimed and did not send, if it is so for too long.</summary>
    /// <returns>How many; null when nothing was changed.</returns>
    private async ValueTask<int?> ResendAsync(ScheduleDocument schedule, CursorDocument cursor, CancellationToken cancellationToken)
    {
        var name = schedule.Definition.Name;
        if (FirstPending(cursor) is not { } id)
        {
            if (!_suspects.IsEmpty)
            {
                _suspects.TryRemove(name, out _);
                _unsent.TryRemove(name, out _);
            }

            return null;
        }

        if (timeProvider.GetElapsedTime(Suspect(name, id)) < PendingTooLong)
        {
            return null;
        }

        cancellationToken.ThrowIfCancellationRequested();
        var pending = cursor.Open.Where(open => open.PendingSince is not null).ToLookup(open => ScheduleKeys.VersionOf(open.Id) == schedule.Version);
        await GiveUpAsync(schedule.Definition, [.. pending[false]], cancellationToken).ConfigureAwait(false);
        List<OpenOccurrence> ours = [.. pending[true]];
        return ours.Count == 0 || await SendAgainAsync(schedule, cursor, ours).ConfigureAwait(false) ? ours.Count : null;
    }

    /// <summary>Sends what was claimed and not sent, by this node or by one that has gone.</summary>
    /// <returns>False when that failed again.</returns>
    private async ValueTask<bool> SendAgainAsync(ScheduleDocument schedule, CursorDocument cursor, List<OpenOccurrence> pending)
    {
        var name = schedule.Definition.Name;
        if (!_unsent.ContainsKey(name))
        {
            logger.OccurrencesSentAgain(name, pending.Count);
        }

        try
        {
            await CancelBeforeAsync(schedule, cursor).ConfigureAwait(false);
            await SendWhatFitsAsync(schedule, pending).ConfigureAwait(false);
        }
        catch (MillraceException exception)
        {
            NotSent(name, cursor, exception);
            _suspects[name] = (pending[0].Id, timeProvider.GetTimestamp());
            return false;
        }

        if (_unsent.TryRemove(name, out var failing))
        {
            logger.OccurrencesSentAtLast(name, pending.Count, timeProvider.GetElapsedTime(failing.Since));
        }

        return true;
    }

    /// <summary>Occurrences could not be sent: they are tried again after a while. Says so at first, and now and then.</summary>
    private void NotSent(string name, CursorDocument cursor, MillraceException exception)
    {
        var now = timeProvider.GetTimestamp();
        var (since, saidAt) = _unsent.GetOrAdd(name, (now, long.MinValue));
        if (saidAt == long.MinValue || timeProvider.GetElapsedTime(saidAt, now) >= BetweenWarnings)
        {
            var count = cursor.Open.Count(open => open.PendingSince is not null);
            logger.OccurrencesNotSent(name, count, timeProvider.GetElapsedTime(since, now), PendingTooLong, exception.Message);
            saidAt = now;
        }

        _unsent[name] = (since, saidAt);
        if (FirstPending(cursor) is { } id)
        {
            Suspect(name, id);
        }
    }

    /// <summary>Notes that an occurrence was claimed and not sent.</summary>
    /// <returns>Since when that is known.</returns>
    private long Suspect(string name, string id) => _suspects.AddOrUpdate(
        name,
        static (_, seen) => seen,
        static (_, known, seen) => known.Id == seen.Id ? known : seen,
        (Id: id, SeenAt: timeProvider.GetTimestamp())).SeenAt;

    /// <summary>Sends occurrences to a queue that may not have room for all of them.</summary>
    private async ValueTask SendWhatFitsAsync(ScheduleDocument schedule, List<OpenOccurrence> occurrences)
    {
        for (var (sent, size) = (0, occurrences.Count); sent < occurrences.Count;)
        {
            try
            {
                size = Math.Min(size, occurrences.Count - sent);
                await SendAsync(schedule, occurrences.GetRange(sent, size)).ConfigureAwait(false);
                sent += size;
            }
            catch (QueueFullException) when (size > 1)
            {
                size /= 2;
            }
        }
    }

    /// <summary>Occurrences of an earlier version of the definition are not sent any more; those that have been will end by themselves.</summary>
    private async ValueTask GiveUpAsync(ScheduleDefinition definition, List<OpenOccurrence> pending, CancellationToken cancellationToken)
    {
        if (pending.Count == 0)
        {
            return;
        }

        // Nobody tells of the end of a plain message.
        var ids = pending.ConvertAll(open => open.Id);
        var gone = definition.Target is MessageTarget
            ? ids
            : await sender.FindEndedAsync([.. pending.Select(open => open with { PendingSince = null })], cancellationToken).ConfigureAwait(false);
        await sender.RecordSupersededAsync(definition, [.. pending.Where(open => gone.Contains(open.Id))], cancellationToken).ConfigureAwait(false);
        await store.ChangeCursorAsync(
            definition.Name,
            cursor => cursor.Open.Any(open => ids.Contains(open.Id)) && Confirmed(Without(cursor, gone), ids) is var left
                ? left with { Skipped = left.Skipped + cursor.Open.Count - left.Open.Count }
                : null,
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What was to be cancelled before the occurrence that is sent, for whoever died may not have come to that either.</summary>
    private async ValueTask CancelBeforeAsync(ScheduleDocument schedule, CursorDocument cursor)
    {
        if (schedule.Definition.Target is JobTarget && schedule.Definition.Overlap.Kind == OverlapKind.CancelRunning)
        {
            var last = cursor.Open.Select((open, place) => (open, place)).LastOrDefault(at => at.open is { PendingSince: not null, IsInTurn: false } && !ScheduleKeys.IsAskedFor(at.open.Id)).place;
            await sender.CancelAsync([.. cursor.Open.Take(last)], CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async ValueTask SendAsync(ScheduleDocument schedule, List<OpenOccurrence> occurrences)
    {
        await sender.SendAsync(schedule, occurrences, CancellationToken.None).ConfigureAwait(false);
        var ids = occurrences.ConvertAll(occurrence => occurrence.Id);

        // Nobody tells of the end of a plain message: that it was sent is all there is to tell.
        var isKept = schedule.Definition.Target is JobTarget;
        if (!isKept)
        {
            await sender.RecordSentAsync(schedule.Definition, occurrences, CancellationToken.None).ConfigureAwait(false);
        }

        var sent = new LastRun(occurrences[^1].Due, timeProvider.GetUtcNow(), RunOutcome.Sent, null);
        await store.ChangeCursorAsync(
            schedule.Definition.Name,
            cursor => !cursor.Open.Any(open => open.PendingSince is not null && ids.Contains(open.Id)) ? null
                : isKept ? Confirmed(cursor, ids)
                : Without(cursor, ids) with { Last = sent },
            CancellationToken.None).ConfigureAwait(false);
    }

    private static CursorDocument Confirmed(CursorDocument cursor, List<string> ids) =>
        cursor with { Open = [.. cursor.Open.Select(open => ids.Contains(open.Id) ? open with { PendingSince = null } : open)] };

    private static string? FirstPending(CursorDocument cursor)
    {
        foreach (var open in cursor.Open)
        {
            if (open.PendingSince is not null)
            {
                return open.Id;
            }
        }

        return null;
    }

    private DateTimeOffset? LookFor(CursorDocument cursor, DateTimeOffset? next)
    {
        if (FirstPending(cursor) is null)
        {
            return next;
        }

        var again = timeProvider.GetUtcNow() + PendingTooLong;
        return next < again ? next : again;
    }
}
