using Microsoft.Extensions.Logging;
using Millrace.Redis.Client.Connections;
using Millrace.Redis.Client.Subscriptions;

namespace Millrace.Redis.Client;

/// <summary>The way to one primary, be it a server of its own or the one that sentinels name. Safe for concurrent use.</summary>
internal sealed class RedisExecutor : RoutingExecutor, IRedisExecutor
{
    private readonly RedisLink _link;
    private readonly ConnectionPool _pool;
    private readonly SubscriptionHub _subscriptions;
    private readonly bool _canFailOver;

    /// <param name="connector">Finds the primary.</param>
    /// <param name="canFailOver">Whether another server may become the primary, so that one that refuses writes is not it any more.</param>
    /// <param name="options">The options.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The log.</param>
    public RedisExecutor(IRedisConnector connector, bool canFailOver, RedisOptions options, TimeProvider time, ILogger logger)
        : base(time, options.Timeout)
    {
        _canFailOver = canFailOver;
        _link = new RedisLink(connector, time, logger);
        _pool = new ConnectionPool(connector, options.MaxConnections - RedisDialing.SharedConnections, time, options.Timeout);
        _subscriptions = new SubscriptionHub(connector, time, options.Timeout, logger);
    }

    public bool IsCluster => false;

    /// <summary>What tells of another primary; disposed with this. Null for nothing.</summary>
    public IAsyncDisposable? Watch { get; set; }

    /// <summary>Connects for the first time.</summary>
    public ValueTask OpenAsync(CancellationToken cancellationToken) => _link.OpenAsync(cancellationToken);

    /// <summary>Another server has become the primary: whatever waits for the old one waits in vain.</summary>
    public void FailOver(RedisServerAddress primary)
    {
        var reason = $"the primary is now {primary}";
        if (_link.Current is { } current && current.Address != primary)
        {
            current.Cut(new IOException(reason));
        }

        _pool.Cut(reason, kept: primary);
        _subscriptions.Reconnect(reason, address => address == primary);
    }

    public async ValueTask<RedisReply[]> ExecuteBlockingAsync(IReadOnlyList<RedisCommand> commands, TimeSpan longest, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(commands);
        var attempts = new BlockingAttempts(commands, Time.GetTimestamp());
        try
        {
            for (var repeats = 0; ; repeats++)
            {
                var replies = await TryRunAsync(_pool, commands, longest, asking: false, IsMisplaced, attempts, cancellationToken).ConfigureAwait(false);
                if (replies is [{ Kind: RedisReplyKind.Error } error] && IsMisplaced(error))
                {
                    _pool.Cut("its server is not the primary any more");
                    if (!HasTime(attempts))
                    {
                        throw Misplaced(error, ServerOf(commands[0]), attempts);
                    }
                }
                else if (replies is not null)
                {
                    return replies;
                }

                await Task.Delay(PauseBefore(repeats), Time, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            foreach (var command in commands)
            {
                command.Free();
            }
        }
    }

    public async ValueTask<IReadOnlyList<(string Server, RedisReply Reply)>> ExecuteOnPrimariesAsync(Func<RedisCommand> command, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(command);
        var reply = await ExecuteAsync(command(), cancellationToken).ConfigureAwait(false);
        return [(_link.Current?.Address.ToString() ?? _link.Target, reply)];
    }

    public ValueTask ProbeAsync(CancellationToken cancellationToken) => RoundTrip.MakeAsync(_link, mustBePrimary: true, Time, cancellationToken);

    public string ServerOf(RedisCommand command) => _link.Current?.Address.ToString() ?? _link.Target;

    public async ValueTask<IAsyncDisposable> SubscribeAsync(RedisSubscriptionKind kind, string name, IRedisListener listener, CancellationToken cancellationToken)
    {
        // Only a Cluster has channels that belong to slots; publishers are told the same by RedisCommand.Publish.
        var served = kind == RedisSubscriptionKind.Sharded ? RedisSubscriptionKind.Channel : kind;
        var shared = new SharedSubscription.Listener(listener);
        try
        {
            await _subscriptions.ConfirmAsync(_subscriptions.Add(served, name, shared), cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            _subscriptions.Remove(served, name, shared);
            throw;
        }

        return new SubscriptionHandle(() => _subscriptions.Remove(served, name, shared));
    }

    public async ValueTask DisposeAsync()
    {
        if (Watch is not null)
        {
            await Watch.DisposeAsync().ConfigureAwait(false);
        }

        await _subscriptions.DisposeAsync().ConfigureAwait(false);
        await _pool.DisposeAsync().ConfigureAwait(false);
        await _link.DisposeAsync().ConfigureAwait(false);
    }

    protected override RedisConnection? FindConnection(RedisCommand command) => _link.Current;

    protected override ValueTask<RedisConnection> WaitForConnectionAsync(RedisCommand command, TimeSpan longest, CancellationToken cancellationToken) =>
        _link.WaitAsync(longest, Timeout, cancellationToken);

    protected override void Leave(RedisConnection connection) => _link.Leave(connection);

    protected override bool TryRedirect(RedisOperation operation, RedisConnection connection, RedisReply error)
    {
        if (!IsMisplaced(error))
        {
            return false;
        }

        operation.Repeats++;
        _link.Replace(connection);
        _ = PlaceAsync(operation, PauseBefore(operation.Repeats), CancellationToken.None);
        return true;
    }

    /// <summary>A server that has become a replica has applied nothing.</summary>
    private bool IsMisplaced(RedisReply error) => _canFailOver && error.Bytes.Span.StartsWith("READONLY"u8);
}
