namespace Millrace.Scheduling.Limits;

/// <summary>The limits that hold for one type of job in one queue: of the type and of the queue. Safe for concurrent use.</summary>
internal sealed class JobLimits(IReadOnlyList<ConcurrencyLimiter> concurrency, IReadOnlyList<RateLimiter> rates, LimitLine line, TimeProvider timeProvider)
{
    /// <summary>
    /// Takes a slot of each concurrency limit and then a token of each rate, when those that wait before have theirs; or says that the job is to be put back.
    /// </summary>
    public async ValueTask<LimitEntry> EnterAsync(LimitKey key, CancellationToken cancellationToken)
    {
        if (line.IsEmpty && (await TryEnterAsync(cancellationToken).ConfigureAwait(false)).Slots is { } free)
        {
            line.Pass(key);
            return new LimitEntry(free, null);
        }

        if (line.TryJoin(key) is not { } place)
        {
            return PutBack(key);
        }

        HeldSlots? slots = null;
        try
        {
            slots = await WaitAsync(place, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            line.Leave(place, hasEntered: slots is not null);
        }

        return slots is null ? PutBack(key) : new LimitEntry(slots, null);
    }

    /// <summary>The message of a job that was put back is in its queue.</summary>
    public void WasReturned(MessageId id) => line.WasReturned(id);

    /// <summary>Ends all waiting: the worker stops.</summary>
    public void Close() => line.Close();

    private LimitEntry PutBack(LimitKey key) => new(null, line.IsClosed ? null : line.PutBack(key));

    /// <returns>Null when the place is lost.</returns>
    private async ValueTask<HeldSlots?> WaitAsync(LimitPlace place, CancellationToken cancellationToken)
    {
        while (true)
        {
            var changed = place.Changed;
            if (place.IsOut)
            {
                return null;
            }

            if (!place.IsFirst)
            {
                await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }

            var (slots, wake) = await TryEnterAsync(cancellationToken).ConfigureAwait(false);
            if (slots is not null)
            {
                return slots;
            }

            using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var awake = wake!(ending.Token);
            if (await Task.WhenAny(awake, changed).ConfigureAwait(false) == awake)
            {
                await awake.ConfigureAwait(false);
            }

            await ending.CancelAsync().ConfigureAwait(false);
            await awake.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <returns>The slots; or what to wait for before it is worth another try.</returns>
    private async ValueTask<(HeldSlots? Slots, Func<CancellationToken, Task>? Wake)> TryEnterAsync(CancellationToken cancellationToken)
    {
        var slots = new HeldSlots();
        try
        {
            foreach (var limiter in concurrency)
            {
                var freed = limiter.Freed;
                if (await limiter.TryEnterAsync(cancellationToken).ConfigureAwait(false) is not { } slot)
                {
                    await slots.DisposeAsync().ConfigureAwait(false);
                    return (null, token => limiter.WhenFreeAsync(freed, token));
                }

                slots.Add(slot);
            }

            foreach (var limiter in rates)
            {
                if (await limiter.TryTakeAsync(cancellationToken).ConfigureAwait(false) is { } delay)
                {
                    await slots.DisposeAsync().ConfigureAwait(false);
                    return (null, token => Task.Delay(delay, timeProvider, token));
                }
            }

            return (slots, null);
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
/// <param name="Pause">For how long it is put back; null when it is handed back, because the worker stops.</param>
internal readonly record struct LimitEntry(HeldSlots? Slots, TimeSpan? Pause);
