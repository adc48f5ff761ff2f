using Millrace.Stomp.Codec;
using Millrace.Stomp.Security;

namespace Millrace.Stomp.Sessions;

/// <summary>
/// SEND: gathers messages by destination, so that what came in one piece is stored in one operation. What was learned from a frame's headers is used again while the client
/// repeats them byte for byte. Touched by its session only.
/// </summary>
internal sealed class Sender(SessionContext session, SendReader reader, PendingReceipts receipts, Transactions transactions) : IDisposable
{
    // Destinations that a client sends to over and over; whoever uses more pays for looking them up.
    private const int MostTargets = 256;

    private readonly Dictionary<string, SendTarget> _targets = new(StringComparer.Ordinal);
    private readonly List<SendTarget> _waiting = [];
    private Template? _last;

    /// <summary>Messages that the connection has sent.</summary>
    public long Count { get; private set; }

    /// <summary>Whether messages wait to be stored.</summary>
    public bool HasWaiting => _waiting.Count > 0;

    /// <summary>Notes a message; its body must stay until <see cref="StoreAsync"/> has ended.</summary>
    public void Add(StompFrame frame)
    {
        var template = frame.RepeatsHead && _last is { } last ? last : Learn(frame);
        var target = template.Target;
        if (target.Permit.Lost.IsCancellationRequested)
        {
            throw new StompFaultException("access denied", $"The user '{session.Caller!.Name}' may not send to '{Destination.Shown(target.Text)}' any more.");
        }

        var envelope = template.Envelope with { Body = frame.Body };
        Count++;
        if (template.Transaction is { } name)
        {
            if (target.Destination.Kind == DestinationKind.Stream)
            {
                throw new StompFaultException("not supported", $"'{Destination.Shown(target.Text)}': streams take no part in transactions.");
            }

            transactions.Find(name).AddSend(target, envelope, template.Receipt);
            return;
        }

        if (target.IsEmpty)
        {
            _waiting.Add(target);
        }

        target.Add(in envelope, session.Frames);
        if (template.Receipt is { } receipt)
        {
            receipts.Add(template.ReceiptId!, receipt);
        }
    }

    /// <summary>Stores what was noted: each destination in order, several of them at the same time.</summary>
    /// <returns>The fault with the lowest frame, if any.</returns>
    public async ValueTask<SendFault?> StoreAsync()
    {
        SendFault? first = null;
        if (_waiting.Count == 1)
        {
            first = await _waiting[0].StoreAsync().ConfigureAwait(false);
        }
        else
        {
            var stores = _waiting.ConvertAll(target => target.StoreAsync().AsTask());
            foreach (var fault in await Task.WhenAll(stores).ConfigureAwait(false))
            {
                first = fault is not null && (first is null || fault.Frame < first.Frame) ? fault : first;
            }
        }

        _waiting.Clear();
        return first;
    }

    /// <summary>Gives up the permissions of the session.</summary>
    public void Dispose()
    {
        foreach (var target in _targets.Values)
        {
            target.Permit.Dispose();
        }

        _targets.Clear();
        _last = null;
    }

    private Template Learn(StompFrame frame)
    {
        var text = frame.Get(KnownHeader.Destination) ?? throw new StompFaultException("malformed frame", "A SEND frame must have a destination.");
        var transaction = frame.Get(KnownHeader.Transaction);
        var receipt = frame.Get(KnownHeader.Receipt);
        var template = new Template(
            Find(text),
            reader.Read(frame),
            transaction,
            receipt,
            receipt is null ? null : ControlFrame.Receipt(receipt, session.Version));

        // An expiry is an instant, so that each frame has another time to live.
        _last = frame.Has(KnownHeader.Expires) ? null : template;
        return template;
    }

    private SendTarget Find(string text)
    {
        if (_targets.TryGetValue(text, out var known))
        {
            return known;
        }

        var target = Open(text);
        if (_targets.Count == MostTargets)
        {
            Forget();
        }

        _targets[text] = target;
        return target;
    }

    private void Forget()
    {
        _last = null;
        foreach (var (text, target) in _targets)
        {
            if (target.IsEmpty)
            {
                target.Permit.Dispose();
                _targets.Remove(text);
            }
        }
    }

    private SendTarget Open(string text)
    {
        var destination = Destination.Parse(text);
        var resources = session.Resources;
        switch (destination.Kind)
        {
            case DestinationKind.Queue:
                resources.RequireQueues(text);
                ResourceName.Require(destination.Name, "queue");
                return new SendTarget(session, destination, text, destination.Name, session.Require(StompAccess.Send, StompResource.Queue, destination.Name, text));
            case DestinationKind.Topic:
                resources.RequireTopics(text);
                Storage.TopicPattern.RequireTopic(destination.Name);
                return new SendTarget(session, destination, text, destination.Name, session.Require(StompAccess.Send, StompResource.Topic, destination.Name, text));
            case DestinationKind.Stream:
                resources.RequireStreams(text);
                ResourceName.Require(destination.Name, "stream");
                return new SendTarget(session, destination, text, destination.Name, session.Require(StompAccess.Send, StompResource.Stream, destination.Name, text))
                {
                    Appends = new StreamAppends(resources, destination.Name),
                };
            case DestinationKind.ReplyQueue:
                // Its name is the permission: whoever knows it was asked for a reply.
                resources.RequireQueues(text);
                resources.RequireAdministration(text);
                ResourceName.Require(TemporaryQueues.NamePrefix + destination.Name, "temporary queue");
                return new SendTarget(session, destination, text, TemporaryQueues.NamePrefix + destination.Name, StompPermit.Endless);
            case DestinationKind.TemporaryQueue:
                throw new StompFaultException("invalid destination", $"'{Destination.Shown(text)}' is sent to under the name that a reply-to header has.");
            default:
                throw new StompFaultException("invalid destination", $"'{Destination.Shown(text)}' is filled by dead-lettering only: nothing can be sent to it.");
        }
    }

    /// <summary>What was learned from the headers of a SEND frame.</summary>
    private sealed record Template(SendTarget Target, Envelope Envelope, string? Transaction, string? ReceiptId, byte[]? Receipt);
}
