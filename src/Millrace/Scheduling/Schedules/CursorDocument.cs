namespace Millrace.Scheduling.Schedules;

/// <summary>How far a schedule has been fired, and what came of it, as it is stored. Immutable.</summary>
internal sealed record CursorDocument
{
    /// <summary>Before anything has been fired.</summary>
    public static CursorDocument Empty { get; } = new();

    /// <summary>The version of the definition that <see cref="Cursor"/> and <see cref="Open"/> belong to; 0 before the first firing.</summary>
    public long Version { get; init; }

    /// <summary>What was due up to here has been fired or skipped.</summary>
    public DateTimeOffset Cursor { get; init; }

    /// <summary>The occurrences that have not ended, in the order in which they were fired.</summary>
    public IReadOnlyList<OpenOccurrence> Open { get; init; } = [];

    /// <summary>How many occurrences have been fired.</summary>
    public long Fired { get; init; }

    /// <summary>How many of those somebody has asked for.</summary>
    public long AskedFor { get; init; }

    public long Succeeded { get; init; }

    public long Failed { get; init; }

    public long Cancelled { get; init; }

    public long Skipped { get; init; }

    /// <summary>The last run that ended.</summary>
    public LastRun? Last { get; init; }

    /// <summary>How many occurrences a schedule may still fire by itself.</summary>
    public long RunsLeft(ScheduleDefinition definition) => definition.MaxRuns is { } most ? Math.Max(0, most - Fired + AskedFor) : long.MaxValue;

    /// <summary>
    /// This cursor for a version of the definition, which has to be read after it: an earlier one's goes on from the moment of the change. What was counted stays, and so does what is open, for
    /// a run that has begun goes on, and the next one is not to run beside it. Of a schedule that was removed, and created again under the same name, nothing stays.
    /// </summary>
    public CursorDocument For(ScheduleDocument schedule) => Version == schedule.Version
        ? this
        : (schedule.HasHad(Version) ? this : Empty) with { Version = schedule.Version, Cursor = schedule.Since };
}

/// <summary>An occurrence that has not ended.</summary>
/// <param name="Id">The id of its message.</param>
/// <param name="Due">When it was due.</param>
/// <param name="Queue">Where its message went.</param>
/// <param name="PendingSince">Set until it is known that its message is in the queue.</param>
/// <param name="IsInTurn">Whether it follows those before it, whatever the overlap policy says, and replaces none of them.</param>
internal readonly record struct OpenOccurrence(string Id, DateTimeOffset Due, string Queue, DateTimeOffset? PendingSince, bool IsInTurn = false);

/// <summary>How the last run ended.</summary>
internal sealed record LastRun(DateTimeOffset ScheduledAt, DateTimeOffset FinishedAt, RunOutcome Outcome, string? Error);
