using Millrace.Locks;
using Millrace.Scheduling.Limits;
using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>Makes the limits of the jobs of one worker. Used while the worker is made.</summary>
internal sealed class JobLimitsSource(JobEnvironment environment, JobWorkerOptions options)
{
    private readonly ConcurrencyLimiter? _queueConcurrency = options.MaxConcurrent is { } most ? ConcurrencyOf(environment, "queue/" + options.Queue, most) : null;
    private readonly RateLimiter? _queueRate = options.Rate is { } rate ? RateOf(environment, "queue/" + options.Queue, rate) : null;
    private readonly LimitSeats _seats = new(options.Concurrency);

    // Types that have no limits of their own wait for the queue's in one line.
    private JobLimits? _queueOnly;

    /// <summary>The limits of a job, of its type and of the queue; null when there are none.</summary>
    public JobLimits? Of(JobType type)
    {
        List<ConcurrencyLimiter> concurrency = [];
        List<RateLimiter> rates = [];
        if (type.Options.MaxConcurrent is { } most)
        {
            concurrency.Add(ConcurrencyOf(environment, "job/" + type.Header, most));
        }

        if (type.Options.Rate is { } rate)
        {
            rates.Add(RateOf(environment, "job/" + type.Header, rate));
        }

        if (_queueConcurrency is not null)
        {
            concurrency.Add(_queueConcurrency);
        }

        if (_queueRate is not null)
        {
            rates.Add(_queueRate);
        }

        return concurrency.Count + rates.Count == 0 ? null
            : type.Options is { MaxConcurrent: null, Rate: null } ? _queueOnly ??= LimitsOf(concurrency, rates)
            : LimitsOf(concurrency, rates);
    }

    private JobLimits LimitsOf(IReadOnlyList<ConcurrencyLimiter> concurrency, IReadOnlyList<RateLimiter> rates)
    {
        Func<MessageId, ValueTask<MessageChange>>? recall = environment.Admin is { } admin ? id => admin.RescheduleMessageAsync(options.Queue, id, TimeSpan.Zero) : null;
        return new JobLimits(concurrency, rates, new LimitLine(_seats, recall, environment.TimeProvider), environment.TimeProvider);
    }

    private static ConcurrencyLimiter ConcurrencyOf(JobEnvironment environment, string name, int most)
    {
        var store = environment.Client.Require<ILockStore>();
        return new(name, most, store, new LockClient(store, environment.TimeProvider, environment.Options.LoggerFactory), environment.TimeProvider);
    }

    private static RateLimiter RateOf(JobEnvironment environment, string name, RateLimit rate) => new(name, rate, environment.State, environment.TimeProvider);
}
