using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Millrace.Redis.Tests.Client;

/// <summary>A server that does what a real one cannot be made to do: it answers the introduction, and then what a test tells it to.</summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _closing = new();
    private readonly Func<Connection, CancellationToken, Task> _script;
    private readonly Task _running;
    private int _connections;

    /// <param name="script">Called for each connection after its introduction; the connection is closed when it returns.</param>
    public ScriptedServer(Func<Connection, CancellationToken, Task> script)
    {
        _script = script;
        _listener.Start();
        _running = RunAsync();
    }

    public string Url => $"redis://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _listener.Dispose();
        await _running;
    }

    private async Task RunAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(ServeAsync(await _listener.AcceptSocketAsync(_closing.Token), _connections++));
            }
        }
        catch (Exception closing) when (closing is OperationCanceledException or SocketException or InvalidOperationException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeAsync(Socket socket, int number)
    {
        using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            using var reader = new StreamReader(stream, Encoding.Latin1);
            var connection = new Connection(stream, reader, number);
            await connection.ReadCommandAsync(_closing.Token);
            await connection.SendAsync("%0\r\n", _closing.Token);
            await _script(connection, _closing.Token);
        }
        catch (Exception cut) when (cut is IOException or OperationCanceledException)
        {
            // The client or the test has ended it.
        }
    }

    /// <summary>A connection of a client.</summary>
    internal sealed class Connection(Stream stream, StreamReader reader, int number)
    {
        /// <summary>Which one it is, from 0.</summary>
        public int Number => number;

        /// <summary>The next command, its words joined by blanks.</summary>
        public async Task<string> ReadCommandAsync(CancellationToken cancellationToken)
        {
            var line = await reader.ReadLineAsync(cancellationToken) ?? throw new IOException("The client has closed the connection.");
            var words = new string[int.Parse(line.AsSpan(1), System.Globalization.CultureInfo.InvariantCulture)];
            for (var i = 0; i < words.Length; i++)
            {
                await reader.ReadLineAsync(cancellationToken);
                words[i] = (await reader.ReadLineAsync(cancellationToken))!;
            }

            return string.Join(' ', words);
        }

        public Task SendAsync(string bytes, CancellationToken cancellationToken) => stream.WriteAsync(Encoding.Latin1.GetBytes(bytes), cancellationToken).AsTask();
    }
}
