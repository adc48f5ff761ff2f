using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>Stands before a server and passes bytes on; of connections that are mute, what the server answers is thrown away.</summary>
internal sealed class MutingProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentDictionary<Pair, Task> _pairs = new();
    private readonly int _server;
    private readonly Task _accepting;
    private volatile bool _isMute;

    /// <param name="server">The server's port.</param>
    public MutingProxy(int server)
    {
        _server = server;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string EndPoint => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    /// <summary>From here on the server reads what it is sent, and nobody hears its answers: on connections that there are, for good, and on those that are made until <see cref="Unmute"/>.</summary>
    public void Mute()
    {
        _isMute = true;
        foreach (var pair in _pairs.Keys)
        {
            pair.IsMute = true;
        }
    }

    /// <summary>Connections that are made from here on are not mute.</summary>
    public void Unmute() => _isMute = false;

    /// <summary>Cuts all connections.</summary>
    public void Cut()
    {
        foreach (var pair in _pairs.Keys)
        {
            pair.Ending.Cancel();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _accepting;
        await Task.WhenAll(_pairs.Values);
        _listener.Dispose();
        _closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_closing.Token);
                var pair = new Pair(CancellationTokenSource.CreateLinkedTokenSource(_closing.Token)) { IsMute = _isMute };
                _pairs[pair] = PassAsync(client, pair);
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException)
        {
            // Closed.
        }
    }

    private async Task PassAsync(Socket client, Pair pair)
    {
        using var server = new TcpClient { NoDelay = true };
        using (client)
        {
            try
            {
                await server.ConnectAsync(IPAddress.Loopback, _server, pair.Ending.Token);
                await Task.WhenAny(PumpAsync(client, server.Client, pair, isAnswer: false), PumpAsync(server.Client, client, pair, isAnswer: true));
            }
            catch (Exception fault) when (fault is OperationCanceledException or SocketException)
            {
                // Either side has gone.
            }
        }
    }

    private static async Task PumpAsync(Socket from, Socket to, Pair pair, bool isAnswer)
    {
        var buffer = new byte[16 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, pair.Ending.Token) is > 0 and var count)
            {
                for (var sent = isAnswer && pair.IsMute ? count : 0; sent < count;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, count - sent), pair.Ending.Token);
                }
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Either side has gone.
        }
    }

    private sealed class Pair(CancellationTokenSource ending)
    {
        private volatile bool _isMute;

        public CancellationTokenSource Ending => ending;

        public bool IsMute
        {
            get => _isMute;
            set => _isMute = value;
        }
    }
}
