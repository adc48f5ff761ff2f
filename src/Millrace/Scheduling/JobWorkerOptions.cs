using Millrace.Queues;

namespace Millrace.Scheduling;

/// <summary>How a <see cref="JobWorker"/> works. Immutable; validated when the worker is made.</summary>
public sealed record JobWorkerOptions
{
    /// <summary>The queue; <see cref="ScheduleDefinition.DefaultQueue"/> unless set.</summary>
    public string Queue { get; init; } = ScheduleDefinition.DefaultQueue;

    /// <summary>How many jobs run at the same time in this worker; four times the number of processors unless set, 1 to 100,000.</summary>
    public int Concurrency { get; init; } = Environment.ProcessorCount * 4;

    /// <summary>How many jobs are leased ahead, beside those that run; null, the default: as many as <see cref="Concurrency"/>. More for many short jobs. 0 to 100,000.</summary>
    public int? Prefetch { get; init; }

    /// <summary>How many jobs of this queue run at once, on all nodes together; null, the default: any number. 1 to 10,000.</summary>
    public int? MaxConcurrent { get; init; }

    /// <summary>How many jobs of this queue start in a span of time, on all nodes together; null, the default: any number.</summary>
    public RateLimit? Rate { get; init; }

    /// <summary>How long a stop waits for jobs that run, before it cancels them; 30 s unless set. Zero: not at all.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a stop waits for jobs that it has cancelled, before it hands their messages back under them; 5 s unless set.</summary>
    public TimeSpan CancelTimeout { get; init; } = TimeSpan.FromSeconds(5);

    internal QueueWorkerOptions ToQueueWorkerOptions() => new()
    {
        Concurrency = Concurrency,
        Prefetch = Prefetch,
        DrainTimeout = DrainTimeout,
        CancelTimeout = CancelTimeout,
    };

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="MillraceConfigurationException">Names the option, its value and what is allowed.</exception>
    public void Validate()
    {
        if (MaxConcurrent is < 1 or > JobTypeOptions.MostConcurrent)
        {
            throw new MillraceConfigurationException($"The worker option MaxConcurrent must be 1 to {JobTypeOptions.MostConcurrent:N0}, not {MaxConcurrent}.");
        }

        Rate?.Validate($"the queue '{Queue}'");
        ToQueueWorkerOptions().Validate();
    }
}
