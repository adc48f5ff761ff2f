using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Millrace.Redis.Tests.Proxies;

/// <summary>Stands before a server and passes bytes on. What becomes of a connection, and of what is said on it, is for derived classes to say, which call <see cref="Start"/> when they are ready.</summary>
/// <param name="server">The server's port.</param>
internal abstract class TcpProxy(int server) : IAsyncDisposable
{
    private const int BufferBytes = 16 * 1024;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentBag<Task> _running = [];
    private Task _accepting = Task.CompletedTask;

    public string EndPoint => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    protected CancellationToken Closing => _closing.Token;

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _accepting;
        await Task.WhenAll(_running);
        _listener.Dispose();
        _closing.Dispose();
    }

    protected void Start()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Says what becomes of a connection that a client has made. Called for one after the other.</summary>
    protected abstract ProxiedConnection Take();

    /// <summary>Does with a connection what there is to do, until it ends; passes it on unless overridden.</summary>
    protected virtual async Task HandleAsync(Socket client, ProxiedConnection connection)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(Closing, connection.Ending);
        using var upstream = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        client.NoDelay = true;
        await upstream.ConnectAsync(IPAddress.Loopback, server, ending.Token);
        Task[] directions = [PumpAsync(client, upstream, connection, isAnswer: false, ending.Token), PumpAsync(upstream, client, connection, isAnswer: true, ending.Token)];
        await Task.WhenAny(directions);
        if (connection.IsCut)
        {
            // A reset, so that what is on its way is thrown away too.
            client.LingerState = upstream.LingerState = new LingerOption(true, 0);
        }

        await ending.CancelAsync();
        await Task.WhenAll(directions);
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(Closing);
                _running.Add(RunAsync(client, Take()));
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException)
        {
            // Closed.
        }
    }

    private async Task RunAsync(Socket client, ProxiedConnection connection)
    {
        using (client)
        {
            try
            {
                await HandleAsync(client, connection);
            }
            catch (Exception fault) when (fault is OperationCanceledException or SocketException)
            {
                // Either side has gone.
            }
        }
    }

    private static async Task PumpAsync(Socket from, Socket to, ProxiedConnection connection, bool isAnswer, CancellationToken ending)
    {
        var buffer = new byte[BufferBytes];
        try
        {
            while (!connection.IsCut && await from.ReceiveAsync(buffer, ending) is > 0 and var count)
            {
                var passed = connection.Pass(isAnswer, count);
                for (var sent = 0; sent < passed;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, passed - sent), ending);
                }
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException)
        {
            // Either side has gone.
        }
    }
}
