using System.Buffers;
using System.IO.Pipelines;
using Millrace.Stomp.Codec;
using Millrace.Stomp.Sessions;

namespace Millrace.Stomp.Connections;

/// <summary>
/// One connection: a loop that reads, an <see cref="Outbox"/> that writes, and the one reason for which it ends. <see cref="RunAsync"/> is called once; the other members are safe
/// for concurrent use.
/// </summary>
internal sealed class StompConnection : IAsyncDisposable
{
    // Bytes that are read in one go and stored together.
    private const int PieceBytes = StompParser.UsualWindowBytes;

    private static readonly TimeSpan LongestGoodbye = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestListening = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestSilence = TimeSpan.FromMilliseconds(100);

    private readonly BrokerResources _resources;
    private readonly IDuplexPipe _transport;
    private readonly StompPeer _peer;
    private readonly Action _abort;
    private readonly Outbox _outbox;
    private readonly StompSession _session;
    private readonly StompParser _parser;
    private readonly StompFrame _frame = new();
    private readonly FrameBudget _budget;
    private readonly ConnectionWatch _watch;
    private readonly DateTimeOffset _connectedAt;
    private readonly CancellationTokenSource _closing = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CloseReason? _reason;
    private long _countedFrames;

    public StompConnection(BrokerResources resources, IDuplexPipe transport, StompPeer peer, Action abort)
    {
        _resources = resources;
        _transport = transport;
        _peer = peer;
        _abort = abort;
        _connectedAt = resources.TimeProvider.GetUtcNow();
        _outbox = new Outbox(resources, transport.Output, Close);
        _session = new StompSession(resources, _outbox, Id, peer);
        _parser = new StompParser(resources.Options);
        _budget = new FrameBudget(resources.Budget, resources.TimeProvider, resources.Options.FrameTimeout);
        _watch = new ConnectionWatch(resources, _outbox, Close);
    }

    /// <summary>Its id, unique while the broker runs.</summary>
    public string Id { get; } = Guid.CreateVersion7().ToString("N");

    /// <summary>The connection as it is now.</summary>
    public StompConnectionInfo Describe() => new()
    {
        Id = Id,
        Peer = _peer.EndPoint?.ToString() ?? "",
        Transport = _peer.Transport,
        Version = StompVersions.TextOf(_session.Version),
        User = _session.User,
        ClientId = _session.ClientId,
        ConnectedAt = _connectedAt,
        FramesReceived = _session.Frames,
        MessagesSent = _session.MessagesSent,
        MessagesDelivered = _outbox.Delivered,
        PendingBytes = _outbox.PendingBytes,
        Transactions = _session.OpenTransactions,
        Subscriptions = _session.DescribeSubscriptions(),
    };

    /// <summary>Ends the connection. The first reason stands.</summary>
    public void Close(CloseReason reason)
    {
        if (Interlocked.CompareExchange(ref _reason, reason, null) is not null)
        {
            return;
        }

        if (reason.IsAbrupt)
        {
            _outbox.Close();
            _abort();
        }

        // Not here, for this may be a timer's thread, and a wait for the store may end with it.
        _ = _closing.CancelAsync();
        _transport.Input.CancelPendingRead();
    }

    /// <summary>Tells the client why it is not served.</summary>
    public async Task RefuseAsync(string summary, string detail)
    {
        Close(CloseReason.Faulty(new StompFault(summary, detail)));
        await SayGoodbyeAsync(_reason!).ConfigureAwait(false);
    }

    /// <summary>Ends the connection because the broker stops; cuts it after a time.</summary>
    public async Task StopAsync(TimeSpan timeout)
    {
        Close(CloseReason.Stopping);
        try
        {
            await _ended.Task.WaitAsync(timeout, _resources.TimeProvider).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            _outbox.Close();
            _abort();
            await _ended.Task.ConfigureAwait(false);
        }
    }

    /// <summary>Serves the connection until it ends.</summary>
    public async Task RunAsync(CancellationToken aborted)
    {
        var gone = aborted.UnsafeRegister(static state => ((StompConnection)state!).Close(CloseReason.Gone), this);
        await using (gone.ConfigureAwait(false))
        {
            try
            {
                _watch.Start();
                await ReadAllAsync().ConfigureAwait(false);
            }
            finally
            {
                await EndAsync().ConfigureAwait(false);
                _ended.SetResult();
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // The source of _closing is left to the collector: whoever closes late may still use it, and it has neither a timer nor a parent.
        _parser.Dispose();
        await _session.DisposeAsync().ConfigureAwait(false);
    }

    private async Task ReadAllAsync()
    {
        try
        {
            while (_reason is null)
            {
                var read = await _transport.Input.ReadAsync(CancellationToken.None).ConfigureAwait(false);
                try
                {
                    if (read.IsCanceled)
                    {
                        // The reason is known; the bytes that may be there are of no use any more.
                        return;
                    }

                    await TakeAsync(read.Buffer).ConfigureAwait(false);
                }
                finally
                {
                    // However it ends, so that reading can go on while the client is told.
                    _transport.Input.AdvanceTo(read.Buffer.End);
                }

                if (_session.IsEnded)
                {
                    Close(CloseReason.Disconnected);
                }
                else if (read.IsCompleted)
                {
                    Close(CloseReason.Closed);
                }
            }
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested)
        {
            // Closed while it waited for the store or for memory.
        }
        catch (IOException)
        {
            Close(CloseReason.Gone);
        }
        catch (Exception exception)
        {
            Close(CloseReason.Failed(exception));
        }
    }

    /// <summary>Handles what was read, in pieces that are stored together.</summary>
    private async ValueTask TakeAsync(ReadOnlySequence<byte> buffer)
    {
        _watch.BeginReading();
        try
        {
            var left = buffer.Length;
            _parser.MakeRoom((int)Math.Min(left, PieceBytes));
            foreach (var segment in buffer)
            {
                for (var rest = segment; !rest.IsEmpty && !_session.IsEnded;)
                {
                    var piece = rest[..Math.Min(rest.Length, PieceBytes)];
                    rest = rest[piece.Length..];
                    if (piece.Length > _parser.Room)
                    {
                        await FlushAsync().ConfigureAwait(false);
                        _parser.MakeRoom((int)Math.Min(left, PieceBytes));
                    }

                    left -= piece.Length;
                    _parser.Append(piece.Span);
                    await HandleFramesAsync().ConfigureAwait(false);
                    if (!_budget.TryCover(_parser))
                    {
                        // This may take a while, and what came before is good.
                        await FlushAsync().ConfigureAwait(false);
                        await _budget.CoverAsync(_parser, _closing.Token).ConfigureAwait(false);
                    }
                }
            }

            await FlushAsync().ConfigureAwait(false);
        }
        catch (StompFaultException exception)
        {
            Close(CloseReason.Faulty(exception.Fault));
        }
        catch (MillraceException exception)
        {
            Close(CloseReason.Faulty(StoreFaults.Describe(exception, "what the frame asked for")) with { Exception = StoreFaults.IsForLog(exception) ? exception : null });
        }

        _watch.EndReading(_parser.IsInFrame);
    }

    private async ValueTask HandleFramesAsync()
    {
        while (!_session.IsEnded)
        {
            var status = _parser.TryRead(_frame);
            if (status == ParseStatus.Incomplete)
            {
                return;
            }

            if (status == ParseStatus.Fault)
            {
                // What came before is good, and is carried out.
                await FlushAsync().ConfigureAwait(false);
                var fault = _parser.Fault!;
                throw new StompFaultException(fault with { ReceiptId = HeaderEscape.Unescaped(fault.ReceiptId, _parser.Version) });
            }

            var handling = HandleAsync();
            if (!handling.IsCompletedSuccessfully)
            {
                await handling.ConfigureAwait(false);
            }
        }
    }

    private ValueTask HandleAsync()
    {
        try
        {
            var handling = _session.HandleAsync(_frame, _closing.Token);
            return handling.IsCompletedSuccessfully && _parser.Version != StompVersion.None ? handling : HandleInTurnAsync(handling);
        }
        catch (Exception exception) when (exception is StompFaultException or MillraceException)
        {
            return FailAsync(exception);
        }
    }

    private async ValueTask HandleInTurnAsync(ValueTask handling)
    {
        try
        {
            await handling.ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is StompFaultException or MillraceException)
        {
            await FailAsync(exception).ConfigureAwait(false);
        }

        if (_parser.Version == StompVersion.None && _session.IsConnected)
        {
            _parser.Version = _session.Version;
            _outbox.Version = _session.Version;
            _watch.Connected(_session.HeartBeats);
        }

        _outbox.WriteHere();
    }

    /// <summary>A frame was refused: what came before it is carried out, and the client is told which frame it was.</summary>
    private async ValueTask FailAsync(Exception exception)
    {
        var fault = StoreFaults.Describe(exception, "what the frame asked for");
        if (StoreFaults.IsForLog(exception))
        {
            _resources.Logger.StoreFailed(exception, Id, _peer.ToString());
        }

        if (exception is StompFaultException { IsOfEarlierFrame: true })
        {
            // What followed the faulty frame is not carried out: an acknowledgement may be for what was to become of a message that was refused.
            throw new StompFaultException(fault, exception);
        }

        var receipt = fault.ReceiptId ?? ReceiptOf(_frame);
        await FlushAsync().ConfigureAwait(false);
        throw new StompFaultException(fault with { ReceiptId = receipt }, exception);
    }

    private static string? ReceiptOf(StompFrame frame)
    {
        try
        {
            return frame.Get(KnownHeader.Receipt);
        }
        catch (StompFaultException)
        {
            return null;
        }
    }

    private async ValueTask FlushAsync()
    {
        await _session.FlushAsync().ConfigureAwait(false);
        _parser.Compact();
        _budget.Settle(_parser);
        _outbox.WriteHere();
        _resources.Counters.AddFrames(_session.Frames - _countedFrames);
        _countedFrames = _session.Frames;

        // A client that sends much and reads none of the answers waits until it does.
        if (_outbox.IsAnsweredAsync() is { IsCompleted: false } answered)
        {
            await answered.WaitAsync(_closing.Token).ConfigureAwait(false);
        }
    }

    /// <summary>Logs that it has ended, and why: when nobody counts it any more, so that who reads the log finds it gone.</summary>
    public void ReportEnd() => _resources.Logger.ConnectionEnded(Id, _peer.ToString(), _reason!.Summary);

    private async Task EndAsync()
    {
        _watch.End();
        Close(CloseReason.Gone);
        var reason = _reason!;
        if (reason.Exception is MillraceException fault)
        {
            _resources.Logger.StoreFailed(fault, Id, _peer.ToString());
        }
        else if (reason.Exception is { } exception)
        {
            _resources.Logger.ConnectionFailed(exception, Id, _peer.ToString());
        }

        // First what others wait for.
        try
        {
            await _session.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            _resources.Logger.ConnectionFailed(failure, Id, _peer.ToString());
        }

        _parser.Dispose();
        _budget.GiveAll();
        await SayGoodbyeAsync(reason).ConfigureAwait(false);
    }

    private async Task SayGoodbyeAsync(CloseReason reason)
    {
        if (!reason.IsAbrupt)
        {
            if (reason.Fault is { } fault)
            {
                _resources.Counters.ErrorSent();
                if (reason.IsFaultOfClient)
                {
                    _resources.Logger.ErrorSent(Id, _peer.ToString(), fault.Summary, fault.Detail);
                }

                _outbox.Post(ControlFrame.Error(fault, _session.Version));
            }

            try
            {
                await _outbox.DrainAsync().WaitAsync(LongestGoodbye, _resources.TimeProvider).ConfigureAwait(false);
                if (reason.Fault is not null)
                {
                    await ListenAsync().ConfigureAwait(false);
                }
            }
            catch (TimeoutException)
            {
                _abort();
            }
        }

        _outbox.Close();
        await _transport.Output.CompleteAsync().ConfigureAwait(false);
        await _transport.Input.CompleteAsync().ConfigureAwait(false);
    }

    /// <summary>Reads on for a moment without looking: closing a socket that has unread bytes takes the ERROR frame away from the client.</summary>
    private async Task ListenAsync()
    {
        var until = _resources.Clock.Now + LongestListening.Ticks;
        try
        {
            while (_resources.Clock.Now < until)
            {
                // When nothing more comes, nothing is unread.
                using var silence = new CancellationTokenSource(LongestSilence, _resources.TimeProvider);
                var read = await _transport.Input.ReadAsync(silence.Token).ConfigureAwait(false);
                _transport.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return;
                }
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            // It has had its time, or is gone.
        }
    }
}
