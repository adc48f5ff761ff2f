namespace Millrace.Scheduling.Triggers;

/// <summary>When a schedule is due.</summary>
public abstract class Trigger
{
    /// <summary>The first instant after <paramref name="after"/>; null when there is none.</summary>
    public abstract DateTimeOffset? Next(DateTimeOffset after);
}
