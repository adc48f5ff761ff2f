namespace Millrace.Scheduling.Schedules;

/// <summary>An occurrence that is not run, and why.</summary>
internal readonly record struct SkippedOccurrence(DateTimeOffset Due, string Reason);

/// <summary>What is to be done about a schedule at one instant: the one place where misfire and overlap policies are applied. No I/O and no clock.</summary>
internal sealed class FirePlan
{
    // More than that is taken in several steps: a schedule of every second after a night without a node.
    private const int MaxOccurrences = 10_000;

    // Of skipped ones, so many are named in the history at a time; all are counted.
    private const int MaxNamed = 100;

    private readonly List<DateTimeOffset> _run = [];
    private readonly List<SkippedOccurrence> _skipped = [];

    private FirePlan(DateTimeOffset cursor) => Cursor = cursor;

    /// <summary>Where the cursor goes.</summary>
    public DateTimeOffset Cursor { get; private set; }

    /// <summary>What runs, in order.</summary>
    public IReadOnlyList<DateTimeOffset> Run => _run;

    /// <summary>What does not, the latest of it.</summary>
    public IReadOnlyList<SkippedOccurrence> Skipped => _skipped;

    /// <summary>How many do not, also those that are not named.</summary>
    public long SkippedCount { get; private set; }

    /// <summary>Whether open occurrences stand in the way of one.</summary>
    public bool IsHeldBack { get; private set; }

    /// <summary>Whether the open occurrences are to be cancelled.</summary>
    public bool CancelsOpen { get; private set; }

    /// <summary>When the schedule is to be looked at again; null: never, it has come to its end.</summary>
    public DateTimeOffset? NextLook { get; private set; }

    /// <summary>Whether there is anything to write.</summary>
    public bool IsEmpty => _run.Count == 0 && SkippedCount == 0;

    /// <summary>Plans.</summary>
    /// <param name="schedule">The schedule; one that is fired.</param>
    /// <param name="cursor">How far it has been fired.</param>
    /// <param name="now">The time.</param>
    public static FirePlan Of(ScheduleDocument schedule, CursorDocument cursor, DateTimeOffset now)
    {
        cursor = cursor.For(schedule);
        var plan = new FirePlan(cursor.Cursor);
        var left = schedule.Definition.MaxRuns is { } maxRuns ? Math.Max(0, maxRuns - cursor.Fired) : long.MaxValue;
        if (left > 0)
        {
            plan.Admit(schedule, cursor, plan.TakeDue(schedule, now), left);
        }

        if (left > plan._run.Count)
        {
            plan.NextLook = schedule.Next(plan.Cursor) is { } next ? schedule.FireTimeOf(next) : null;
        }

        return plan;
    }

    /// <summary>Goes through what is due, skips what was missed and is not made up for, and returns what is left.</summary>
    private List<DateTimeOffset> TakeDue(ScheduleDocument schedule, DateTimeOffset now)
    {
        var misfire = schedule.Definition.Misfire;
        var missed = new Queue<DateTimeOffset>();
        var inTime = new List<DateTimeOffset>();
        var last = Cursor;
        for (var count = 0; schedule.Next(last) is { } due && schedule.FireTimeOf(due) <= now; count++)
        {
            if (count >= MaxOccurrences)
            {
                if (inTime.Count == 0 && missed.TryPeek(out var first))
                {
                    // What may yet turn out to be among the latest is left for the next step; what came before has been skipped.
                    last = first.AddMilliseconds(-1);
                    missed.Clear();
                }

                break;
            }

            // Late by the latest time at which it might be fired: one with little jitter may have had to wait for one before it that has more.
            last = due;
            if (now - due - schedule.Definition.Jitter <= misfire.Grace)
            {
                inTime.Add(due);
                continue;
            }

            missed.Enqueue(due);
            if (missed.Count > misfire.MaxFired)
            {
                Skip(missed.Dequeue(), SkipReason.Misfire);
            }
        }

        Cursor = last;
        return [.. missed, .. inTime];
    }

    private void Admit(ScheduleDocument schedule, CursorDocument cursor, List<DateTimeOffset> due, long left)
    {
        // Nobody knows when a plain message has ended.
        var overlap = schedule.Definition.Target is MessageTarget ? OverlapPolicy.Allow() : schedule.Definition.Overlap;
        if (overlap.Kind == OverlapKind.CancelRunning && due.Count > 0)
        {
            foreach (var earlier in due[..^1])
            {
                Skip(earlier, SkipReason.Overlap);
            }

            due.RemoveRange(0, due.Count - 1);
            CancelsOpen = cursor.Open.Count > 0;
        }

        var room = schedule.Definition.Target is MessageTarget ? OverlapPolicy.MostOpen : overlap.MaxOpen - cursor.Open.Count;
        foreach (var occurrence in due)
        {
            if (_run.Count >= left)
            {
                // Beyond its last run it has no occurrences.
                return;
            }

            if (_run.Count < room)
            {
                _run.Add(occurrence);
            }
            else
            {
                IsHeldBack = true;
                Skip(occurrence, SkipReason.Overlap);
            }
        }
    }

    private void Skip(DateTimeOffset due, string reason)
    {
        SkippedCount++;
        if (_skipped.Count == MaxNamed)
        {
            _skipped.RemoveAt(0);
        }

        _skipped.Add(new(due, reason));
    }
}
