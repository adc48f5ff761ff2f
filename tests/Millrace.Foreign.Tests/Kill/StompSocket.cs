using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Millrace.Foreign.Tests.Kill;

/// <summary>STOMP 1.2 by hand on a bare socket, with nothing of the broker's own code: frames as text, one at a time. One reader and one writer at a time.</summary>
internal sealed class StompSocket : IDisposable
{
    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private readonly BufferedStream _reader;

    private StompSocket(Socket socket)
    {
        _socket = socket;
        _stream = new NetworkStream(socket, ownsSocket: true);
        _reader = new BufferedStream(_stream);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Connects, with CONNECT and CONNECTED.</summary>
    public static async Task<StompSocket> ConnectAsync(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port, Token);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        var connection = new StompSocket(socket);
        await connection.WriteAsync("CONNECT\naccept-version:1.2\nhost:localhost\n\n\0");
        await connection.ReadAsync("CONNECTED");
        return connection;
    }

    /// <summary>Sends frames as they are.</summary>
    public async Task WriteAsync(string frames) => await _stream.WriteAsync(Encoding.UTF8.GetBytes(frames), Token);

    /// <summary>Sends a frame, and waits for its receipt; nothing else may come before.</summary>
    public async Task WriteAndConfirmAsync(string command, string headers, string body = "")
    {
        await WriteAsync($"{command}\n{headers}\nreceipt:done\n\n{body}\0");
        Assert.Equal("done", (await ReadAsync("RECEIPT"))["receipt-id"]);
    }

    /// <summary>The next frame, which must be of a command.</summary>
    public async Task<StompFrame> ReadAsync(string command)
    {
        var frame = await ReadAsync();
        Assert.True(frame.Command == command, $"{command} was due, and came: {frame.Command} {frame.Body}");
        return frame;
    }

    /// <summary>The next frame.</summary>
    /// <exception cref="IOException">The connection has ended.</exception>
    public async Task<StompFrame> ReadAsync()
    {
        string command;
        do
        {
            command = await ReadLineAsync();
        }
        while (command.Length == 0);

        var headers = new Dictionary<string, string>(StringComparer.Ordinal);
        while (await ReadLineAsync() is { Length: > 0 } line)
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            headers.TryAdd(line[..colon], line[(colon + 1)..]);
        }

        var body = new byte[headers.TryGetValue("content-length", out var length) ? int.Parse(length, CultureInfo.InvariantCulture) : 0];
        await _reader.ReadExactlyAsync(body, Token);
        Assert.Equal(0, await ReadByteAsync());
        return new StompFrame(command, headers, Encoding.UTF8.GetString(body));
    }

    /// <summary>Ends the connection as a cable that is pulled out would, but told at once: with a reset.</summary>
    public void Cut()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Close();
    }

    public void Dispose() => _reader.Dispose();

    private async Task<string> ReadLineAsync()
    {
        var line = new List<byte>();
        int b;
        while ((b = await ReadByteAsync()) != '\n')
        {
            line.Add((byte)b);
        }

        return Encoding.UTF8.GetString([.. line]);
    }

    private async Task<int> ReadByteAsync()
    {
        var one = new byte[1];
        return await _reader.ReadAsync(one, Token) == 1 ? one[0] : throw new EndOfStreamException("The broker has ended the connection.");
    }
}
