namespace Millrace.Scheduling.Schedules;

/// <summary>The latest changes of definitions, as they are stored. Immutable.</summary>
/// <param name="Count">How many changes there have been.</param>
/// <param name="Names">The schedules of the latest of them, in order; fewer than <paramref name="Count"/>, or none after a change of very many.</param>
internal sealed record ScheduleChanges(long Count, IReadOnlyList<string> Names)
{
    private const int MaxNames = 64;

    public static ScheduleChanges None { get; } = new(0, []);

    /// <summary>These changes, and more.</summary>
    public ScheduleChanges With(IReadOnlyCollection<string> schedules) =>
        new(Count + schedules.Count, schedules.Count > MaxNames ? [] : [.. Names.Concat(schedules).TakeLast(MaxNames)]);

    /// <summary>What has changed since there were <paramref name="count"/> changes; null when that is not known any more: then anything may have.</summary>
    public IReadOnlyList<string>? Since(long count) => Count - count is var missed && missed >= 0 && missed <= Names.Count ? [.. Names.TakeLast((int)missed).Distinct()] : null;
}
