using System.Buffers;
using System.IO.Pipelines;
using System.Net.WebSockets;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Millrace.Stomp;

namespace Millrace.Server.Stomp;

/// <summary>
/// A WebSocket as a connection of bytes. What comes is put together whatever its messages are. What goes is cut into one message a frame, for there are clients that take each
/// message for a frame: text where the client itself sends text and the frame is UTF-8, since many clients that do take no other; else binary, which may be anything. A frame that is
/// larger than what is kept here goes out in pieces, as it comes, and as binary: what has not come yet might not be text.
/// </summary>
internal sealed class WebSocketTransport : IDuplexPipe, IDisposable
{
    /// <summary>The most bytes that are kept in either direction, beside a frame of up to as many that is not complete yet.</summary>
    public const int MaxBytes = 64 * 1024;

    private const int ReadBytes = 4 * 1024;

    // Whoever has been told that it is over has this long to take the rest and to say the same.
    private static readonly TimeSpan CloseTime = TimeSpan.FromSeconds(10);
    private static readonly PipeOptions Options = new(pauseWriterThreshold: MaxBytes, resumeWriterThreshold: MaxBytes / 2, useSynchronizationContext: false);

    private readonly WebSocket _socket;
    private readonly HttpContext _context;
    private readonly TimeProvider _timeProvider;
    private readonly Pipe _received = new(Options);
    private readonly Pipe _toSend = new(Options);
    private readonly CancellationTokenSource _cut;
    private readonly FrameSplitter _frames = new();
    private volatile bool _sendsText;
    private volatile bool _hasSaidClose;
    private bool _isInPieces;

    /// <param name="socket">Open; stays its owner's.</param>
    /// <param name="context">The request that it came from.</param>
    /// <param name="timeProvider">The clock of the end.</param>
    public WebSocketTransport(WebSocket socket, HttpContext context, TimeProvider timeProvider)
    {
        (_socket, _context, _timeProvider) = (socket, context, timeProvider);
        _cut = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
    }

    /// <inheritdoc/>
    public PipeReader Input => _received.Reader;

    /// <inheritdoc/>
    public PipeWriter Output => _toSend.Writer;

    /// <summary>Lets a broker serve the connection, and closes it then.</summary>
    public async Task ServeAsync(StompBroker broker, StompPeer peer)
    {
        var receiving = ReceiveAsync();
        var sending = SendAsync();
        try
        {
            await broker.ServeAsync(this, peer, Abort, _cut.Token).ConfigureAwait(false);
            await EndAsync(Task.WhenAll(receiving, sending)).ConfigureAwait(false);
        }
        finally
        {
            Cut();
            await _received.Reader.CompleteAsync().ConfigureAwait(false);
            await _toSend.Writer.CompleteAsync().ConfigureAwait(false);
            await Task.WhenAll(receiving, sending).ConfigureAwait(false);
        }
    }

    public void Dispose() => _cut.Dispose();

    private static bool IsEnd(Exception exception) => exception is WebSocketException or OperationCanceledException or IOException or ObjectDisposedException;

    // A client that ends in order gets the same word back.
    private void Abort()
    {
        if (!_hasSaidClose)
        {
            Cut();
        }
    }

    private void Cut()
    {
        _cut.Cancel();
        if (_socket.State is not (WebSocketState.Closed or WebSocketState.Aborted))
        {
            _socket.Abort();
            _context.Abort();
        }
    }

    private async Task EndAsync(Task both)
    {
        try
        {
            await both.WaitAsync(CloseTime, _timeProvider).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // It has been told, and does not answer.
        }
    }

    private async Task ReceiveAsync()
    {
        try
        {
            var isRead = true;
            while (true)
            {
                // Waits without a buffer: ten thousand idle clients would have as many.
                if ((await _socket.ReceiveAsync(Memory<byte>.Empty, _cut.Token).ConfigureAwait(false)).MessageType == WebSocketMessageType.Close)
                {
                    _hasSaidClose = true;
                    return;
                }

                var got = await _socket.ReceiveAsync(_received.Writer.GetMemory(ReadBytes), _cut.Token).ConfigureAwait(false);
                if (got.MessageType == WebSocketMessageType.Close)
                {
                    _hasSaidClose = true;
                    return;
                }

                _sendsText = got.MessageType == WebSocketMessageType.Text;
                if (isRead)
                {
                    _received.Writer.Advance(got.Count);
                    isRead = !(await _received.Writer.FlushAsync(_cut.Token).ConfigureAwait(false)).IsCompleted;
                }
            }
        }
        catch (Exception exception) when (IsEnd(exception))
        {
            await _cut.CancelAsync().ConfigureAwait(false);
        }
        finally
        {
            await _received.Writer.CompleteAsync().ConfigureAwait(false);
        }
    }

    private async Task SendAsync()
    {
        var reader = _toSend.Reader;
        try
        {
            var looked = 0L;
            while (true)
            {
                var read = await reader.ReadAsync(_cut.Token).ConfigureAwait(false);
                (var rest, looked) = await SendFramesAsync(read.Buffer, looked).ConfigureAwait(false);
                reader.AdvanceTo(rest.Start, rest.End);
                if (read.IsCompleted)
                {
                    break;
                }
            }

            await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, _cut.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (IsEnd(exception))
        {
            await _cut.CancelAsync().ConfigureAwait(false);
        }
        finally
        {
            await reader.CompleteAsync().ConfigureAwait(false);
        }
    }

    // Returns what is kept: the beginning of a frame, and how much of it has been looked at.
    private async ValueTask<(ReadOnlySequence<byte> Kept, long Looked)> SendFramesAsync(ReadOnlySequence<byte> bytes, long looked)
    {
        while (TryFindEnd(bytes, ref looked))
        {
            await SendFrameAsync(bytes.Slice(0, looked)).ConfigureAwait(false);
            (bytes, looked) = (bytes.Slice(looked), 0);
        }

        if (!_isInPieces && bytes.Length < MaxBytes)
        {
            return (bytes, looked);
        }

        foreach (var piece in bytes)
        {
            _isInPieces = true;
            await _socket.SendAsync(piece, WebSocketMessageType.Binary, endOfMessage: false, _cut.Token).ConfigureAwait(false);
        }

        return (bytes.Slice(bytes.End), 0);
    }

    private bool TryFindEnd(ReadOnlySequence<byte> bytes, ref long looked)
    {
        foreach (var part in bytes.Slice(looked))
        {
            looked += _frames.Take(part.Span, out var isEnd);
            if (isEnd)
            {
                return true;
            }
        }

        return false;
    }

    // A frame, or the last piece of one.
    private async ValueTask SendFrameAsync(ReadOnlySequence<byte> frame)
    {
        var isLast = _isInPieces;
        _isInPieces = false;
        if (frame.IsSingleSegment)
        {
            await SendAsync(frame.First, isLast).ConfigureAwait(false);
            return;
        }

        var length = (int)frame.Length;
        var joined = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            frame.CopyTo(joined);
            await SendAsync(joined.AsMemory(0, length), isLast).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(joined);
        }
    }

    private ValueTask SendAsync(ReadOnlyMemory<byte> message, bool isLastPiece)
    {
        var isText = !isLastPiece && _sendsText && Utf8.IsValid(message.Span);
        return _socket.SendAsync(message, isText ? WebSocketMessageType.Text : WebSocketMessageType.Binary, endOfMessage: true, _cut.Token);
    }
}
