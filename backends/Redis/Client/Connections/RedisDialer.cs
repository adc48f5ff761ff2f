using System.Net.Sockets;
using System.Security.Authentication;

namespace Millrace.Redis.Client.Connections;

/// <summary>Makes connections: the socket, TLS, who the client is. Safe for concurrent use.</summary>
internal sealed class RedisDialer(ConnectionSettings settings, TimeSpan connectTimeout, RedisTls? tls)
{
    // A peer that is gone without a word is noticed within a minute also while nothing is sent.
    private const int KeepAliveSeconds = 30;
    private const int KeepAliveIntervalSeconds = 10;
    private const int KeepAliveProbes = 3;

    public ConnectionSettings Settings => settings;

    /// <summary>Connects and introduces the client.</summary>
    /// <exception cref="BackendUnavailableException">There is no connection.</exception>
    /// <exception cref="AccessDeniedException">The server refuses the login.</exception>
    /// <exception cref="MillraceConfigurationException">The server does not prove who it is, or has no such database.</exception>
    public async ValueTask<RedisConnection> DialAsync(RedisServerAddress address, RedisIntroduction introduction, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(connectTimeout, settings.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        RedisConnection? connection = null;
        try
        {
            connection = new RedisConnection(await OpenAsync(address, either.Token).ConfigureAwait(false), address, settings);
            await introduction.IntroduceAsync(connection).AsTask().WaitAsync(either.Token).ConfigureAwait(false);
            return connection;
        }
        catch (Exception failure)
        {
            var isEndedByServer = connection?.End is not (null or TimeoutException);
            connection?.Cut(failure);
            cancellationToken.ThrowIfCancellationRequested();
            throw failure switch
            {
                BackendUnavailableException when isEndedByServer => RedisFaults.EndedAtOnce(connection!, tls),
                OperationCanceledException => new BackendUnavailableException($"Redis at {address} cannot be reached: there was no connection within {connectTimeout.TotalMilliseconds:0} ms."),
                SocketException or IOException or AuthenticationException =>
                    new BackendUnavailableException($"Redis at {address} cannot be reached: {RedisFaults.Words(failure)}.", innerException: failure),

                // What was cut is the introduction: the command that the connection is for was not sent.
                BackendUnavailableException { MayHaveBeenApplied: true } cut => RedisFaults.Unprepared(address.ToString(), cut),
                _ => failure,
            };
        }
    }

    private async ValueTask<Stream> OpenAsync(RedisServerAddress address, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, KeepAliveSeconds);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, KeepAliveIntervalSeconds);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, KeepAliveProbes);
            await socket.ConnectAsync(address.Host, address.Port, cancellationToken).ConfigureAwait(false);
            var stream = new NetworkStream(socket, ownsSocket: true);
            return tls is null ? stream : await tls.EncryptAsync(stream, address, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
