using System.Net;
using System.Net.Sockets;

namespace Millrace.Server.Tests.Client;

/// <summary>A TCP relay between a client and a server that can be told to cut answers off: the request arrives, the answer does not.</summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _accepting;
    private readonly Lock _gate = new();
    private readonly HashSet<TcpClient> _clients = [];
    private Uri _server;
    private int _answersToCut;

    public CuttingProxy(string server)
    {
        _server = new Uri(server);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string Url => $"http://{_listener.LocalEndpoint}";

    /// <summary>The next so many answers are thrown away, and their connections cut.</summary>
    public void CutAnswers(int count) => Volatile.Write(ref _answersToCut, count);

    /// <summary>New connections go to another server.</summary>
    public void PointTo(string server) => _server = new Uri(server);

    /// <summary>Cuts every connection that stands.</summary>
    public void CutAll()
    {
        lock (_gate)
        {
            foreach (var client in _clients)
            {
                client.Close();
            }

            _clients.Clear();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _listener.Stop();
        CutAll();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task AcceptAsync()
    {
        while (!_ending.IsCancellationRequested)
        {
            var client = await _listener.AcceptTcpClientAsync(_ending.Token);
            _ = RelayAsync(client);
        }
    }

    private async Task RelayAsync(TcpClient client)
    {
        using var server = new TcpClient { NoDelay = true };
        client.NoDelay = true;
        lock (_gate)
        {
            _clients.Add(client);
            _clients.Add(server);
        }

        try
        {
            await server.ConnectAsync(_server.Host, _server.Port, _ending.Token);
            await Task.WhenAny(CopyAsync(client, server, isAnswer: false), CopyAsync(server, client, isAnswer: true));
        }
        catch (Exception exception) when (exception is SocketException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The connection is over, as both sides see.
        }
        finally
        {
            client.Close();
            server.Close();
            lock (_gate)
            {
                _clients.Remove(client);
                _clients.Remove(server);
            }
        }
    }

    private async Task CopyAsync(TcpClient from, TcpClient to, bool isAnswer)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            int read;
            while ((read = await from.GetStream().ReadAsync(buffer, _ending.Token)) > 0)
            {
                if (isAnswer && Interlocked.Decrement(ref _answersToCut) >= 0)
                {
                    return;
                }

                await to.GetStream().WriteAsync(buffer.AsMemory(0, read), _ending.Token);
            }
        }
        catch (Exception exception) when (exception is SocketException or IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // As above.
        }
    }
}
