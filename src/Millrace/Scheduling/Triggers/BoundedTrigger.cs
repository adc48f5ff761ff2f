namespace Millrace.Scheduling.Triggers;

/// <summary>A trigger from one instant on, or until another, or both.</summary>
internal sealed class BoundedTrigger : Trigger
{
    private BoundedTrigger(Trigger inner, DateTimeOffset? start, DateTimeOffset? end) => (Inner, Start, End) = (inner, start, end);

    public Trigger Inner { get; }

    public DateTimeOffset? Start { get; }

    public DateTimeOffset? End { get; }

    internal override int Parts => Inner.Parts + 1;

    internal override int Depth => Inner.Depth + 1;

    public static Trigger Of(Trigger inner, DateTimeOffset? start, DateTimeOffset? end)
    {
        start = start is { } from ? RoundUp(from) : null;
        end = end is { } until ? RoundUp(until) : null;
        if (inner is BoundedTrigger bounded)
        {
            // Bounds of bounds are the narrower ones.
            start = start is null || bounded.Start > start ? bounded.Start : start;
            end = end is null || bounded.End < end ? bounded.End : end;
            inner = bounded.Inner;
        }

        if (start >= end)
        {
            throw new InvalidTriggerException(
                $"A trigger that starts at {TriggerText.Format(start.Value)} cannot end at {TriggerText.Format(end.Value)}: the end must be later.");
        }

        if (start is null && end is null)
        {
            return inner;
        }

        RequireFew(inner.Parts + 1, inner.Depth + 1);
        return new BoundedTrigger(inner, start, end);
    }

    public override DateTimeOffset? Next(DateTimeOffset after)
    {
        // The start counts itself, and the next of an instant never does.
        var next = Inner.Next(Start > after && Start > DateTimeOffset.MinValue ? Start.Value.AddTicks(-1) : after);
        return next < End || End is null ? next : null;
    }

    public override bool Equals(Trigger? other) => other is BoundedTrigger bounded && bounded.Inner.Equals(Inner) && bounded.Start == Start && bounded.End == End;

    public override int GetHashCode() => HashCode.Combine(Inner, Start, End);

    public override string ToString()
    {
        var start = Start is { } from ? $", not before {TriggerText.Format(from)}" : "";
        var end = End is { } until ? $", before {TriggerText.Format(until)}" : "";
        return $"{Inner}{start}{end}";
    }
}
