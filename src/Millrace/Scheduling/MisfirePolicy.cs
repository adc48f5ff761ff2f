namespace Millrace.Scheduling;

/// <summary>What happens to occurrences that could not be fired in time, because no node ran or the schedule was paused. Immutable.</summary>
public sealed record MisfirePolicy
{
    /// <summary>The most occurrences that are made up for at once.</summary>
    public const int MostFired = 1_000;

    /// <summary>The shortest <see cref="Grace"/>: no timer wakes a node to the millisecond, and one that was away from its store for a moment asks again after a second.</summary>
    public static TimeSpan ShortestGrace { get; } = TimeSpan.FromSeconds(1);

    private MisfirePolicy(int maxFired) => MaxFired = maxFired;

    /// <summary>They are skipped.</summary>
    public static MisfirePolicy Skip { get; } = new(0);

    /// <summary>The latest of them runs, the others are skipped. The default.</summary>
    public static MisfirePolicy FireOnce { get; } = new(1);

    /// <summary>How many of them run, the latest ones; the others are skipped.</summary>
    public int MaxFired { get; }

    /// <summary>How late an occurrence may be fired without having been missed; 30 s unless set, <see cref="ShortestGrace"/> to a day.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The latest <paramref name="count"/> of them run, in order; earlier ones are skipped.</summary>
    /// <param name="count">1 to <see cref="MostFired"/>.</param>
    public static MisfirePolicy FireAll(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MostFired);
        return new(count);
    }
}
