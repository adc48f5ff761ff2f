using Microsoft.Extensions.Logging;
using Millrace.Redis.Client.Connections;

namespace Millrace.Redis.Client.Subscriptions;

/// <summary>
/// All subscriptions of this process at one server, on one connection, which is made when the first one is wanted and made again after a cut. Safe for concurrent use.
/// </summary>
/// <remarks>
/// Commands are sent under the gate, so what is in <c>_awaited</c> stands there in the order in which the server will confirm it. A subscription that nobody listens to is not in the table.
/// </remarks>
internal sealed class SubscriptionHub : IPushHandler, IAsyncDisposable
{
    private static readonly TimeSpan ShortestHeartbeat = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly IRedisConnector _connector;
    private readonly TimeProvider _time;
    private readonly TimeSpan _timeout;
    private readonly ILogger _logger;
    private readonly Action? _onLost;
    private readonly Reconnector _reconnector;
    private readonly CancellationTokenSource _closing = new();
    private readonly Dictionary<byte[], SharedSubscription>[] _tables = new Dictionary<byte[], SharedSubscription>[SubscriptionVerbs.Kinds];
    private readonly Queue<(SharedSubscription Subscription, bool Subscribes)> _awaited = new();
    private readonly ITimer _heartbeat;
    private Task _connecting = Task.CompletedTask;
    private bool _isConnecting;
    private RedisConnection? _connection;

    /// <param name="connector">Where to connect.</param>
    /// <param name="time">The clock.</param>
    /// <param name="timeout">How long a confirmation may take.</param>
    /// <param name="logger">The log.</param>
    /// <param name="onLost">
    /// Told when the server may not be the right one any more: it cannot be reached, or has ended or refused a subscription because its slot has moved, which then
    /// <see cref="SharedSubscription.IsAdrift"/>. Null where that cannot be.
    /// </param>
    public SubscriptionHub(IRedisConnector connector, TimeProvider time, TimeSpan timeout, ILogger logger, Action? onLost = null)
    {
        (_connector, _time, _timeout, _logger, _onLost) = (connector, time, timeout, logger, onLost);
        _reconnector = new Reconnector(connector, time, logger, onLost);
        for (var i = 0; i < _tables.Length; i++)
        {
            _tables[i] = new Dictionary<byte[], SharedSubscription>(Utf8Comparer.Instance);
        }

        var period = timeout > ShortestHeartbeat ? timeout : ShortestHeartbeat;
        _heartbeat = time.CreateTimer(static self => ((SubscriptionHub)self!).Beat(), this, period, period);
    }

    /// <summary>Adds a listener.</summary>
    /// <returns>Ends when the server has confirmed, for <see cref="ConfirmAsync"/>. Until then and after, <see cref="Remove"/> removes the listener.</returns>
    public Task Add(RedisSubscriptionKind kind, string name, SharedSubscription.Listener listener)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
            return JoinLocked(kind, name, listener).Confirmation.Task;
        }
    }

    /// <summary>Waits for a confirmation.</summary>
    /// <exception cref="BackendUnavailableException">There was none within the timeout.</exception>
    public async ValueTask ConfirmAsync(Task confirmation, CancellationToken cancellationToken)
    {
        try
        {
            await confirmation.WaitAsync(_timeout, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw RedisFaults.Unreachable(_connector.Target, _timeout, _reconnector.LastFault);
        }
    }

    /// <summary>Removes a listener, and the subscription with the last one.</summary>
    public void Remove(RedisSubscriptionKind kind, string name, SharedSubscription.Listener listener)
    {
        lock (_gate)
        {
            var table = _tables[(int)kind];
            if (!table.TryGetValue(System.Text.Encoding.UTF8.GetBytes(name), out var subscription))
            {
                return;
            }

            subscription.Listeners = Array.FindAll(subscription.Listeners, other => other != listener);
            if (subscription.Listeners.Length > 0)
            {
                return;
            }

            table.Remove(subscription.Key);
            if (_connection is not null)
            {
                SendLocked(subscription, subscribes: false);
            }
        }
    }

    /// <summary>Takes subscriptions out, with their listeners, to be made elsewhere.</summary>
    public List<SharedSubscription> Take(Predicate<SharedSubscription> which)
    {
        lock (_gate)
        {
            var taken = _tables.SelectMany(table => table.Values).Where(subscription => which(subscription)).ToList();
            foreach (var subscription in taken)
            {
                _tables[(int)subscription.Kind].Remove(subscription.Key);
                if (_connection is not null)
                {
                    SendLocked(subscription, subscribes: false);
                }
            }

            return taken;
        }
    }

    /// <summary>Makes subscriptions here that were made elsewhere; their listeners are told as after a cut.</summary>
    public void Adopt(SharedSubscription subscription)
    {
        lock (_gate)
        {
            foreach (var listener in subscription.Listeners)
            {
                var joined = JoinLocked(subscription.Kind, subscription.Name, listener);
                if (joined.Confirmation.Task.IsCompleted)
                {
                    subscription.Confirmation.TrySetResult();
                    ThreadPool.UnsafeQueueUserWorkItem(static target => target.OnResubscribed(), listener.Target, preferLocal: false);
                }
                else
                {
                    _ = PassOnAsync(joined.Confirmation.Task, subscription.Confirmation);
                }
            }
        }
    }

    /// <summary>Cuts the connection if its server is not one of the right ones any more, so that it is made to one that is.</summary>
    public void Reconnect(string reason, Predicate<RedisServerAddress> isRight)
    {
        if (Volatile.Read(ref _connection) is { } connection && !isRight(connection.Address))
        {
            connection.Cut(new IOException(reason));
        }
    }

    /// <inheritdoc/>
    public bool OnPush(RedisReply push)
    {
        var items = push.Items;
        var verb = items[0].Bytes.Span;
        var kind = SubscriptionVerbs.KindOf(verb);
        if (verb.EndsWith("message"u8))
        {
            Dispatch(kind, items);
            return false;
        }

        return verb.EndsWith("unsubscribe"u8) ? OnUnsubscribed(kind, items[1].Bytes.Span) : verb.EndsWith("subscribe"u8) && OnSubscribed(kind, items[1].Bytes.Span);
    }

    public async ValueTask DisposeAsync()
    {
        Task connecting;
        lock (_gate)
        {
            _closing.Cancel();
            connecting = _connecting;
        }

        await _heartbeat.DisposeAsync().ConfigureAwait(false);
        Volatile.Read(ref _connection)?.Cut(new ObjectDisposedException(nameof(SubscriptionHub), "the client was closed"));
        await connecting.ConfigureAwait(false);
    }

    private static async Task PassOnAsync(Task from, TaskCompletionSource to)
    {
        await from.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        to.TrySetResult();
    }

    private SharedSubscription JoinLocked(RedisSubscriptionKind kind, string name, SharedSubscription.Listener listener)
    {
        var created = new SharedSubscription(kind, name);
        if (_tables[(int)kind].TryGetValue(created.Key, out var subscription))
        {
            listener.WasConfirmed |= subscription.Confirmation.Task.IsCompletedSuccessfully;
            subscription.Listeners = [.. subscription.Listeners, listener];
            return subscription;
        }

        created.Listeners = [listener];
        _tables[(int)kind].Add(created.Key, created);
        if (_connection is not null)
        {
            SendLocked(created, subscribes: true);
        }
        else
        {
            StartLocked();
        }

        return created;
    }

    private void SendLocked(SharedSubscription subscription, bool subscribes)
    {
        var command = RedisCommand.Create(subscribes ? SubscriptionVerbs.Subscribe(subscription.Kind) : SubscriptionVerbs.Unsubscribe(subscription.Kind)).Add(subscription.Key);
        _awaited.Enqueue((subscription, subscribes));
        _ = WatchAsync(_connection!, subscription, _connection!.ExecuteAsync(command), subscribes);
    }

    /// <summary>Sees to a subscription that the server refuses; a cut is seen to elsewhere.</summary>
    private async Task WatchAsync(RedisConnection connection, SharedSubscription subscription, ValueTask<RedisReply> answer, bool subscribes)
    {
        try
        {
            await answer.ConfigureAwait(false);
        }
        catch (RedisServerException refusal) when (subscribes)
        {
            if (_onLost is not null && refusal.Code is "MOVED" or "CLUSTERDOWN" or "ASK")
            {
                subscription.IsAdrift = true;
                _onLost!();
                return;
            }

            LogMessages.SubscriptionRefused(_logger, subscription.Name, connection.Address, refusal.Message);
            lock (_gate)
            {
                _tables[(int)subscription.Kind].Remove(subscription.Key);
            }

            subscription.Confirmation.TrySetException(refusal);
            _ = subscription.Confirmation.Task.Exception;
        }
        catch (MillraceException fault)
        {
            // Without its confirmation nothing is known about what the server does with the rest.
            connection.Cut(fault);
        }
    }

    private void Dispatch(RedisSubscriptionKind kind, ReadOnlySpan<RedisReply> items)
    {
        if (items.Length != (kind == RedisSubscriptionKind.Pattern ? 4 : 3))
        {
            return;
        }

        SharedSubscription.Listener[] listeners;
        lock (_gate)
        {
            if (!_tables[(int)kind].GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(items[1].Bytes.Span, out var subscription))
            {
                return;
            }

            listeners = subscription.Listeners;
        }

        foreach (var listener in listeners)
        {
            listener.Target.OnMessage(items[^2].Bytes.Span, items[^1].Bytes);
        }
    }

    private bool OnSubscribed(RedisSubscriptionKind kind, ReadOnlySpan<byte> name)
    {
        SharedSubscription.Listener[] again;
        lock (_gate)
        {
            if (DequeueLocked(kind, name, subscribes: true) is not { } subscription)
            {
                return false;
            }

            again = Array.FindAll(subscription.Listeners, listener => listener.WasConfirmed);
            Array.ForEach(subscription.Listeners, listener => listener.WasConfirmed = true);
            subscription.Confirmation.TrySetResult();
        }

        Array.ForEach(again, listener => listener.Target.OnResubscribed());
        return true;
    }

    private bool OnUnsubscribed(RedisSubscriptionKind kind, ReadOnlySpan<byte> name)
    {
        SharedSubscription? moved;
        lock (_gate)
        {
            if (DequeueLocked(kind, name, subscribes: false) is not null)
            {
                return true;
            }

            _tables[(int)kind].GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(name, out moved);
            if (moved is not null)
            {
                moved.Forget();
                moved.IsAdrift = true;
            }
        }

        if (moved is not null)
        {
            _onLost?.Invoke();
        }

        return false;
    }

    /// <summary>Finds what a confirmation confirms. What was sent before it has been refused.</summary>
    private SharedSubscription? DequeueLocked(RedisSubscriptionKind kind, ReadOnlySpan<byte> name, bool subscribes)
    {
        var skipped = 0;
        foreach (var (subscription, isSubscribing) in _awaited)
        {
            skipped++;
            if (isSubscribing == subscribes && subscription.Kind == kind && name.SequenceEqual(subscription.Key))
            {
                for (; skipped > 0; skipped--)
                {
                    _awaited.Dequeue();
                }

                return subscription;
            }
        }

        return null;
    }

    /// <summary>Makes a server that is gone without a word noticed, when nobody publishes.</summary>
    private void Beat()
    {
        if (Volatile.Read(ref _connection) is { } connection)
        {
            _ = PingAsync(connection);
        }
    }

    private static async Task PingAsync(RedisConnection connection)
    {
        try
        {
            await connection.ExecuteAsync(RedisCommand.Create("PING")).ConfigureAwait(false);
        }
        catch (MillraceException fault)
        {
            connection.Cut(fault);
        }
    }

    private void StartLocked()
    {
        if (!_isConnecting)
        {
            _isConnecting = true;
            _connecting = Task.Run(() => _reconnector.RunAsync(Use, _closing.Token));
        }
    }

    private void Use(RedisConnection connection)
    {
        connection.PushHandler = this;
        lock (_gate)
        {
            if (_closing.IsCancellationRequested)
            {
                connection.Cut(new ObjectDisposedException(nameof(SubscriptionHub), "the client was closed"));
                return;
            }

            _isConnecting = false;
            _awaited.Clear();
            Volatile.Write(ref _connection, connection);
            _reconnector.LastFault = null;
            foreach (var subscription in _tables.SelectMany(table => table.Values))
            {
                SendLocked(subscription, subscribes: true);
            }
        }

        LogMessages.Connected(_logger, connection.Address);
        _ = FollowAsync(connection);
    }

    private async Task FollowAsync(RedisConnection connection)
    {
        await connection.Ended.ConfigureAwait(false);
        lock (_gate)
        {
            if (_connection != connection)
            {
                return;
            }

            Volatile.Write(ref _connection, null);
            _reconnector.LastFault = connection.End;
            var isWanted = false;
            foreach (var subscription in _tables.SelectMany(table => table.Values))
            {
                subscription.Forget();
                isWanted = true;
            }

            if (isWanted && !_closing.IsCancellationRequested)
            {
                LogMessages.Disconnected(_logger, connection.Address, RedisFaults.Words(connection.End));
                StartLocked();
            }
        }
    }
}
