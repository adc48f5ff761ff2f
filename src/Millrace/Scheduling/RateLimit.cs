using Millrace.Hosting;

namespace Millrace.Scheduling;

/// <summary>How many runs may start in a span of time, on all nodes together. Immutable.</summary>
/// <param name="Count">How many, at least 1.</param>
/// <param name="Per">In which span, 1 ms to a day.</param>
public sealed record RateLimit(int Count, TimeSpan Per)
{
    internal void Validate(string owner)
    {
        if (Count < 1 || Per < TimerRange.Shortest || Per > TimeSpan.FromDays(1))
        {
            throw new MillraceConfigurationException($"The rate of {owner} must be at least 1 in a span of 1 ms to a day, not {Count} in {Per}.");
        }
    }
}
