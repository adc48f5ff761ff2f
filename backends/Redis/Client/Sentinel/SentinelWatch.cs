using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using Millrace.Redis.Client.Connections;
using Millrace.Redis.Client.Subscriptions;

namespace Millrace.Redis.Client.Sentinel;

/// <summary>Hears from a sentinel when another server has become the primary, and has the executor follow. Safe for concurrent use.</summary>
internal sealed class SentinelWatch : IRedisListener, IRedisConnector, IAsyncDisposable
{
    private const string SwitchChannel = "+switch-master";

    private readonly SentinelRing _sentinels;
    private readonly RedisExecutor _executor;
    private readonly ILogger _logger;
    private readonly SubscriptionHub _hub;
    private readonly CancellationTokenSource _closing = new();
    private RedisConnection? _connection;

    public SentinelWatch(SentinelRing sentinels, RedisExecutor executor, TimeProvider time, TimeSpan timeout, ILogger logger)
    {
        (_sentinels, _executor, _logger) = (sentinels, executor, logger);
        _hub = new SubscriptionHub(this, time, timeout, logger);
        var listener = new SharedSubscription.Listener(this);
        _ = ConfirmAsync(_hub.Add(RedisSubscriptionKind.Channel, SwitchChannel, listener));
    }

    public string Target => _sentinels.Target;

    /// <summary>A connection to any sentinel that answers.</summary>
    public async ValueTask<RedisConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        MillraceException? last = null;
        foreach (var sentinel in _sentinels.Snapshot())
        {
            try
            {
                var connection = await _sentinels.ConnectAsync(sentinel, cancellationToken).ConfigureAwait(false);
                Volatile.Write(ref _connection, connection);
                return connection;
            }
            catch (MillraceException fault)
            {
                last = fault;
            }
        }

        throw last!;
    }

    public void OnMessage(ReadOnlySpan<byte> channel, ReadOnlyMemory<byte> payload)
    {
        // NAME OLD-HOST OLD-PORT NEW-HOST NEW-PORT
        if (Encoding.UTF8.GetString(payload.Span).Split(' ') is [var name, _, _, var host, var port]
            && name == _sentinels.PrimaryName
            && int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            if (Volatile.Read(ref _connection) is { } connection)
            {
                _sentinels.Announce(connection.Address);
            }

            _executor.FailOver(new RedisServerAddress(host, number));
        }
    }

    // What was said while nobody listened.
    public void OnResubscribed() => _ = AskAsync();

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        await _hub.DisposeAsync().ConfigureAwait(false);
    }

    private async Task ConfirmAsync(Task confirmation)
    {
        // However long it takes; what goes wrong is logged where it is tried again.
        await confirmation.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (confirmation.IsCompletedSuccessfully)
        {
            await AskAsync().ConfigureAwait(false);
        }
    }

    private async Task AskAsync()
    {
        foreach (var sentinel in _sentinels.Snapshot())
        {
            try
            {
                _executor.FailOver(await _sentinels.AskAsync(sentinel, _closing.Token).ConfigureAwait(false));
                return;
            }
            catch (MillraceException fault)
            {
                LogMessages.ConnectFailed(_logger, sentinel.ToString(), RedisFaults.Words(fault));
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }
}
