using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>
/// Stands before a server and passes bytes on, until it cuts: each connection after a number of bytes of its own, in one direction or the other, drawn from a seed. Connections that are
/// made while it is calm are not cut.
/// </summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private const int BufferBytes = 16 * 1024;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentDictionary<Task, bool> _pairs = new();
    private readonly int _server;
    private readonly int _fewestBytes;
    private readonly int _mostBytes;
    private readonly Random _random;
    private readonly Task _accepting;
    private volatile bool _isCalm;
    private int _cuts;

    /// <param name="server">The server's port.</param>
    /// <param name="fewestBytes">The fewest bytes after which a connection is cut, enough to introduce a client.</param>
    /// <param name="mostBytes">The most.</param>
    /// <param name="seed">Decides where.</param>
    public CuttingProxy(int server, int fewestBytes, int mostBytes, int seed)
    {
        (_server, _fewestBytes, _mostBytes, _random) = (server, fewestBytes, mostBytes, new Random(seed));
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string EndPoint => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    /// <summary>How many connections it has cut.</summary>
    public int Cuts => Volatile.Read(ref _cuts);

    /// <summary>Cuts no more of those that come.</summary>
    public void CalmDown() => _isCalm = true;

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _accepting;
        await Task.WhenAll(_pairs.Keys);
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

                // Drawn here, one connection after the other, so that the seed decides.
                var (cutsRequests, bytes) = (_random.Next(2) == 0, _isCalm ? long.MaxValue : _random.Next(_fewestBytes, _mostBytes));
                var pair = PassAsync(client, cutsRequests ? bytes : long.MaxValue, cutsRequests ? long.MaxValue : bytes);
                _pairs[pair] = true;
                _ = pair.ContinueWith(done => _pairs.TryRemove(done, out _), TaskScheduler.Default);
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException)
        {
            // Closed.
        }
    }

    private async Task PassAsync(Socket client, long requestBytes, long replyBytes)
    {
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using (client)
        {
            client.NoDelay = true;
            try
            {
                await server.ConnectAsync(IPAddress.Loopback, _server, _closing.Token);
                using var ending = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
                Task<bool>[] directions = [PumpAsync(client, server, requestBytes, ending.Token), PumpAsync(server, client, replyBytes, ending.Token)];
                var wasCut = await await Task.WhenAny(directions);
                if (wasCut)
                {
                    Interlocked.Increment(ref _cuts);
                }

                // A reset, so that what is on its way is thrown away too.
                client.LingerState = server.LingerState = new LingerOption(true, 0);
                await ending.CancelAsync();
                await Task.WhenAll(directions);
            }
            catch (Exception fault) when (fault is OperationCanceledException or SocketException)
            {
                // Either side has gone.
            }
        }
    }

    /// <summary>Passes bytes on in one direction.</summary>
    /// <returns>Whether it has ended by a cut.</returns>
    private static async Task<bool> PumpAsync(Socket from, Socket to, long bytes, CancellationToken cancellationToken)
    {
        var buffer = new byte[BufferBytes];
        try
        {
            while (true)
            {
                var count = await from.ReceiveAsync(buffer, cancellationToken);
                var passed = (int)Math.Min(count, bytes);
                for (var sent = 0; sent < passed;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, passed - sent), cancellationToken);
                }

                bytes -= passed;
                if (count == 0 || bytes == 0)
                {
                    return bytes == 0;
                }
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException)
        {
            return false;
        }
    }
}
