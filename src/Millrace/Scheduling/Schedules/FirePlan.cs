namespace Millrace.Scheduling.Schedules;

/// <summary>What is to be done about a schedule at one instant: the one place where misfire and overlap policies are applied. No I/O and no clock.</summary>
internal sealed class FirePlan
{
    // More than that is taken in several steps: a schedule of every second after a night without a node.
    private const int MaxOccurrences = 10_000;

    private readonly List<DateTimeOffset> _run = [];
    private readonly SkippedGroup _misfired = new(SkipReason.Misfire);
    private readonly SkippedGroup _overlapped = new(SkipReason.Overlap);
    private int _inTurnFrom = int.MaxValue;

    private FirePlan(DateTimeOffset cursor) => Cursor = cursor;

    /// <summary>Where the cursor goes.</summary>
    public DateTimeOffset Cursor { get; private set; }

    /// <summary>What runs, in order.</summary>
    public IReadOnlyList<DateTimeOffset> Run => _run;

    /// <summary>What does not, in order; very many for the same reason in one.</summary>
    public IReadOnlyList<SkippedOccurrence> Skipped => [.. _misfired.Named, .. _overlapped.Named];

    /// <summary>How many do not.</summary>
    public long SkippedCount => _misfired.Count + _overlapped.Count;

    /// <summary>Whether open occurrences stand in the way of one.</summary>
    public bool IsHeldBack { get; private set; }

    /// <summary>Whether the open occurrences are to be cancelled.</summary>
    public bool CancelsOpen { get; private set; }

    /// <summary>When the schedule is to be looked at again; null: never by itself, it has come to its end, or what has been claimed must be sent first.</summary>
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
        var left = cursor.RunsLeft(schedule.Definition);
        if (left > 0 && schedule.Definition.Target is MessageTarget)
        {
            // Nobody knows when a plain message has ended, so nothing is open but what could not be sent yet.
            var room = OverlapPolicy.MostOpen - cursor.Open.Count(open => open.PendingSince is not null);
            if (room <= 0)
            {
                return plan;
            }

            plan.AdmitMessages(plan.TakeDue(schedule, schedule.Definition.Misfire.MaxFired, now), Math.Min(room, left), isLast: left <= room);
        }
        else if (left > 0)
        {
            plan.Admit(schedule.Definition, cursor, plan.TakeDue(schedule, MostMadeUp(schedule.Definition, cursor), now), left);
        }

        if (left > plan._run.Count)
        {
            plan.NextLook = schedule.Next(plan.Cursor) is { } next ? schedule.FireTimeOf(next) : null;
        }

        return plan;
    }

    /// <summary>Whether an occurrence that runs follows those before it, and replaces none of them.</summary>
    /// <param name="place">Its place in <see cref="Run"/>.</param>
    public bool IsInTurn(int place) => place >= _inTurnFrom;

    /// <summary>How many missed occurrences are made up for: where they run one after the other, those that still wait for their turn are among them, or they would become ever more.</summary>
    private static int MostMadeUp(ScheduleDefinition definition, CursorDocument cursor) =>
        definition.Misfire.MaxFired <= 1 || definition.Overlap.Kind is OverlapKind.Allow or OverlapKind.CancelRunning
            ? definition.Misfire.MaxFired
            : Math.Max(0, definition.Misfire.MaxFired - cursor.Open.Count(open => open.IsInTurn));

    /// <summary>Goes through what is due, skips what was missed and is not made up for, and returns what is left.</summary>
    private Due TakeDue(ScheduleDocument schedule, int mostMadeUp, DateTimeOffset now)
    {
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
            if (now - due - schedule.Definition.Jitter <= schedule.Definition.Misfire.Grace)
            {
                inTime.Add(due);
                continue;
            }

            missed.Enqueue(due);
            if (missed.Count > mostMadeUp)
            {
                _misfired.Add(missed.Dequeue());
            }
        }

        Cursor = last;
        return new Due([.. missed], inTime);
    }

    /// <summary>Takes so many as there is room for; the others are due at the next look, which is at once.</summary>
    private void AdmitMessages(Due due, long room, bool isLast)
    {
        foreach (var occurrence in due.All)
        {
            if (_run.Count < room)
            {
                _run.Add(occurrence);
                continue;
            }

            // Beyond its last run it has no occurrences.
            Cursor = isLast ? Cursor : _run[^1];
            return;
        }
    }

    private void Admit(ScheduleDefinition definition, CursorDocument cursor, Due due, long left)
    {
        var overlap = definition.Overlap;

        // The overlap policy is about what becomes due while another one runs. What was missed, and is all to be made up for, runs one after the other instead.
        var madeUp = definition.Misfire.MaxFired > 1 && overlap.Kind != OverlapKind.Allow ? due.Missed.Count : 0;
        var room = overlap.MaxOpen - cursor.Open.Count;
        if (madeUp > 0)
        {
            room = Math.Min(Math.Max(0, room) + madeUp, OverlapPolicy.MostOpen - cursor.Open.Count);
            _inTurnFrom = overlap.Kind == OverlapKind.CancelRunning ? 1 : 0;
            IsHeldBack = cursor.Open.Count > 0;
        }

        var all = due.All;
        if (overlap.Kind == OverlapKind.CancelRunning)
        {
            CancelsOpen = all.Count > 0 && cursor.Open.Count > 0;
            var replaced = Math.Max(0, all.Count - madeUp - 1);
            all.GetRange(madeUp, replaced).ForEach(_overlapped.Add);
            all.RemoveRange(madeUp, replaced);
        }

        foreach (var occurrence in all)
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
                _overlapped.Add(occurrence);
            }
        }
    }

    /// <summary>What is due and not skipped as missed, in order.</summary>
    private readonly record struct Due(List<DateTimeOffset> Missed, List<DateTimeOffset> InTime)
    {
        public List<DateTimeOffset> All => [.. Missed, .. InTime];
    }
}
