using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>
/// A client with a socket and no manners: sends the bytes that it is told to, and reads frames by a parser of its own that knows no more than the specification says. Frames that
/// nobody has asked for yet are kept, so that a test can wait for a receipt and look at the messages that came before it. One reader at a time.
/// </summary>
internal sealed class WireClient : IAsyncDisposable
{
    public static readonly TimeSpan Deadline = TestScale.Patience;

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _chunk = new byte[64 * 1024];
    private readonly List<WireFrame> _kept = [];
    private byte[] _buffer = new byte[64 * 1024];
    private int _start;
    private int _end;
    private int _fences;
    private bool _isAtEnd;

    private WireClient()
    {
    }

    /// <summary>What headers are unescaped by: 1.0, 1.1 or 1.2.</summary>
    public string Version { get; set; } = "1.2";

    /// <summary>The id that the broker gave the connection.</summary>
    public string Id { get; set; } = "";

    /// <summary>Heart-beats that came so far.</summary>
    public int HeartBeats { get; private set; }

    /// <summary>Messages that have come, and were not taken by the test yet.</summary>
    public IReadOnlyList<WireFrame> KeptMessages => [.. _kept.Where(frame => frame.Command == "MESSAGE")];

    public IPEndPoint LocalEndPoint => (IPEndPoint)_socket.LocalEndPoint!;

    public static async Task<WireClient> OpenAsync(EndPoint broker, int? receiveBufferBytes = null)
    {
        var client = new WireClient();
        if (receiveBufferBytes is { } bytes)
        {
            client._socket.ReceiveBufferSize = bytes;
        }

        await client._socket.ConnectAsync(broker, TestContext.Current.CancellationToken);
        return client;
    }

    /// <summary>The bytes of a frame; header lines are written as they are given.</summary>
    public static byte[] Frame(string command, string body = "", params string[] headers) => Frame(command, Encoding.UTF8.GetBytes(body), headers);

    public static byte[] Frame(string command, ReadOnlySpan<byte> body, params string[] headers) =>
        [.. Encoding.UTF8.GetBytes($"{command}\n{string.Concat(headers.Select(header => header + "\n"))}\n"), .. body, 0];

    /// <summary>Sends a frame without a body.</summary>
    public Task SendAsync(string command, params string[] headers) => SendBytesAsync(Frame(command, "", headers));

    /// <summary>Sends a message.</summary>
    public Task SendMessageAsync(string destination, string body, params string[] headers) =>
        SendBytesAsync(Frame("SEND", body, [$"destination:{destination}", .. headers]));

    /// <summary>Sends bytes.</summary>
    public async Task SendBytesAsync(ReadOnlyMemory<byte> bytes)
    {
        using var deadline = NewDeadline();
        while (bytes.Length > 0)
        {
            bytes = bytes[await _socket.SendAsync(bytes, deadline.Token)..];
        }
    }

    /// <summary>Sends text as UTF-8.</summary>
    public Task SendTextAsync(string text) => SendBytesAsync(Encoding.UTF8.GetBytes(text));

    /// <summary>Sends as much as the socket takes at once, without waiting. Returns how much.</summary>
    public int SendWithoutWaiting(ReadOnlySpan<byte> bytes)
    {
        _socket.Blocking = false;
        var sent = _socket.Send(bytes, SocketFlags.None, out var error);
        return error is SocketError.Success or SocketError.WouldBlock ? sent : throw new SocketException((int)error);
    }

    /// <summary>Sends a frame with a receipt, and waits for it.</summary>
    public async Task<WireFrame> ConfirmAsync(string command, params string[] headers)
    {
        var id = NextFence();
        await SendAsync(command, [.. headers, $"receipt:{id}"]);
        return await ReceiptAsync(id);
    }

    /// <summary>Sends a message with a receipt, and waits for it.</summary>
    public async Task<WireFrame> ConfirmMessageAsync(string destination, string body, params string[] headers)
    {
        var id = NextFence();
        await SendMessageAsync(destination, body, [.. headers, $"receipt:{id}"]);
        return await ReceiptAsync(id);
    }

    /// <summary>Waits until the broker has handled everything that was sent before, and has ended the reading of it.</summary>
    public async Task FenceAsync()
    {
        for (var i = 0; i < 2; i++)
        {
            var name = NextFence();
            await SendAsync("BEGIN", $"transaction:{name}");
            await ConfirmAsync("ABORT", $"transaction:{name}");
        }
    }

    /// <summary>The receipt of this id; messages that come before it are kept.</summary>
    public Task<WireFrame> ReceiptAsync(string id) => TakeAsync(frame => frame.Command == "RECEIPT" && frame["receipt-id"] == id, $"receipt '{id}'");

    /// <summary>The next message.</summary>
    public Task<WireFrame> MessageAsync() => TakeAsync(frame => frame.Command == "MESSAGE", "message");

    /// <summary>The next messages.</summary>
    public async Task<WireFrame[]> MessagesAsync(int count)
    {
        var messages = new WireFrame[count];
        for (var i = 0; i < count; i++)
        {
            messages[i] = await MessageAsync();
        }

        return messages;
    }

    /// <summary>The bodies of the next messages.</summary>
    public async Task<string[]> TextsAsync(int count) => Array.ConvertAll(await MessagesAsync(count), message => message.Text);

    /// <summary>The ERROR that ends the connection; then it closes.</summary>
    public async Task<WireFrame> ErrorAsync()
    {
        var error = await TakeAsync(frame => frame.Command == "ERROR", "ERROR");
        await EndAsync();
        return error;
    }

    /// <summary>The very next frame, whatever it is.</summary>
    public Task<WireFrame> NextAsync() => TakeAsync(_ => true, "frame");

    /// <summary>Waits until another heart-beat has come, and returns how many there have been.</summary>
    public async Task<int> HeartBeatAsync()
    {
        var before = HeartBeats;
        using var deadline = NewDeadline();
        while (HeartBeats == before)
        {
            if (TryParse() is { } frame)
            {
                _kept.Add(frame);
            }
            else if (HeartBeats == before)
            {
                Assert.True(await ReadMoreAsync(deadline.Token), "The connection has ended while a heart-beat was waited for.");
            }
        }

        return HeartBeats;
    }

    /// <summary>Says that nothing more comes from here, and reads until the broker has closed the connection. What still comes is kept.</summary>
    public async Task EndAsync()
    {
        CloseSending();
        await EndOfBrokerAsync();
    }

    /// <summary>Reads until the broker has closed the connection. What still comes is kept.</summary>
    public async Task EndOfBrokerAsync()
    {
        using var deadline = NewDeadline();
        do
        {
            while (TryParse() is { } frame)
            {
                _kept.Add(frame);
            }
        }
        while (await ReadMoreAsync(deadline.Token));
    }

    /// <summary>Closes the sending half.</summary>
    public void CloseSending()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // The broker has cut it.
        }
    }

    /// <summary>Cuts the connection without a word.</summary>
    public void Cut()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Close();
    }

    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }

    private string NextFence() => $"fence-{++_fences}";

    private async Task<WireFrame> TakeAsync(Predicate<WireFrame> isWanted, string what)
    {
        if (_kept.FindIndex(isWanted) is var at && at >= 0)
        {
            var kept = _kept[at];
            _kept.RemoveAt(at);
            return kept;
        }

        using var deadline = NewDeadline();
        while (true)
        {
            if (TryParse() is { } frame)
            {
                if (isWanted(frame))
                {
                    return frame;
                }

                _kept.Add(frame);
                Assert.False(frame.Command == "ERROR", $"An ERROR came while a {what} was waited for:\n{frame}");
                continue;
            }

            Assert.True(await ReadMoreAsync(deadline.Token), $"The connection has ended while a {what} was waited for.");
        }
    }

    private static CancellationTokenSource NewDeadline()
    {
        var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(Deadline);
        return deadline;
    }

    private async ValueTask<bool> ReadMoreAsync(CancellationToken cancellationToken)
    {
        if (_isAtEnd)
        {
            return false;
        }

        int read;
        try
        {
            read = await _socket.ReceiveAsync(_chunk, cancellationToken);
        }
        catch (SocketException)
        {
            // Cut by the broker.
            read = 0;
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException(
                $"Nothing that was waited for has come in {Deadline.TotalSeconds:0} s. Kept: {string.Join(", ", _kept.Select(frame => frame.Command))}; {_end - _start} bytes of a frame.");
        }

        _isAtEnd = read == 0;
        if (_end + read > _buffer.Length)
        {
            var larger = new byte[Math.Max(_buffer.Length * 2, _end - _start + read)];
            _buffer.AsSpan(_start, _end - _start).CopyTo(larger);
            (_buffer, _start, _end) = (larger, 0, _end - _start);
        }

        _chunk.AsSpan(0, read).CopyTo(_buffer.AsSpan(_end));
        _end += read;
        return read > 0;
    }

    private WireFrame? TryParse()
    {
        while (_start < _end && _buffer[_start] == '\n')
        {
            _start++;
            HeartBeats++;
        }

        var rest = _buffer.AsSpan(_start, _end - _start);
        var head = rest.IndexOf("\n\n"u8);
        if (head < 0)
        {
            return null;
        }

        var lines = Encoding.UTF8.GetString(rest[..head]).Split('\n');
        var headers = lines[1..].Select(line => ReadHeader(lines[0], line)).ToList();
        var length = headers.Find(header => header.Key == "content-length").Value is { } text
            ? int.Parse(text, System.Globalization.CultureInfo.InvariantCulture)
            : rest[(head + 2)..].IndexOf((byte)0);
        if (length < 0 || rest.Length <= head + 2 + length)
        {
            return null;
        }

        Assert.Equal(0, rest[head + 2 + length]);
        var frame = new WireFrame(lines[0], headers, rest.Slice(head + 2, length).ToArray());
        _start += head + 2 + length + 1;
        return frame;
    }

    private KeyValuePair<string, string> ReadHeader(string command, string line)
    {
        var colon = line.IndexOf(':', StringComparison.Ordinal);
        Assert.True(colon > 0, $"'{line}' is no header.");
        var isEscaped = Version != "1.0" && command != "CONNECTED";
        return isEscaped ? new(Unescape(line[..colon]), Unescape(line[(colon + 1)..])) : new(line[..colon], line[(colon + 1)..]);
    }

    private string Unescape(string text)
    {
        var plain = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            plain.Append(text[i] != '\\' ? text[i] : text[++i] switch
            {
                'n' => '\n',
                'c' => ':',
                '\\' => '\\',
                'r' when Version == "1.2" => '\r',
                var letter => throw new FormatException($"STOMP {Version} has no escape \\{letter}."),
            });
        }

        return plain.ToString();
    }
}
