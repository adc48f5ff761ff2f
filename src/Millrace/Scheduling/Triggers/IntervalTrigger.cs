namespace Millrace.Scheduling.Triggers;

/// <summary>A fixed rate: the anchor, and whole intervals from it.</summary>
internal sealed class IntervalTrigger : Trigger
{
    public IntervalTrigger(TimeSpan interval, DateTimeOffset? anchor)
    {
        if (interval < TimeSpan.FromMilliseconds(1) || interval.Ticks % TimeSpan.TicksPerMillisecond != 0)
        {
            throw new InvalidTriggerException($"The interval {interval:c} must be of whole milliseconds, 1 at least.");
        }

        Interval = interval;
        Anchor = anchor is { } given ? RoundUp(given) : DateTimeOffset.UnixEpoch;
    }

    public TimeSpan Interval { get; }

    public DateTimeOffset Anchor { get; }

    public bool IsAnchored => Anchor != DateTimeOffset.UnixEpoch;

    public override DateTimeOffset? Next(DateTimeOffset after)
    {
        var since = after.UtcTicks - Anchor.Ticks;
        var beyond = since % Interval.Ticks;
        var step = beyond < 0 ? -beyond : Interval.Ticks - beyond;
        return step > DateTimeOffset.MaxValue.Ticks - after.UtcTicks ? null : new DateTimeOffset(after.UtcTicks + step, TimeSpan.Zero);
    }

    public override bool Equals(Trigger? other) => other is IntervalTrigger every && every.Interval == Interval && every.Anchor == Anchor;

    public override int GetHashCode() => HashCode.Combine(Interval, Anchor);

    public override string ToString() =>
        IsAnchored ? $"every {TriggerDuration.Format(Interval)} from {TriggerText.Format(Anchor)}" : $"every {TriggerDuration.Format(Interval)}";
}
