using System.Net;
using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Sessions;

/// <summary>
/// What one client has said and is owed: frames in, frames out, no socket. SEND, ACK and NACK are noted and carried out together by <see cref="FlushAsync"/>; everything else waits
/// for what came before it. Its members are called by one thread at a time, but for those that say otherwise.
/// </summary>
internal sealed class StompSession : IAsyncDisposable
{
    private static readonly string ServerName = $"Millrace/{typeof(StompSession).Assembly.GetName().Version?.ToString(3)}";

    private readonly SessionContext _context;
    private readonly IPAddress? _address;
    private readonly string _peer;
    private readonly TemporaryQueues _temporaryQueues;
    private readonly SubscriptionTable _subscriptions;
    private readonly PendingReceipts _receipts;
    private readonly Transactions _transactions;
    private readonly Sender _sender;
    private readonly Acknowledger _acknowledger;
    private CancellationTokenRegistration _callerEnds;

    public StompSession(BrokerResources resources, IFrameOutput output, string id, StompPeer peer)
    {
        _context = new SessionContext(resources, output, id);
        _address = peer.Address;
        _peer = peer.ToString();
        _temporaryQueues = new TemporaryQueues(_context);
        _subscriptions = new SubscriptionTable(_context, _temporaryQueues);
        _receipts = new PendingReceipts(_context);
        _transactions = new Transactions(_context);
        _sender = new Sender(_context, new SendReader(_context, _temporaryQueues), _receipts, _transactions);
        _acknowledger = new Acknowledger(_context, _subscriptions, _receipts, _transactions);
    }

    /// <summary>The version that was agreed on.</summary>
    public StompVersion Version => _context.Version;

    /// <summary>The user's name; empty for an anonymous one, and before CONNECT.</summary>
    public string User => _context.Caller?.Name ?? "";

    /// <summary>The client's own id.</summary>
    public string? ClientId => _context.ClientId;

    /// <summary>The heart-beats that were agreed on.</summary>
    public HeartBeats HeartBeats { get; private set; }

    /// <summary>Whether CONNECT has succeeded.</summary>
    public bool IsConnected { get; private set; }

    /// <summary>Whether the client has said DISCONNECT.</summary>
    public bool IsEnded { get; private set; }

    /// <summary>Frames that came.</summary>
    public long Frames => _context.Frames;

    /// <summary>Messages that came.</summary>
    public long MessagesSent => _sender.Count;

    /// <summary>Open transactions.</summary>
    public int OpenTransactions => _transactions.Count;

    /// <summary>Whether frames were noted whose bytes must stay until <see cref="FlushAsync"/> has ended.</summary>
    public bool HasWaiting => _sender.HasWaiting;

    /// <summary>The subscriptions as they are now. Safe for concurrent use.</summary>
    public StompSubscriptionInfo[] DescribeSubscriptions() => _subscriptions.Describe();

    /// <summary>Takes a frame.</summary>
    /// <exception cref="StompFaultException">The connection is to end with an ERROR; what was noted before is still to be flushed.</exception>
    public ValueTask HandleAsync(StompFrame frame, CancellationToken cancellationToken)
    {
        _context.Frames++;
        if (IsConnected)
        {
            switch (frame.Command)
            {
                case StompCommand.Send:
                    _sender.Add(frame);
                    return _temporaryQueues.HasImplied ? _subscriptions.SubscribeImpliedAsync(cancellationToken) : ValueTask.CompletedTask;
                case StompCommand.Ack or StompCommand.Nack:
                    _acknowledger.Add(frame);
                    return ValueTask.CompletedTask;
            }
        }

        return HandleInTurnAsync(frame, cancellationToken);
    }

    /// <summary>Carries out what was noted: messages first, so that none is acknowledged whose successors could still be lost; then acknowledgements; then receipts.</summary>
    /// <exception cref="StompFaultException">Something was refused; receipts of what came before it have been posted.</exception>
    public async ValueTask FlushAsync()
    {
        if (_sender.HasWaiting && await _sender.StoreAsync().ConfigureAwait(false) is { } refused)
        {
            if (refused.Exception is not null)
            {
                _context.Resources.Logger.StoreFailed(refused.Exception, _context.Id, _peer);
            }

            var fault = refused.Fault with { ReceiptId = _receipts.IdOf(refused.Frame) };
            _receipts.Post(before: refused.Frame);
            throw new StompFaultException(fault) { IsOfEarlierFrame = true };
        }

        if (_acknowledger.HasWaiting)
        {
            await SettleAsync().ConfigureAwait(false);
        }

        _receipts.Post();
    }

    /// <summary>Ends everything that the session has: unacknowledged messages go back at once, in order; open transactions vanish.</summary>
    public async ValueTask DisposeAsync()
    {
        await _callerEnds.DisposeAsync().ConfigureAwait(false);
        _transactions.AbortAll();
        await _subscriptions.CloseAllAsync().ConfigureAwait(false);
        await _temporaryQueues.DeleteAllAsync().ConfigureAwait(false);
        _sender.Dispose();
        _context.Caller?.Dispose();
    }

    private async ValueTask SettleAsync()
    {
        try
        {
            await _acknowledger.SettleAsync().ConfigureAwait(false);
        }
        catch (MillraceException exception)
        {
            if (StoreFaults.IsForLog(exception))
            {
                _context.Resources.Logger.StoreFailed(exception, _context.Id, _peer);
            }

            throw new StompFaultException(StoreFaults.Describe(exception, "the acknowledgements"), exception) { IsOfEarlierFrame = true };
        }
    }

    private async ValueTask HandleInTurnAsync(StompFrame frame, CancellationToken cancellationToken)
    {
        await FlushAsync().ConfigureAwait(false);
        if (frame.Command is StompCommand.Connect or StompCommand.Stomp)
        {
            await ConnectAsync(frame, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (!IsConnected)
        {
            throw new StompFaultException("not connected", "The first frame of a connection must be CONNECT or STOMP.");
        }

        switch (frame.Command)
        {
            case StompCommand.Subscribe:
                await _subscriptions.SubscribeAsync(frame, cancellationToken).ConfigureAwait(false);
                break;
            case StompCommand.Unsubscribe:
                await _subscriptions.UnsubscribeAsync(frame, cancellationToken).ConfigureAwait(false);
                break;
            case StompCommand.Begin:
                _transactions.Begin(frame);
                break;
            case StompCommand.Commit:
                await _transactions.CommitAsync(frame).ConfigureAwait(false);
                break;
            case StompCommand.Abort:
                _transactions.Abort(frame);
                break;
            case StompCommand.Disconnect:
                // What the client has not acknowledged is with others before it hears that it has gone.
                IsEnded = true;
                _transactions.AbortAll();
                await _subscriptions.CloseAllAsync().ConfigureAwait(false);
                break;
            default:
                throw new StompFaultException("unknown command", $"A client does not send {frame.Command.ToString().ToUpperInvariant()} frames.");
        }

        _receipts.Add(frame);
        _receipts.Post();
    }

    private async ValueTask ConnectAsync(StompFrame frame, CancellationToken cancellationToken)
    {
        if (IsConnected)
        {
            throw new StompFaultException("connected already", "The connection has had its CONNECT frame.");
        }

        var resources = _context.Resources;
        var version = StompVersions.Negotiate(frame.Get(KnownHeader.AcceptVersion));
        if (version == StompVersion.None)
        {
            throw new StompFaultException("no common version", $"The broker speaks STOMP {StompVersions.All}, and the client accepts '{Destination.Shown(frame.Get(KnownHeader.AcceptVersion)!)}' only.");
        }

        if (resources.Options.VirtualHosts is { Count: > 0 } hosts && !hosts.Contains(frame.Get(KnownHeader.Host) ?? "", StringComparer.OrdinalIgnoreCase))
        {
            throw new StompFaultException("unknown host", $"The broker does not serve the host '{Destination.Shown(frame.Get(KnownHeader.Host) ?? "")}'.");
        }

        var heartBeats = HeartBeats.Negotiate(frame.Get(KnownHeader.HeartBeat), resources.Options.MinHeartBeat);
        var login = await resources.Authority.LogInAsync(frame.Get(KnownHeader.Login), frame.Get(KnownHeader.Passcode), _address, cancellationToken).ConfigureAwait(false);
        if (login.Caller is not { } caller)
        {
            resources.Counters.LoginFailed();
            resources.Logger.LoginRefused(_peer, login.Refusal!);
            throw new StompFaultException("access refused", login.Refusal!);
        }

        _context.Caller = caller;
        _context.ClientId = frame.Get(KnownHeader.ClientId);
        _context.Version = version;
        HeartBeats = heartBeats;
        _callerEnds = caller.Ended.Register(() => _context.Output.Fail(new StompFault("access refused", "The user may not use this broker any more.")));
        resources.Counters.ConnectionAccepted();
        resources.Logger.ConnectionOpened(_context.Id, _peer, StompVersions.TextOf(version), caller.Name);
        _context.Output.Post(ControlFrame.Begin(StompCommand.Connected, version)
            .Add("version", StompVersions.TextOf(version))
            .Add("heart-beat", heartBeats.Header)
            .Add("session", _context.Id)
            .Add("server", ServerName)
            .End());
        IsConnected = true;
    }
}
