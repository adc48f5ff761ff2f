using Millrace.Redis.Client;

namespace Millrace.Redis.Waiting;

/// <summary>
/// The subscription to one channel of those who wait: made when somebody first does, made anew for the next one where that has failed, and ended once. Safe for concurrent use.
/// </summary>
internal sealed class LazySubscription(IRedisExecutor executor, string channel) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private Task<IAsyncDisposable>? _made;
    private bool _isDisposed;

    /// <summary>Whether what is published arrives.</summary>
    public bool IsMade => Volatile.Read(ref _made) is { IsCompletedSuccessfully: true };

    /// <summary>Sees to it that what is published arrives: returns when the servers have confirmed the subscription.</summary>
    /// <param name="listener">Who is told; the same each time.</param>
    /// <param name="cancellationToken">Ends the wait, not the subscription, which others may wait for.</param>
    /// <returns>Whether this was the call that made it.</returns>
    public async ValueTask<bool> MakeAsync(IRedisListener listener, CancellationToken cancellationToken)
    {
        Task<IAsyncDisposable> made;
        var isFirst = false;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(RedisBackend));
            if (_made is null or { IsFaulted: true } or { IsCanceled: true })
            {
                isFirst = true;
                _made = executor.SubscribeAsync(RedisSubscriptionKind.Sharded, channel, listener, CancellationToken.None).AsTask();
            }

            made = _made;
        }

        await made.WaitAsync(cancellationToken).ConfigureAwait(false);
        return isFirst;
    }

    public async ValueTask DisposeAsync()
    {
        Task<IAsyncDisposable>? made;
        lock (_gate)
        {
            _isDisposed = true;
            made = _made;
        }

        try
        {
            if (made is not null)
            {
                await (await made.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
            }
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException or OperationCanceledException)
        {
            // Whoever wanted the subscription has met the fault; there is nothing left to end.
        }
    }
}
