namespace Millrace.Hosting;

/// <summary>What the timers of .NET take: whole milliseconds, up to somewhat more than 49 days. Options that end up in one are bounded here, or it would throw where nobody expects it.</summary>
internal static class TimerRange
{
    /// <summary>The longest time that an option may ask for.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromDays(49);

    /// <summary>The shortest time that is not none.</summary>
    public static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(1);
}
