namespace Millrace.Scheduling;

/// <summary>
/// A job that runs itself: its properties are its arguments, which are serialized when it is enqueued. Services are in <see cref="JobContext.Services"/>; a job whose work needs
/// a constructor with services has an <see cref="IJobHandler{TJob}"/> instead. The name under which it is kept is that of <see cref="JobAttribute"/>.
/// </summary>
public interface IJob
{
    /// <summary>
    /// Does the work. Returning is success; an exception fails the attempt, and the job's <see cref="JobRetry"/> decides what follows.
    /// </summary>
    /// <param name="context">The circumstances of this attempt.</param>
    /// <param name="cancellationToken">Ends when the job is cancelled, takes too long, has lost its lease, or its worker stops waiting.</param>
    Task RunAsync(JobContext context, CancellationToken cancellationToken);
}
