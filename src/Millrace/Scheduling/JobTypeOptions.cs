using Millrace.Hosting;

namespace Millrace.Scheduling;

/// <summary>How jobs of one type are run. Filled by the function that is given with the registration.</summary>
public sealed class JobTypeOptions
{
    /// <summary>How many of them run at once, on all nodes together; null, the default: any number. 1 to 10,000.</summary>
    public int? MaxConcurrent { get; set; }

    /// <summary>How many of them start in a span of time, on all nodes together; null, the default: any number.</summary>
    public RateLimit? Rate { get; set; }

    /// <summary>What follows a failure, unless the job was enqueued with a policy of its own; <see cref="JobRetry.Default"/> unless set.</summary>
    public JobRetry Retry { get; set; } = JobRetry.Default;

    /// <summary>How long one attempt may take, unless the job was enqueued with a time of its own; null, the default: any time. 1 ms to 49 days.</summary>
    public TimeSpan? Timeout { get; set; }

    internal void Validate(string job)
    {
        if (MaxConcurrent is < 1 or > MostConcurrent)
        {
            throw new MillraceConfigurationException($"MaxConcurrent of the job '{job}' must be 1 to {MostConcurrent:N0}, not {MaxConcurrent}.");
        }

        if (Timeout is { } timeout && (timeout < TimerRange.Shortest || timeout > TimerRange.Longest))
        {
            throw new MillraceConfigurationException($"The timeout of the job '{job}' must be 1 ms to 49 days, not {timeout}.");
        }

        Rate?.Validate($"the job '{job}'");
        Retry.Validate();
    }

    /// <summary>The most that can be asked for.</summary>
    internal const int MostConcurrent = 10_000;
}
