using System.Diagnostics.CodeAnalysis;
using Millrace.Scheduling.Jobs;
using Millrace.Storage;

namespace Millrace.Scheduling.Limits;

/// <summary>
/// How many runs start in a span of time, on all nodes. Each start has a place of its own on a line of evenly spaced instants; a document says up to where the line is given away, and a node
/// takes a tenth of a span of it at a time. A place that was not used in time is lost, so a pause is followed by a tenth more than the rate at most from each node. Safe for concurrent use.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The turn never makes a handle, so there is nothing to dispose.")]
internal sealed class RateLimiter
{
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(5);

    private readonly string _key;
    private readonly IStateStore _state;
    private readonly TimeProvider _timeProvider;
    private readonly long _spacing;
    private readonly int _batch;
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _fetching = new(1, 1);
    private long _next;
    private int _left;

    public RateLimiter(string name, RateLimit limit, IStateStore state, TimeProvider timeProvider)
    {
        (_key, _state, _timeProvider) = (JobKeys.OfRate(name), state, timeProvider);

        // Rounded up, so that the rate is kept and not exceeded.
        _spacing = Math.Max(1, (limit.Per.Ticks + limit.Count - 1) / limit.Count);
        _batch = Math.Max(1, limit.Count / 10);
    }

    /// <summary>Takes a token.</summary>
    /// <returns>Null when it was there; else how long to wait before asking again.</returns>
    public async ValueTask<TimeSpan?> TryTakeAsync(CancellationToken cancellationToken)
    {
        if (TryTake(out var delay))
        {
            return null;
        }

        if (delay is { } known)
        {
            return known;
        }

        await _fetching.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (TryTake(out delay))
            {
                return null;
            }

            if (delay is null)
            {
                await FetchAsync(cancellationToken).ConfigureAwait(false);
                if (TryTake(out delay))
                {
                    return null;
                }
            }

            return delay ?? ShortestWait;
        }
        finally
        {
            _fetching.Release();
        }
    }

    /// <returns>Whether there was a token; if not, <paramref name="delay"/> says when there will be, or is null when none is left.</returns>
    private bool TryTake(out TimeSpan? delay)
    {
        lock (_gate)
        {
            delay = null;
            var now = _timeProvider.GetUtcNow().Ticks;
            var stale = now - (_batch * _spacing);
            while (_left > 0 && _next < stale)
            {
                Use();
            }

            if (_left == 0)
            {
                return false;
            }

            if (_next <= now)
            {
                Use();
                return true;
            }

            var wait = TimeSpan.FromTicks(_next - now);
            delay = wait < ShortestWait ? ShortestWait : wait;
            return false;
        }
    }

    private void Use()
    {
        _left--;
        _next += _spacing;
    }

    private async ValueTask FetchAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var document = await _state.GetAsync(_key, cancellationToken).ConfigureAwait(false);
            var now = _timeProvider.GetUtcNow().Ticks;
            var free = document is null ? now : JobDocuments.ReadRate(document.Value).Next.UtcTicks;

            // A node whose clock was far ahead must not have stopped the line for all others.
            var furthest = now + (_batch * _spacing * MostNodes);
            var first = Math.Clamp(free, now, furthest);
            var next = new DateTimeOffset(first + (_batch * _spacing), TimeSpan.Zero);
            if ((await _state.PutAsync(_key, JobDocuments.Write(new RateDocument(next)), document?.Version ?? IStateStore.Absent, cancellationToken).ConfigureAwait(false)).Written)
            {
                lock (_gate)
                {
                    (_next, _left) = (first, _batch);
                }

                return;
            }
        }
    }

    private const int MostNodes = 1000;
}
