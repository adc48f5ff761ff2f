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

    // When this node first saw a claimed occurrence of a schedule that was not sent: by its own clock, for those of others may be wrong.
    private readonly ConcurrentDictionary<string, (string Id, long SeenAt)> _suspects = new(StringComparer.Ordinal);

    /// <summary>Looks at a schedule, and does what is due.</summary>
    public async ValueTask<Firing> FireAsync(string name, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await store.ReadAsync(name, cancellationToken).ConfigureAwait(false) is not { } schedule)
            {
                _suspects.TryRemove(name, out _);
                return Firing.Gone;
            }

            var stored = await store.ReadCursorAsync(name, cancellationToken).ConfigureAwait(false);
            var cursor = stored.Value.For(schedule.Value);
            if (await ResendAsync(schedule.Value, cursor, cancellationToken).ConfigureAwait(false))
            {
                continue;
            }

            if (!schedule.Value.IsFiring)
            {
                return new Firing(true, schedule.Revision, LookFor(cursor, null));
            }

            var now = timeProvider.GetUtcNow();
            var plan = FirePlan.Of(schedule.Value, cursor, now);
            if (plan.IsHeldBack && await sender.FindEndedAsync(cursor.Open, cancellationToken).ConfigureAwait(false) is { Count: > 0 } ended)
            {
                logger.OccurrencesLost(name, string.Join(", ", ended));
                await store.ChangeCursorAsync(name, current => Without(current.For(schedule.Value), ended), cancellationToken).ConfigureAwait(false);
                continue;
            }

            if (plan.IsEmpty)
            {
                return new Firing(true, schedule.Revision, LookFor(cursor, plan.NextLook));
            }

            var claimed = Claim(schedule.Value, cursor, plan, now);
            if (!(await store.WriteCursorAsync(name, claimed, stored.Revision, cancellationToken).ConfigureAwait(false)).Written)
            {
                continue;
            }

            var isSent = await CarryOutAsync(schedule.Value, cursor, claimed, plan).ConfigureAwait(false);
            return new Firing(true, schedule.Revision, isSent ? plan.NextLook : LookFor(claimed, plan.NextLook), HasClaimed: true, plan.Run.Count);
        }
    }

    /// <summary>Sends one more occurrence of a schedule now, whatever its trigger and policies say.</summary>
    /// <returns>The id of its run; null when there is no such schedule.</returns>
    public async ValueTask<string?> FireNowAsync(string name, CancellationToken cancellationToken)
    {
        if (await store.ReadAsync(name, cancellationToken).ConfigureAwait(false) is not { } schedule)
        {
            return null;
        }

        var now = timeProvider.GetUtcNow();
        var id = ScheduleKeys.OfOccurrence(name, schedule.Value.Version, now, Guid.NewGuid().ToString("N"));
        var open = new OpenOccurrence(id, now, schedule.Value.Definition.Queue, now);
        await store.ChangeCursorAsync(
            name,
            cursor => cursor.For(schedule.Value) is var current && current.Open.Count < OverlapPolicy.MostOpen
                ? current with { Open = [.. current.Open, open], Fired = current.Fired + 1 }
                : throw new QueueFullException(schedule.Value.Definition.Queue, $"the schedule '{name}' has {current.Open.Count:N0} occurrences that have not ended"),
            cancellationToken).ConfigureAwait(false);
        await SendAsync(schedule.Value, [open]).ConfigureAwait(false);
        return id;
    }

    private static CursorDocument Claim(ScheduleDocument schedule, CursorDocument cursor, FirePlan plan, DateTimeOffset now)
    {
        var definition = schedule.Definition;
        var open = new List<OpenOccurrence>(cursor.Open);
        foreach (var due in plan.Run)
        {
            open.Add(new OpenOccurrence(ScheduleKeys.OfOccurrence(definition.Name, schedule.Version, due), due, definition.Queue, now));
        }

        return cursor with { Cursor = plan.Cursor, Open = open, Fired = cursor.Fired + plan.Run.Count, Skipped = cursor.Skipped + plan.SkippedCount };
    }

    private static CursorDocument Without(CursorDocument cursor, List<string> ids) => cursor with { Open = [.. cursor.Open.Where(open => !ids.Contains(open.Id))] };

    /// <summary>Does what has been claimed, from here on without being cancelled: another node would do it only after a while.</summary>
    /// <returns>False when sending failed; it is tried again.</returns>
    private async ValueTask<bool> CarryOutAsync(ScheduleDocument schedule, CursorDocument before, CursorDocument claimed, FirePlan plan)
    {
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

            await sender.RecordSkippedAsync(schedule, plan.Skipped, CancellationToken.None).ConfigureAwait(false);
            return true;
        }
        catch (MillraceException exception)
        {
            logger.OccurrencesNotSent(exception, schedule.Definition.Name, plan.Run.Count, PendingTooLong);
            return false;
        }
    }

    /// <summary>Sends what somebody claimed and did not send, if it is so for too long.</summary>
    private async ValueTask<bool> ResendAsync(ScheduleDocument schedule, CursorDocument cursor, CancellationToken cancellationToken)
    {
        var name = schedule.Definition.Name;
        if (FirstPending(cursor) is not { } id)
        {
            if (!_suspects.IsEmpty)
            {
                _suspects.TryRemove(name, out _);
            }

            return false;
        }

        var suspect = _suspects.AddOrUpdate(
            name,
            static (_, seen) => seen,
            static (_, known, seen) => known.Id == seen.Id ? known : seen,
            (Id: id, SeenAt: timeProvider.GetTimestamp()));
        if (timeProvider.GetElapsedTime(suspect.SeenAt) < PendingTooLong)
        {
            return false;
        }

        cancellationToken.ThrowIfCancellationRequested();
        var pending = cursor.Open.Where(open => open.PendingSince is not null).ToList();
        logger.OccurrencesSentAgain(name, pending.Count);
        await SendAsync(schedule, pending).ConfigureAwait(false);
        return true;
    }

    private async ValueTask SendAsync(ScheduleDocument schedule, List<OpenOccurrence> occurrences)
    {
        await sender.SendAsync(schedule, occurrences, CancellationToken.None).ConfigureAwait(false);
        var ids = occurrences.ConvertAll(occurrence => occurrence.Id);

        // Nobody tells of the end of a plain message.
        var isKept = schedule.Definition.Target is JobTarget;
        await store.ChangeCursorAsync(
            schedule.Definition.Name,
            cursor => cursor.Version == schedule.Version && cursor.Open.Any(open => open.PendingSince is not null && ids.Contains(open.Id))
                ? isKept
                    ? cursor with { Open = [.. cursor.Open.Select(open => ids.Contains(open.Id) ? open with { PendingSince = null } : open)] }
                    : Without(cursor, ids)
                : null,
            CancellationToken.None).ConfigureAwait(false);
    }

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
