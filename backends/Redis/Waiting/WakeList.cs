using Millrace.Redis.Client;

namespace Millrace.Redis.Waiting;

/// <summary>
/// Those in this process who wait for something to be published on channels of one kind: one subscription a channel, for as long as somebody waits. Who waits joins before it looks,
/// so that nothing between its look and its wait is missed; and is also woken when the connection was cut, and looks again.
/// </summary>
internal sealed class WakeList(IRedisExecutor executor) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Listener> _listeners = new(StringComparer.Ordinal);
    private bool _isDisposed;

    /// <summary>Joins those who wait on a channel; returns when the servers have confirmed the subscription.</summary>
    public async ValueTask<Waiter> JoinAsync(string channel, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Waiter waiter;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (!_listeners.TryGetValue(channel, out var listener))
            {
                _listeners.Add(channel, listener = new Listener(this, channel, new LazySubscription(executor, channel)));
            }

            waiter = new Waiter(listener);
            listener.Waiters.Add(waiter);
        }

        try
        {
            await waiter.Listener.Subscription.MakeAsync(waiter.Listener, cancellationToken).ConfigureAwait(false);
            return waiter;
        }
        catch
        {
            await waiter.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Ends every wait.</summary>
    public async ValueTask DisposeAsync()
    {
        Listener[] listeners;
        lock (_gate)
        {
            _isDisposed = true;
            listeners = [.. _listeners.Values];
            _listeners.Clear();
        }

        foreach (var listener in listeners)
        {
            listener.WakeAll();
            await listener.Subscription.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask LeaveAsync(Waiter waiter)
    {
        var listener = waiter.Listener;
        lock (_gate)
        {
            if (!listener.Waiters.Remove(waiter) || listener.Waiters.Count > 0 || !_listeners.Remove(listener.Channel))
            {
                return;
            }
        }

        await listener.Subscription.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>One subscription, and who waits on it.</summary>
    internal sealed class Listener(WakeList list, string channel, LazySubscription subscription) : IRedisListener
    {
        public WakeList List => list;

        public string Channel => channel;

        /// <summary>Under the list's gate.</summary>
        public HashSet<Waiter> Waiters { get; } = [];

        public LazySubscription Subscription => subscription;

        public void OnMessage(ReadOnlySpan<byte> channel, ReadOnlyMemory<byte> payload) => WakeAll();

        public void OnResubscribed() => WakeAll();

        public void WakeAll()
        {
            Waiter[] waiters;
            lock (list._gate)
            {
                waiters = [.. Waiters];
            }

            foreach (var waiter in waiters)
            {
                waiter.Wake();
            }
        }
    }

    /// <summary>One who waits.</summary>
    internal sealed class Waiter(Listener listener) : IAsyncDisposable
    {
        private readonly TaskCompletionSource _woken = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Listener Listener => listener;

        public void Wake() => _woken.TrySetResult();

        /// <summary>Waits to be woken, or for the time to pass.</summary>
        public async ValueTask WaitAsync(TimeSpan timeout, TimeProvider timeProvider, CancellationToken cancellationToken)
        {
            try
            {
                await _woken.Task.WaitAsync(timeout, timeProvider, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // Time to look.
            }
        }

        public ValueTask DisposeAsync() => listener.List.LeaveAsync(this);
    }
}
