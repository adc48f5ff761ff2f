using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Millrace.Redis.Tests.Client;

/// <summary>Stands before a server and passes bytes on while it is open; else it takes connections and what they say, and passes on nothing.</summary>
internal sealed class GatedProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentBag<Task> _pairs = [];
    private readonly SemaphoreSlim _refusals = new(0);
    private readonly int _server;
    private readonly Task _accepting;
    private volatile Gate _gate = Gate.Open;
    private CancellationTokenSource _passing = new();
    private int _refused;

    public GatedProxy(int server)
    {
        _server = server;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string EndPoint => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    /// <summary>How many connections it has taken and not passed on.</summary>
    public int Refused => Volatile.Read(ref _refused);

    /// <summary>Changes what becomes of connections, and cuts those that it passes on.</summary>
    public void Set(Gate gate)
    {
        _gate = gate;
        Interlocked.Exchange(ref _passing, new CancellationTokenSource()).Cancel();
    }

    /// <summary>Waits until so many more connections have been taken and not passed on.</summary>
    public async Task WaitForRefusalsAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            await _refusals.WaitAsync(_closing.Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        Set(Gate.Cuts);
        await _accepting;
        await Task.WhenAll(_pairs);
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_closing.Token);
                _pairs.Add(_gate == Gate.Open ? PassAsync(client, _passing.Token) : RefuseAsync(client, _gate));
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException)
        {
            // Closed.
        }
    }

    private async Task RefuseAsync(Socket client, Gate gate)
    {
        using (client)
        {
            try
            {
                // Read, so that the client has written what it wanted to.
                var buffer = new byte[1024];
                var hasCome = await client.ReceiveAsync(buffer, _closing.Token) > 0;
                Interlocked.Increment(ref _refused);
                _refusals.Release();
                while (hasCome && gate == Gate.Hangs)
                {
                    hasCome = await client.ReceiveAsync(buffer, _closing.Token) > 0;
                }
            }
            catch (Exception fault) when (fault is OperationCanceledException or SocketException)
            {
                // The client has gone, or the test has ended.
            }
        }
    }

    private async Task PassAsync(Socket client, CancellationToken cut)
    {
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using (client)
        {
            try
            {
                await server.ConnectAsync(IPAddress.Loopback, _server, cut);
                await Task.WhenAny(PumpAsync(client, server, cut), PumpAsync(server, client, cut));
            }
            catch (Exception fault) when (fault is OperationCanceledException or SocketException)
            {
                // Cut.
            }
        }
    }

    private static async Task PumpAsync(Socket from, Socket to, CancellationToken cut)
    {
        var buffer = new byte[16 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, cut) is > 0 and var count)
            {
                for (var sent = 0; sent < count;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, count - sent), cut);
                }
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Cut.
        }
    }
}

/// <summary>What a <see cref="GatedProxy"/> does with connections.</summary>
public enum Gate
{
    /// <summary>Passes them on.</summary>
    Open,

    /// <summary>Takes them, reads, and closes them.</summary>
    Cuts,

    /// <summary>Takes them, reads, and says nothing.</summary>
    Hangs,
}
