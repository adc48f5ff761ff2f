using Millrace.Pipeline;
using Millrace.Scheduling.Limits;

namespace Millrace.Scheduling.Jobs;

/// <summary>A job as the worker of one queue runs it: with the steps that are made for that queue, and its limits.</summary>
internal sealed class BoundJob(JobType type, PipelineSettings settings)
{
    public JobType Type => type;

    public IHandleMiddleware Reading { get; } = type.Reading(settings);

    public IHandleMiddleware Validation { get; } = type.Validation(settings);

    /// <summary>How many run and start, together with the queue's own limits; null: any number.</summary>
    public JobLimits? Limits { get; init; }
}
