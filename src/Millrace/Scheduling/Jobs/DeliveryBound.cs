using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>
/// How often a store delivers a message of a job queue before it dead-letters it by itself (law Q7), which no job would hear of: so the attempt that it counts as the last one ends the run. Safe for
/// concurrent use.
/// </summary>
internal sealed class DeliveryBound(JobEnvironment environment, string queue)
{
    // The bound is asked for after failures only, and may be changed while the worker runs.
    private static readonly TimeSpan TrustedFor = TimeSpan.FromSeconds(5);

    private volatile Known? _known;

    /// <summary>The bound; null where there is none, or it cannot be asked.</summary>
    public async ValueTask<int?> GetAsync(CancellationToken cancellationToken)
    {
        if (environment.Admin is not { } admin || !environment.Store.Capabilities.Has(QueueFeatures.CountsAttempts))
        {
            return null;
        }

        var known = _known;
        if (known is not null && environment.TimeProvider.GetElapsedTime(known.At) < TrustedFor)
        {
            return known.MaxDeliveries;
        }

        try
        {
            var settings = await admin.GetSettingsAsync(queue, cancellationToken).ConfigureAwait(false);
            _known = known = new Known(settings.MaxDeliveries, environment.TimeProvider.GetTimestamp());
        }
        catch (MillraceException)
        {
            // The failure of the job is what counts: its retry goes on by what is known.
        }

        return known?.MaxDeliveries;
    }

    /// <exception cref="MillraceConfigurationException">The policy of a job asks for more attempts than the queue allows (law Q7); names both numbers.</exception>
    public async ValueTask RequireFitsAsync(IEnumerable<JobType> jobs, CancellationToken cancellationToken)
    {
        if (await GetAsync(cancellationToken).ConfigureAwait(false) is { } bound
            && jobs.Where(job => job.Options.Retry.MaxAttempts > bound).MaxBy(job => job.Options.Retry.MaxAttempts) is { } job)
        {
            throw new MillraceConfigurationException(
                $"The retry policy of the job '{job.Header}' asks for {job.Options.Retry.MaxAttempts} attempts, but the queue '{queue}' dead-letters a message after {bound} deliveries (maxDeliveries). "
                + $"Lower the policy (JobTypeOptions.Retry) to {bound} attempts or fewer, or raise maxDeliveries of the queue.");
        }
    }

    private sealed record Known(int MaxDeliveries, long At);
}
