using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Millrace.Storage;

namespace Millrace.Server.Api;

/// <summary>
/// The receivers that clients have open. One that is not used any more is closed when its leases have ended by themselves, so that the attempts of a client that died count.
/// Safe for concurrent use.
/// </summary>
internal sealed class ReceiverTable : IAsyncDisposable
{
    private const int IdBytes = 16;

    private readonly ConcurrentDictionary<string, RemoteReceiver> _receivers = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Owner, string Queue, TimeSpan Lease, bool SettleOnLease), ConcurrentBag<RemoteReceiver>> _pool = [];
    private readonly ApiLimits _limits;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger _logger;
    private readonly ITimer _sweep;
    private int _count;

    public ReceiverTable(ApiLimits limits, TimeProvider timeProvider, ILogger logger)
    {
        _limits = limits;
        _timeProvider = timeProvider;
        _logger = logger;
        var period = limits.ReceiverIdleTime / 2;
        _sweep = timeProvider.CreateTimer(_ => CloseIdle(), null, period, period);
    }

    /// <summary>How many are open.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Opens a receiver for a client.</summary>
    /// <exception cref="BackendUnavailableException">There are too many.</exception>
    public async ValueTask<RemoteReceiver> OpenAsync(string owner, string queue, IQueueStore store, ReceiverOptions options, CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _count) > _limits.MaxReceivers)
        {
            Interlocked.Decrement(ref _count);
            throw new BackendUnavailableException($"There are {_limits.MaxReceivers:N0} receivers open, which is the most that this server allows. Close some, or ask again.");
        }

        try
        {
            var receiver = await store.OpenReceiverAsync(queue, options, cancellationToken).ConfigureAwait(false);
            var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdBytes));
            return _receivers[id] = new RemoteReceiver(id, owner, queue, store, receiver, options, _timeProvider);
        }
        catch
        {
            Interlocked.Decrement(ref _count);
            throw;
        }
    }

    /// <summary>The receiver of this id, if this user opened it; otherwise null.</summary>
    public RemoteReceiver? Find(string id, string owner) =>
        _receivers.TryGetValue(id, out var receiver) && receiver.Owner == owner ? receiver : null;

    /// <summary>Closes a receiver and hands back what it has open.</summary>
    /// <returns>False when there is none, or it is another user's.</returns>
    public async ValueTask<bool> CloseAsync(string id, string owner)
    {
        if (Find(id, owner) is not { } receiver || !_receivers.TryRemove(id, out _))
        {
            return false;
        }

        Interlocked.Decrement(ref _count);
        await receiver.DisposeAsync().ConfigureAwait(false);
        return true;
    }

    /// <summary>A receiver for one lease call of a client that has opened none. Give it back by <see cref="Return"/>.</summary>
    public async ValueTask<RemoteReceiver> BorrowAsync(string owner, string queue, IQueueStore store, ReceiverOptions options, CancellationToken cancellationToken)
    {
        if (_pool.TryGetValue(KeyOf(owner, queue, options), out var idle))
        {
            while (idle.TryTake(out var receiver))
            {
                if (_receivers.ContainsKey(receiver.Id))
                {
                    return receiver;
                }
            }
        }

        return await OpenAsync(owner, queue, store, options, cancellationToken).ConfigureAwait(false);
    }

    public void Return(RemoteReceiver receiver) => _pool.GetOrAdd(KeyOf(receiver.Owner, receiver.Queue, receiver.Options), static _ => []).Add(receiver);

    public async ValueTask DisposeAsync()
    {
        await _sweep.DisposeAsync().ConfigureAwait(false);
        foreach (var id in _receivers.Keys)
        {
            if (_receivers.TryRemove(id, out var receiver))
            {
                await CloseQuietlyAsync(receiver).ConfigureAwait(false);
            }
        }
    }

    private void CloseIdle()
    {
        foreach (var (id, receiver) in _receivers)
        {
            if (receiver.IsIdle(_limits.ReceiverIdleTime) && _receivers.TryRemove(id, out _))
            {
                Interlocked.Decrement(ref _count);
                _ = CloseQuietlyAsync(receiver);
            }
        }

        foreach (var (key, idle) in _pool)
        {
            // What is closed is not worth keeping; what is not comes back when it has been used.
            if (idle.All(receiver => !_receivers.ContainsKey(receiver.Id)))
            {
                _pool.TryRemove(key, out _);
            }
        }
    }

    private async Task CloseQuietlyAsync(RemoteReceiver receiver)
    {
        try
        {
            await receiver.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is MillraceException or ObjectDisposedException)
        {
            _logger.ReceiverCloseFailed(exception, receiver.Queue);
        }
    }

    private static (string Owner, string Queue, TimeSpan Lease, bool SettleOnLease) KeyOf(string owner, string queue, ReceiverOptions options) =>
        (owner, queue, options.LeaseDuration, options.SettleOnLease);
}
