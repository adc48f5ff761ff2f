using System.Collections.Concurrent;
using System.Globalization;

namespace Millrace.Redis.Client.Connections;

/// <summary>Connections to one server that are lent to one caller at a time, for commands that make their connection wait. Bounded; safe for concurrent use.</summary>
internal sealed class ConnectionPool(IRedisConnector connector, int maxConnections, TimeProvider time, TimeSpan timeout) : IAsyncDisposable
{
    private readonly ConcurrentStack<RedisConnection> _idle = new();
    private readonly ConcurrentDictionary<RedisConnection, bool> _lent = new();
    private int _lentOut;
    private readonly Queue<TaskCompletionSource> _waiting = new();
    private readonly Lock _gate = new();
    private bool _isClosed;
    private bool _isRetired;

    /// <summary>A connection of one's own, given back by <see cref="Return"/>.</summary>
    /// <exception cref="BackendUnavailableException">None became free in time, or none could be made.</exception>
    public async ValueTask<RedisConnection> RentAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _isRetired))
        {
            throw RedisFaults.Unreachable(connector.Target, TimeSpan.Zero, new IOException("it is not in use any more"));
        }

        await TakePlaceAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            while (_idle.TryPop(out var idle))
            {
                if (idle.End is null)
                {
                    return Lend(idle);
                }
            }

            return Lend(await connector.ConnectAsync(cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            GivePlaceBack();
            throw;
        }
    }

    /// <summary>Takes a connection back. One that still waits for a reply is cut first by its caller.</summary>
    public void Return(RedisConnection connection)
    {
        _lent.TryRemove(connection, out _);
        if (connection.End is null && !Volatile.Read(ref _isClosed) && !Volatile.Read(ref _isRetired))
        {
            _idle.Push(connection);
        }
        else
        {
            connection.Cut(new ObjectDisposedException(nameof(ConnectionPool), "it was closed"));
        }

        GivePlaceBack();
    }

    /// <summary>Closes all connections, also those that are lent, but for those to <paramref name="kept"/>.</summary>
    public void Cut(string reason, RedisServerAddress? kept = null)
    {
        var good = new List<RedisConnection>();
        while (_idle.TryPop(out var idle))
        {
            if (idle.Address == kept)
            {
                good.Add(idle);
            }
            else
            {
                idle.Cut(new IOException(reason));
            }
        }

        good.ForEach(_idle.Push);
        foreach (var (connection, _) in _lent)
        {
            if (connection.Address != kept)
            {
                connection.Cut(new IOException(reason));
            }
        }
    }

    /// <summary>Takes it out of use for good: connections that are lent are closed when they come back.</summary>
    public void Retire()
    {
        Volatile.Write(ref _isRetired, true);
        while (_idle.TryPop(out var idle))
        {
            idle.Cut(new IOException("it is not in use any more"));
        }
    }

    public ValueTask DisposeAsync()
    {
        Volatile.Write(ref _isClosed, true);
        Cut("the client was closed");
        return ValueTask.CompletedTask;
    }

    private RedisConnection Lend(RedisConnection connection)
    {
        _lent.TryAdd(connection, true);
        if (Volatile.Read(ref _isClosed))
        {
            connection.Cut(new ObjectDisposedException(nameof(ConnectionPool), "the client was closed"));
        }

        return connection;
    }

    private async ValueTask TakePlaceAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isClosed), this);
        TaskCompletionSource place;
        lock (_gate)
        {
            if (_lentOut < maxConnections)
            {
                _lentOut++;
                return;
            }

            place = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Enqueue(place);
        }

        try
        {
            await place.Task.WaitAsync(timeout, time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is TimeoutException or OperationCanceledException)
        {
            // Given in the same instant: it goes to the next one.
            if (!place.TrySetCanceled(CancellationToken.None))
            {
                GivePlaceBack();
            }

            if (fault is OperationCanceledException)
            {
                throw;
            }

            throw new BackendUnavailableException(string.Create(
                CultureInfo.InvariantCulture,
                $"All {maxConnections} connections to Redis at {connector.Target} for commands that wait are in use, and none became free within {timeout.TotalMilliseconds:0} ms. Raise the option max_connections."));
        }
    }

    private void GivePlaceBack()
    {
        while (true)
        {
            TaskCompletionSource? next;
            lock (_gate)
            {
                if (!_waiting.TryDequeue(out next))
                {
                    _lentOut--;
                    return;
                }
            }

            if (next.TrySetResult())
            {
                return;
            }
        }
    }
}
