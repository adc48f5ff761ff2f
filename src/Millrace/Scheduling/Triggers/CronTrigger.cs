namespace Millrace.Scheduling.Triggers;

/// <summary>A cron expression in a zone.</summary>
internal sealed class CronTrigger(CronExpression expression, ZoneTimeline zone) : Trigger
{
    public CronExpression Expression => expression;

    public ZoneTimeline Zone => zone;

    public override DateTimeOffset? Next(DateTimeOffset after) => expression.Next(after, zone);

    public override bool Equals(Trigger? other) => other is CronTrigger cron && cron.Expression.Equals(expression) && ReferenceEquals(cron.Zone, zone);

    public override int GetHashCode() => HashCode.Combine(expression, zone.Id);

    public override string ToString() => zone.Id is { } id ? $"{expression} in {id}" : expression.ToString();
}
