using System.Diagnostics.CodeAnalysis;

namespace Millrace.Scheduling.Jobs;

/// <summary>A job that is to follow another one, before it is serialized.</summary>
internal abstract record PlannedJob(ContinuationOn On, JobOptions Options)
{
    /// <summary>Takes it through the sending pipeline, as if it were sent.</summary>
    public abstract ValueTask<JobFollowUp> ToFollowUpAsync(JobSenders senders, CancellationToken cancellationToken);
}

/// <summary>A job of a known type.</summary>
internal sealed record PlannedJob<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(TJob Job, ContinuationOn On, JobOptions Options) : PlannedJob(On, Options)
{
    public override ValueTask<JobFollowUp> ToFollowUpAsync(JobSenders senders, CancellationToken cancellationToken) =>
        senders.Get<TJob>(Options.Queue).CaptureAsync(Job, On, Options, cancellationToken);
}
