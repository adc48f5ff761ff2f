namespace Millrace.Scheduling.Schedules;

/// <summary>What came of a look at a schedule.</summary>
/// <param name="Exists">Whether there is such a schedule.</param>
/// <param name="Revision">The revision of its definition.</param>
/// <param name="NextLook">When to look again; null: when it is changed.</param>
/// <param name="HasClaimed">Whether this node has moved the cursor.</param>
/// <param name="Fired">How many occurrences were sent.</param>
/// <param name="IsUnsent">Whether there is something that this node could not send.</param>
internal readonly record struct Firing(bool Exists, long Revision, DateTimeOffset? NextLook, bool HasClaimed = false, int Fired = 0, bool IsUnsent = false)
{
    public static Firing Gone => default;
}
