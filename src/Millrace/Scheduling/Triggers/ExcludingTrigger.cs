namespace Millrace.Scheduling.Triggers;

/// <summary>A trigger without what falls into the times of a calendar.</summary>
internal sealed class ExcludingTrigger : Trigger
{
    // The calendar repeats itself after 400 years, and so do a cron expression and an exclusion by weekdays and times of day.
    private const int CalendarYears = 400;

    public ExcludingTrigger(Trigger inner, ExclusionCalendar calendar)
    {
        RequireFew(inner.Parts + 1);
        (Inner, Calendar) = (inner, calendar);
    }

    public Trigger Inner { get; }

    public ExclusionCalendar Calendar { get; }

    internal override int Parts => Inner.Parts + 1;

    public override DateTimeOffset? Next(DateTimeOffset after)
    {
        var last = Calendar.LastDate is { } date && date.Year > after.Year ? date.Year : after.Year;
        var next = Inner.Next(after);
        while (next is { } due && Calendar.ExcludedUntil(due) is { } until)
        {
            next = due.Year - last > CalendarYears || until > DateTimeOffset.MaxValue.Ticks ? null : Inner.Next(new DateTimeOffset(until - 1, TimeSpan.Zero));
        }

        return next;
    }

    public override bool Equals(Trigger? other) => other is ExcludingTrigger excluding && excluding.Inner.Equals(Inner) && excluding.Calendar.Equals(Calendar);

    public override int GetHashCode() => HashCode.Combine(Inner, Calendar);

    public override string ToString() => $"{Inner}, except {Calendar}";
}
