using System.Globalization;
using System.IO.Compression;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Millrace.Server.Tests.Api;

/// <summary>A connection on which a test sends bytes as it likes, and reads what comes back strictly. Every wait has a deadline.</summary>
internal sealed class RawConnection : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TestScale.Patience;

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _buffer = new byte[16 * 1024];
    private int _start;
    private int _end;

    private RawConnection()
    {
    }

    public static async Task<RawConnection> OpenAsync(Uri address, int? receiveBuffer = null)
    {
        var connection = new RawConnection();
        if (receiveBuffer is { } bytes)
        {
            connection._socket.ReceiveBufferSize = bytes;
        }

        await connection._socket.ConnectAsync(address.Host, address.Port, TestContext.Current.CancellationToken);
        return connection;
    }

    public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>Sends as much as the other end takes; it may have closed already.</summary>
    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        using var deadline = Limit();
        try
        {
            while (!bytes.IsEmpty)
            {
                bytes = bytes[await _socket.SendAsync(bytes, deadline.Token)..];
            }
        }
        catch (SocketException)
        {
            // The end of the answers tells.
        }
    }

    /// <summary>Says that nothing more comes, and goes on reading.</summary>
    public void EndSending()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // Closed already.
        }
    }

    /// <summary>Goes away without a word.</summary>
    public void Reset() => _socket.Close(0);

    /// <summary>The next answer; null when the connection has been closed instead.</summary>
    public async Task<RawAnswer?> ReadAsync(bool isHead = false)
    {
        if (await ReadLineAsync() is not { } statusLine)
        {
            return null;
        }

        var parts = statusLine.Split(' ', 3);
        Assert.True(parts.Length >= 2 && parts[0] is "HTTP/1.1" or "HTTP/1.0", $"'{statusLine}' is no status line");
        var status = int.Parse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture);
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        while (true)
        {
            var line = await ReadLineAsync() ?? throw new InvalidOperationException("The connection was closed in the head of an answer.");
            if (line.Length == 0)
            {
                break;
            }

            var colon = line.IndexOf(':', StringComparison.Ordinal);
            Assert.True(colon > 0, $"'{line}' is no header field");
            headers.Add(line[..colon], line[(colon + 1)..].Trim());
        }

        if (headers.GetValueOrDefault("Content-Type") is "text/event-stream")
        {
            return new RawAnswer(status, headers, []) { IsStream = true };
        }

        var body = isHead || status is 204 or 304 or < 200 ? [] : await ReadBodyAsync(headers);
        return body is null ? null : new RawAnswer(status, headers, headers.GetValueOrDefault("Content-Encoding") == "br" ? Decompress(body) : body);
    }

    private static byte[] Decompress(byte[] body)
    {
        using var brotli = new BrotliStream(new MemoryStream(body), CompressionMode.Decompress);
        using var plain = new MemoryStream();
        brotli.CopyTo(plain);
        return plain.ToArray();
    }

    /// <summary>Requires that the other end closes, with nothing more said.</summary>
    public async Task RequireClosedAsync() => Assert.Null(await ReadLineAsync());

    /// <summary>Some bytes of what comes, without a look at them; 0 at the end.</summary>
    public async Task<int> ReadSomeAsync()
    {
        if (_start == _end && !await FillAsync())
        {
            return 0;
        }

        var count = _end - _start;
        _start = _end;
        return count;
    }

    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return default;
    }

    private async Task<byte[]?> ReadBodyAsync(Dictionary<string, string> headers)
    {
        var body = new MemoryStream();
        if (headers.TryGetValue("Content-Length", out var length))
        {
            return await ReadExactlyAsync(body, int.Parse(length, NumberStyles.None, CultureInfo.InvariantCulture)) ? body.ToArray() : null;
        }

        if (headers.ContainsKey("Transfer-Encoding"))
        {
            while (await ReadLineAsync() is { } size)
            {
                var count = int.Parse(size, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                if (!await ReadExactlyAsync(body, count) || await ReadLineAsync() is not "")
                {
                    return null;
                }

                if (count == 0)
                {
                    return body.ToArray();
                }
            }

            return null;
        }

        while (_start < _end || await FillAsync())
        {
            body.Write(_buffer, _start, _end - _start);
            _start = _end;
        }

        return body.ToArray();
    }

    private async Task<bool> ReadExactlyAsync(MemoryStream body, int count)
    {
        while (count > 0)
        {
            if (_start == _end && !await FillAsync())
            {
                return false;
            }

            var taken = Math.Min(count, _end - _start);
            body.Write(_buffer, _start, taken);
            (_start, count) = (_start + taken, count - taken);
        }

        return true;
    }

    private async Task<string?> ReadLineAsync()
    {
        var line = new StringBuilder();
        while (true)
        {
            while (_start < _end)
            {
                var character = (char)_buffer[_start++];
                if (character == '\n')
                {
                    Assert.True(line.Length > 0 && line[^1] == '\r', $"'{line}' ends with a bare line feed");
                    return line.ToString(0, line.Length - 1);
                }

                line.Append(character);
            }

            if (!await FillAsync())
            {
                Assert.True(line.Length == 0, $"the connection was closed after '{line}'");
                return null;
            }
        }
    }

    private async Task<bool> FillAsync()
    {
        using var deadline = Limit();
        try
        {
            (_start, _end) = (0, await _socket.ReceiveAsync(_buffer, deadline.Token));
            return _end > 0;
        }
        catch (SocketException)
        {
            _end = 0;
            return false;
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"Nothing came for {Deadline}, and the connection stays open.");
        }
    }

    private static CancellationTokenSource Limit()
    {
        var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Deadline);
        return limit;
    }
}

/// <summary>One answer, as it came.</summary>
internal sealed record RawAnswer(int Status, IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    /// <summary>Whether a stream begins, which is not read.</summary>
    public bool IsStream { get; init; }

    public string Text => Encoding.UTF8.GetString(Body);

    /// <summary>Whether the server says that it closes.</summary>
    public bool Closes => Headers.TryGetValue("Connection", out var connection) && connection.Equals("close", StringComparison.OrdinalIgnoreCase);

    /// <summary>The problem that it must be.</summary>
    public Problem Problem() => Api.Problem.Of(Status, Headers.GetValueOrDefault("Content-Type"), Text);
}
