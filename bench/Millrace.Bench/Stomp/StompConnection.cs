using System.Net.Sockets;
using System.Text;

namespace Millrace.Bench.Stomp;

/// <summary>A connected client: blocking until <see cref="StopBlocking"/>, then driven by readiness.</summary>
internal sealed class StompConnection : IDisposable
{
    private const int HandshakeSeconds = 10;
    private const int ShownErrorCharacters = 500;

    private static readonly int CarryBytes = ErrorFrame.Length - 1;

    private readonly StompEndpoint _endpoint;
    private byte[] _carry = [];
    private int _carried;
    private byte[] _unsent = [];
    private int _unsentStart;
    private int _unsentEnd;

    private StompConnection(StompEndpoint endpoint, Socket socket) => (_endpoint, Socket) = (endpoint, socket);

    public Socket Socket { get; }

    /// <summary>Whether the broker said that it is RabbitMQ, which wants some things to be said otherwise.</summary>
    public bool IsRabbitMq { get; private set; }

    /// <summary>Whether the kernel has not yet taken all that was written.</summary>
    public bool HasUnsent => _unsentEnd > _unsentStart;

    /// <summary>An ERROR frame's first line; no header or body of the generator's messages can hold it.</summary>
    private static ReadOnlySpan<byte> ErrorFrame => "ERROR\n"u8;

    /// <summary>Connects and logs in.</summary>
    public static StompConnection Open(StompEndpoint endpoint, int heartBeatMs = 0)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = HandshakeSeconds * 1000 };
        var connection = new StompConnection(endpoint, socket);
        try
        {
            socket.Connect(endpoint.Address);
            connection.IsRabbitMq = connection.Exchange(StompFrames.Connect(endpoint, heartBeatMs), "CONNECTED").Contains("\nserver:RabbitMQ", StringComparison.Ordinal);
            return connection;
        }
        catch (SocketException problem)
        {
            socket.Dispose();
            throw new StompFailureException($"Connecting to {endpoint} failed: {problem.Message}.");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Sends a frame and returns the one that answers it, before which nothing else can come.</summary>
    public string Exchange(ReadOnlySpan<byte> frame, string answer)
    {
        var buffer = new byte[4096];
        var length = 0;
        try
        {
            SendAll(frame);
            while (buffer.AsSpan(0, length).IndexOf((byte)0) < 0)
            {
                var read = length < buffer.Length ? Socket.Receive(buffer.AsSpan(length)) : 0;
                length = read > 0 ? length + read : throw Closed(buffer.AsSpan(0, length));
            }
        }
        catch (SocketException problem)
        {
            throw new StompFailureException($"{_endpoint} did not answer with {answer}: {problem.Message}.");
        }

        // Line ends may stand before a frame and after it.
        var text = Encoding.UTF8.GetString(buffer, 0, length).Trim('\n', '\r', '\0');
        return text.StartsWith(answer + "\n", StringComparison.Ordinal)
            ? text
            : throw new StompFailureException($"{_endpoint} did not answer with {answer}: {Shown(buffer.AsSpan(0, length))}");
    }

    /// <summary>Sends all of it, and waits where the kernel does not take it at once.</summary>
    public void SendAll(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[TrySend(bytes)..];
        }
    }

    public void StopBlocking() => Socket.Blocking = false;

    /// <summary>Sends what the kernel takes at once and keeps the rest for <see cref="Flush"/>.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (!HasUnsent)
        {
            bytes = bytes[TrySend(bytes)..];
        }

        if (bytes.Length > 0)
        {
            Keep(bytes);
        }
    }

    /// <summary>Sends more of what was kept.</summary>
    public void Flush()
    {
        _unsentStart += TrySend(_unsent.AsSpan(_unsentStart.._unsentEnd));
    }

    /// <summary>Reads what there is into a buffer that connections may share, and counts the frames that end in it.</summary>
    /// <remarks>Neither headers nor bodies of the generator's messages hold a NUL, so that each is the end of a frame, wherever the bytes were cut.</remarks>
    public int CountFrames(byte[] buffer)
    {
        var length = Receive(buffer);
        var count = buffer.AsSpan(_carried, length - _carried).Count((byte)0);
        Carry(buffer.AsSpan(Math.Max(0, length - CarryBytes)..length));
        return count;
    }

    /// <summary>Reads what there is, and counts the bytes: heart-beats are single ones.</summary>
    public int CountBytes(byte[] buffer)
    {
        var length = Receive(buffer);
        var count = length - _carried;
        Carry(buffer.AsSpan(Math.Max(0, length - CarryBytes)..length));
        return count;
    }

    /// <summary>Reads what there is, and gives the bytes of whole frames; what comes after the last end of one is kept for the next time.</summary>
    public ReadOnlySpan<byte> WholeFrames(byte[] buffer)
    {
        var length = Receive(buffer);
        var end = buffer.AsSpan(0, length).LastIndexOf((byte)0) + 1;
        Carry(buffer.AsSpan(end..length));
        return buffer.AsSpan(0, end);
    }

    public void Dispose() => Socket.Dispose();

    /// <summary>The end of the bytes in the buffer, before which stands what was carried.</summary>
    private int Receive(byte[] buffer)
    {
        _carry.AsSpan(0, _carried).CopyTo(buffer);
        var read = Socket.Receive(buffer.AsSpan(_carried), SocketFlags.None, out var error);
        if (error is SocketError.WouldBlock or SocketError.TimedOut)
        {
            return _carried;
        }

        var length = _carried + read;
        if (error != SocketError.Success || read == 0)
        {
            throw error is SocketError.Success or SocketError.ConnectionReset
                ? Closed(buffer.AsSpan(0, length))
                : new StompFailureException($"Receiving from {_endpoint} failed: {error}.");
        }

        var refusal = buffer.AsSpan(0, length).IndexOf(ErrorFrame);
        return refusal < 0 ? length : throw Refused(buffer.AsSpan(refusal, length - refusal).ToArray());
    }

    private void Carry(ReadOnlySpan<byte> rest)
    {
        if (_carry.Length < rest.Length)
        {
            _carry = new byte[rest.Length * 2];
        }

        rest.CopyTo(_carry);
        _carried = rest.Length;
    }

    private int TrySend(ReadOnlySpan<byte> bytes)
    {
        var sent = Socket.Send(bytes, SocketFlags.None, out var error);
        return error switch
        {
            SocketError.Success => sent,
            SocketError.WouldBlock => 0,
            _ => throw LastWords(error),
        };
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        var kept = _unsent.AsSpan(_unsentStart.._unsentEnd);
        var into = kept.Length + bytes.Length <= _unsent.Length ? _unsent : new byte[2 * (kept.Length + bytes.Length)];
        kept.CopyTo(into);
        bytes.CopyTo(into.AsSpan(kept.Length));
        (_unsent, _unsentStart, _unsentEnd) = (into, 0, kept.Length + bytes.Length);
    }

    // A broker says why before it closes.
    private StompFailureException LastWords(SocketError error)
    {
        var buffer = new byte[4096];
        var read = Socket.Receive(buffer, SocketFlags.None, out var second);
        return second == SocketError.Success && read > 0
            ? Refused(buffer[..read])
            : new StompFailureException($"Sending to {_endpoint} failed: {error}.");
    }

    private StompFailureException Refused(byte[] frame)
    {
        // The rest of the frame comes in a moment, or what there is must do.
        Socket.Blocking = true;
        Socket.ReceiveTimeout = 1000;
        var more = new byte[4096];
        while (!frame.Contains((byte)0) && Socket.Receive(more, SocketFlags.None, out var error) is > 0 and var read && error == SocketError.Success)
        {
            frame = [.. frame, .. more.AsSpan(0, read)];
        }

        return new StompFailureException($"{_endpoint} answered: {Shown(frame)}");
    }

    private StompFailureException Closed(ReadOnlySpan<byte> last) =>
        new(last.IsEmpty ? $"{_endpoint} closed the connection." : $"{_endpoint} closed the connection after: {Shown(last)}");

    private static string Shown(ReadOnlySpan<byte> bytes)
    {
        var text = Encoding.UTF8.GetString(bytes).Replace('\0', ' ').Trim();
        return text.Length <= ShownErrorCharacters ? text : text[..ShownErrorCharacters] + "…";
    }
}
