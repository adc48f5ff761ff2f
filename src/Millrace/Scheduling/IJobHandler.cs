namespace Millrace.Scheduling;

/// <summary>Runs jobs of one type. In a host, a new one is made for every attempt, from that attempt's scope of services.</summary>
/// <typeparam name="TJob">The type of the arguments.</typeparam>
public interface IJobHandler<in TJob>
{
    /// <summary>Does the work. Returning is success; an exception fails the attempt, and the job's <see cref="JobRetry"/> decides what follows.</summary>
    /// <param name="job">The arguments.</param>
    /// <param name="context">The circumstances of this attempt.</param>
    /// <param name="cancellationToken">Ends when the job is cancelled, takes too long, has lost its lease, or its worker stops waiting.</param>
    Task RunAsync(TJob job, JobContext context, CancellationToken cancellationToken);
}
