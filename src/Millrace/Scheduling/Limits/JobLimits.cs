namespace Millrace.Scheduling.Limits;

/// <summary>The limits that hold for one type of job in one queue: of the type and of the queue. Safe for concurrent use.</summary>
internal sealed class JobLimits(IReadOnlyList<ConcurrencyLimiter> concurrency, IReadOnlyList<RateLimiter> rates)
{
    /// <summary>Takes a slot of each concurrency limit and then a token of each rate, or says how long to wait.</summary>
    public async ValueTask<LimitEntry> EnterAsync(CancellationToken cancellationToken)
    {
        var slots = new HeldSlots();
        try
        {
            foreach (var limiter in concurrency)
            {
                if (await limiter.TryEnterAsync(cancellationToken).ConfigureAwait(false) is not { } slot)
                {
                    await slots.DisposeAsync().ConfigureAwait(false);
                    return new LimitEntry(null, limiter.Wait());
                }

                slots.Add(slot);
            }

            foreach (var limiter in rates)
            {
                if (await limiter.TryTakeAsync(cancellationToken).ConfigureAwait(false) is { } delay)
                {
                    await slots.DisposeAsync().ConfigureAwait(false);
                    return new LimitEntry(null, delay);
                }
            }

            return new LimitEntry(slots, TimeSpan.Zero);
        }
        catch
        {
            await slots.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}

/// <summary>Whether a run may start.</summary>
/// <param name="Slots">What it holds while it runs; null when it may not start now.</param>
/// <param name="Delay">When to ask again.</param>
internal readonly record struct LimitEntry(HeldSlots? Slots, TimeSpan Delay);
