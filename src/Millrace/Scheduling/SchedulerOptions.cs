using Millrace.Scheduling.Schedules;

namespace Millrace.Scheduling;

/// <summary>How a <see cref="Scheduler"/> works. Immutable; validated when the scheduler is made.</summary>
public sealed record SchedulerOptions
{
    private const int MostAtOnce = 10_000;
    private const int MaxApplicationLength = 100;

    /// <summary>Defaults throughout.</summary>
    public static SchedulerOptions Default { get; } = new();

    /// <summary>
    /// The name of the application whose code defines <see cref="Schedules"/>; null, the default: that of the program. Schedules that an earlier version of it defined and this one does
    /// not are marked as orphaned when the scheduler starts, and fired no more.
    /// </summary>
    public string? Application { get; init; }

    /// <summary>The schedules that the application's code defines; none unless set. They are stored when the scheduler starts: what is the same as before goes on as if nothing had happened.</summary>
    public IReadOnlyList<ScheduleDefinition> Schedules { get; init; } = [];

    /// <summary>Schedules of the application's code that are yet to be read.</summary>
    internal IReadOnlyList<UnreadSchedule> Unread { get; init; } = [];

    /// <summary>How many schedules are fired at the same time; 64 unless set, 1 to 10,000.</summary>
    public int Concurrency { get; init; } = 64;

    /// <summary>How long a stop waits for occurrences that are being sent; 30 s unless set.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="MillraceConfigurationException">Names the option, its value and what is allowed.</exception>
    public void Validate()
    {
        if (Concurrency is < 1 or > MostAtOnce)
        {
            throw new MillraceConfigurationException($"The scheduler option {nameof(Concurrency)} must be 1 to {MostAtOnce:N0}, not {Concurrency}.");
        }

        if (Application is { Length: 0 or > MaxApplicationLength })
        {
            throw new MillraceConfigurationException($"The scheduler option {nameof(Application)} must be 1 to {MaxApplicationLength} characters long, not {Application.Length}.");
        }

        if (DrainTimeout < TimeSpan.Zero || DrainTimeout > Hosting.TimerRange.Longest)
        {
            throw new MillraceConfigurationException($"The scheduler option {nameof(DrainTimeout)} must be 0 to 49 days, not {DrainTimeout}.");
        }
    }
}
