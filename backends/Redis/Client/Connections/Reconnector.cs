using Microsoft.Extensions.Logging;

namespace Millrace.Redis.Client.Connections;

/// <summary>Connects to a server, for as long as it takes, and remembers why it could not. One attempt at a time; <see cref="LastFault"/> is safe for concurrent use.</summary>
/// <param name="connector">Where to connect.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">The log, which has each reason once.</param>
/// <param name="onLost">Told of every attempt that failed: the server may not be the right one any more. Null for nobody.</param>
internal sealed class Reconnector(IRedisConnector connector, TimeProvider time, ILogger logger, Action? onLost)
{
    private Exception? _lastFault;

    /// <summary>Why there is no connection; null while there is one, and before the first attempt.</summary>
    public Exception? LastFault
    {
        get => Volatile.Read(ref _lastFault);
        set => Volatile.Write(ref _lastFault, value);
    }

    /// <summary>Tries until a connection was taken over, or it is closing.</summary>
    public async Task RunAsync(Action<RedisConnection> takeOver, CancellationToken closing)
    {
        var pause = new ReconnectPause();
        while (!closing.IsCancellationRequested)
        {
            try
            {
                takeOver(await connector.ConnectAsync(closing).ConfigureAwait(false));
                return;
            }
            catch (Exception) when (closing.IsCancellationRequested)
            {
                return;
            }
            catch (Exception fault)
            {
                if (LastFault?.Message != fault.Message)
                {
                    LogMessages.ConnectFailed(logger, connector.Target, RedisFaults.Words(fault));
                }

                LastFault = fault;
                onLost?.Invoke();
            }

            await Task.Delay(pause.Next(), time, closing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
