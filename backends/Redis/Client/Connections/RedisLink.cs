using Microsoft.Extensions.Logging;

namespace Millrace.Redis.Client.Connections;

/// <summary>
/// The way to one server: the connection that all commands to it share, made when it is first needed and made again after a cut, for as long as it takes. Safe for concurrent use.
/// </summary>
/// <param name="connector">Where it goes.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">The log.</param>
/// <param name="onLost">Told when a connection has ended that was not meant to, and when none can be made: the server may not be the right one any more. Null for nobody.</param>
internal sealed class RedisLink(IRedisConnector connector, TimeProvider time, ILogger logger, Action? onLost = null) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly Reconnector _reconnector = new(connector, time, logger, onLost);
    private TaskCompletionSource<RedisConnection> _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _connecting = Task.CompletedTask;
    private bool _isConnecting;
    private bool _isRetired;
    private RedisConnection? _current;
    private RedisServerAddress? _last;

    /// <summary>The connection, if there is one.</summary>
    public RedisConnection? Current => Volatile.Read(ref _current);

    /// <summary>Where it goes, for errors.</summary>
    public string Target => connector.Target;

    /// <summary>Connects for the first time, once: what cannot work is said at once.</summary>
    /// <exception cref="MillraceException">There is no connection.</exception>
    public async ValueTask OpenAsync(CancellationToken cancellationToken)
    {
        var connection = await connector.ConnectAsync(cancellationToken).ConfigureAwait(false);
        Adopt(connection);
    }

    /// <summary>The connection, as soon as there is one.</summary>
    /// <param name="longest">How long to wait for it.</param>
    /// <param name="total">How long its caller has waited in all when that is over, for the fault.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="BackendUnavailableException">There was none in that time; says why.</exception>
    public async ValueTask<RedisConnection> WaitAsync(TimeSpan longest, TimeSpan total, CancellationToken cancellationToken)
    {
        Task<RedisConnection> next;
        lock (_gate)
        {
            if (_isRetired)
            {
                throw RedisFaults.Unreachable(Target, total, _reconnector.LastFault ?? new IOException("it is not in use any more"));
            }

            ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
            if (_current is { } current)
            {
                return current;
            }

            StartLocked();
            next = _next.Task;
        }

        try
        {
            return await next.WaitAsync(longest < TimeSpan.Zero ? TimeSpan.Zero : longest, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw RedisFaults.Unreachable(Target, total, _reconnector.LastFault);
        }
    }

    /// <summary>Takes a connection out of use because its server is not the right one any more: what it has is still answered, further commands wait for a new one.</summary>
    public void Replace(RedisConnection connection)
    {
        Leave(connection);
        connection.Drain();
    }

    /// <summary>Forgets a connection that has ended, and looks for another.</summary>
    public void Leave(RedisConnection connection)
    {
        lock (_gate)
        {
            if (_current != connection)
            {
                return;
            }

            Volatile.Write(ref _current, null);
            _reconnector.LastFault = connection.End;
            if (!_closing.IsCancellationRequested)
            {
                StartLocked();
            }
        }
    }

    /// <summary>Takes it out of use for good: what its connection has is still answered.</summary>
    public ValueTask RetireAsync()
    {
        lock (_gate)
        {
            _isRetired = true;
        }

        return CloseAsync(static connection => connection.Drain());
    }

    public ValueTask DisposeAsync() => CloseAsync(static connection => connection.Cut(Closed("the client was closed")));

    private static ObjectDisposedException Closed(string message) => new ObjectDisposedException(nameof(RedisLink), message);

    private async ValueTask CloseAsync(Action<RedisConnection> end)
    {
        RedisConnection? current;
        Task connecting;
        lock (_gate)
        {
            _closing.Cancel();
            current = _current;
            connecting = _connecting;
            Volatile.Write(ref _current, null);
            _next.TrySetException(_isRetired
                ? RedisFaults.Unreachable(Target, TimeSpan.Zero, new IOException("it is not in use any more"))
                : Closed("The client has been closed."));
            _ = _next.Task.Exception;
        }

        if (current is not null)
        {
            end(current);
        }

        await connecting.ConfigureAwait(false);
    }

    private void Adopt(RedisConnection connection)
    {
        TaskCompletionSource<RedisConnection> waiting;
        RedisServerAddress? last;
        lock (_gate)
        {
            if (_closing.IsCancellationRequested)
            {
                connection.Cut(Closed("the client was closed"));
                return;
            }

            waiting = _next;
            _next = new TaskCompletionSource<RedisConnection>(TaskCreationOptions.RunContinuationsAsynchronously);
            _isConnecting = false;
            Volatile.Write(ref _current, connection);
            _reconnector.LastFault = null;
            (last, _last) = (_last, connection.Address);
        }

        Report(connection.Address, last);
        waiting.TrySetResult(connection);
        _ = FollowAsync(connection);
    }

    private void Report(RedisServerAddress server, RedisServerAddress? last)
    {
        if (last is null)
        {
            LogMessages.Connected(logger, server);
        }
        else if (last == server)
        {
            LogMessages.Reconnected(logger, server);
        }
        else
        {
            // However it was found: told by a sentinel, or asked for after the connection to the old one was gone.
            LogMessages.FailedOver(logger, connector.Target, server);
        }
    }

    private async Task FollowAsync(RedisConnection connection)
    {
        await connection.Ended.ConfigureAwait(false);
        if (!_closing.IsCancellationRequested)
        {
            LogMessages.Disconnected(logger, connection.Address, RedisFaults.Words(connection.End));
            onLost?.Invoke();
        }

        Leave(connection);
    }

    private void StartLocked()
    {
        if (!_isConnecting)
        {
            _isConnecting = true;
            _connecting = Task.Run(() => _reconnector.RunAsync(Adopt, _closing.Token));
        }
    }
}
