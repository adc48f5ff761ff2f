using Millrace.Storage;

namespace Millrace.App.Top;

/// <summary>One look at the queues.</summary>
/// <param name="At">When it was finished.</param>
/// <param name="Rows">The queues in the order of their names.</param>
/// <param name="IsCut">Whether there are more queues, which were not read.</param>
internal sealed record TopReading(DateTimeOffset At, IReadOnlyList<TopRow> Rows, bool IsCut)
{
    /// <summary>The rows by a column: most first, names in their order; those without a value last.</summary>
    public IReadOnlyList<TopRow> SortedBy(TopColumn column)
    {
        if (column == TopColumn.Name)
        {
            return Rows;
        }

        return [.. Rows.OrderByDescending(row => row.ValueOf(column)).ThenBy(row => row.Queue, StringComparer.Ordinal)];
    }
}

/// <summary>One queue of a look.</summary>
/// <param name="Queue">Its name.</param>
/// <param name="Stats">Its counts.</param>
/// <param name="InPerSecond">Messages stored per second since the look before; null when that is not known.</param>
/// <param name="OutPerSecond">Messages completed per second since the look before; null when that is not known.</param>
internal sealed record TopRow(string Queue, QueueStats Stats, double? InPerSecond, double? OutPerSecond)
{
    /// <summary>What the row is sorted by; null when it has no such value.</summary>
    public double? ValueOf(TopColumn column) => column switch
    {
        TopColumn.Ready => Stats.Ready,
        TopColumn.Leased => Stats.Leased,
        TopColumn.Dead => Stats.Dead,
        TopColumn.In => InPerSecond,
        TopColumn.Out => OutPerSecond,
        TopColumn.Age => Stats.OldestReadyAge?.TotalMilliseconds,
        _ => null,
    };
}
