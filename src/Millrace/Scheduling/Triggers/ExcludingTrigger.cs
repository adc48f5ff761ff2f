namespace Millrace.Scheduling.Triggers;

/// <summary>A trigger without what falls into the times of a calendar.</summary>
internal sealed class ExcludingTrigger : Trigger
{
    // A stretch of excluded time counts once, so these are 27 years of a daily trigger. What is not due by then is excluded always, and a search to the end of
    // time would be long.
    private const int MaxStretches = 10_000;

    private ExcludingTrigger(Trigger inner, ExclusionCalendar calendar) => (Inner, Calendar) = (inner, calendar);

    public Trigger Inner { get; }

    public ExclusionCalendar Calendar { get; }

    internal override int Parts => Inner.Parts + 1;

    internal override int Depth => Inner.Depth + 1;

    public static Trigger Of(Trigger inner, ExclusionCalendar calendar)
    {
        ArgumentNullException.ThrowIfNull(calendar);
        if (calendar.IsEmpty)
        {
            return inner;
        }

        if (inner is BoundedTrigger bounded)
        {
            // The same either way, and with bounds outside, calendars upon calendars are looked at together.
            return BoundedTrigger.Of(Of(bounded.Inner, calendar), bounded.Start, bounded.End);
        }

        RequireFew(inner.Parts + 1, inner.Depth + 1);
        return new ExcludingTrigger(inner, calendar);
    }

    public override DateTimeOffset? Next(DateTimeOffset after)
    {
        Trigger innermost = this;
        while (innermost is ExcludingTrigger excluding)
        {
            innermost = excluding.Inner;
        }

        for (var stretches = 0; stretches < MaxStretches; stretches++)
        {
            if (innermost.Next(after) is not { } due)
            {
                return null;
            }

            var until = ExcludedUntil(due);
            if (until == 0)
            {
                return due;
            }

            if (until > DateTimeOffset.MaxValue.Ticks)
            {
                return null;
            }

            after = new DateTimeOffset(until - 1, TimeSpan.Zero);
        }

        return null;
    }

    public override bool Equals(Trigger? other) => other is ExcludingTrigger excluding && excluding.Inner.Equals(Inner) && excluding.Calendar.Equals(Calendar);

    public override int GetHashCode() => HashCode.Combine(Inner, Calendar);

    public override string ToString() => $"{Inner}, except {Calendar}";

    /// <summary>The furthest that one of the calendars excludes; 0 if none excludes the instant.</summary>
    private long ExcludedUntil(DateTimeOffset due)
    {
        var furthest = 0L;
        Trigger trigger = this;
        while (trigger is ExcludingTrigger excluding)
        {
            furthest = Math.Max(furthest, excluding.Calendar.ExcludedUntil(due) ?? 0);
            trigger = excluding.Inner;
        }

        return furthest;
    }
}
