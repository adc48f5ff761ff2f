using System.Buffers.Text;
using System.Text;
using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Sessions;

/// <summary>
/// ACK and NACK: finds the delivery that a frame names, by the rules of the version, and gathers settlements by subscription. Touched by its session only.
/// </summary>
internal sealed class Acknowledger(SessionContext session, SubscriptionTable subscriptions, PendingReceipts receipts, Transactions transactions)
{
    private readonly List<Subscription> _waiting = [];

    /// <summary>Whether settlements wait for <see cref="SettleAsync"/>.</summary>
    public bool HasWaiting => _waiting.Count > 0;

    /// <summary>Notes an ACK or NACK.</summary>
    public void Add(StompFrame frame)
    {
        var isAccepted = frame.Command == StompCommand.Ack;
        if (!isAccepted && session.Version == StompVersion.V10)
        {
            throw new StompFaultException("unknown command", "STOMP 1.0 has no NACK.");
        }

        var request = isAccepted ? new AckRequest(true, false, default) : ReadRejection(frame);
        var (subscription, number) = Find(frame);
        if (frame.Get(KnownHeader.Transaction) is { } name)
        {
            Enlist(transactions.Find(name), subscription, number, in request, frame);
            return;
        }

        if (subscription is QueueSubscription { Request.Mode: not AckMode.Auto } queue)
        {
            if (!queue.HasSettlements)
            {
                _waiting.Add(queue);
            }

            Count(queue.Counters, queue.Settle(number, in request), isAccepted);
        }
        else if (subscription is StreamSubscription { Request.Mode: not AckMode.Auto } stream)
        {
            // A stream keeps what was read, so there is nothing to hand back: either way the client is ready for more.
            if (!stream.HasSettlements)
            {
                stream.HasSettlements = true;
                _waiting.Add(stream);
            }

            Count(stream.Counters, stream.Acknowledge(number), isAccepted);
        }

        receipts.Add(frame);
    }

    /// <summary>Settles what was noted.</summary>
    public async ValueTask SettleAsync()
    {
        try
        {
            foreach (var subscription in _waiting)
            {
                await subscription.SettleAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            _waiting.Clear();
        }
    }

    private void Enlist(SessionTransaction transaction, Subscription subscription, long number, in AckRequest request, StompFrame frame)
    {
        if (subscription is StreamSubscription)
        {
            throw new StompFaultException("not supported", $"'{Destination.Shown(subscription.Request.Destination)}': streams take no part in transactions.");
        }

        var receipt = frame.Get(KnownHeader.Receipt) is { } id ? ControlFrame.Receipt(id, session.Version) : null;
        if (subscription is QueueSubscription { Request.Mode: not AckMode.Auto } queue)
        {
            transaction.AddSettlement(queue, number, in request, receipt);
        }
        else
        {
            transaction.AddNothing(receipt);
        }
    }

    private (Subscription Subscription, long Number) Find(StompFrame frame)
    {
        if (session.Version == StompVersion.V12)
        {
            var raw = frame.GetRaw(KnownHeader.Id);
            if (raw.IsEmpty)
            {
                throw new StompFaultException("malformed frame", "An acknowledgement must have an id: the ack header of the message that it is for.");
            }

            return TryReadNumber(raw, out var subscriptionNumber, out var number) && subscriptions.Find(subscriptionNumber) is { } known && known.FindDelivery(number, null) is var found && found >= 0
                ? (known, found)
                : throw Unknown(Encoding.UTF8.GetString(raw));
        }

        var messageId = frame.Get(KnownHeader.MessageId) is { Length: > 0 } text
            ? text
            : throw new StompFaultException("malformed frame", "An acknowledgement must have the message-id of the message that it is for.");
        var id = frame.Get(KnownHeader.Subscription);
        if (session.Version == StompVersion.V11 && id is null)
        {
            throw new StompFaultException("malformed frame", "An acknowledgement must have the subscription that the message came by.");
        }

        Subscription? indifferent = null;
        foreach (var subscription in id is null ? subscriptions.All : subscriptions.FindAll(id))
        {
            var found = subscription.FindDelivery(-1, messageId);
            if (found > Subscription.Indifferent)
            {
                return (subscription, found);
            }

            // In 1.0 the subscription need not be named: one that takes whatever comes must not hide another that waits for it.
            indifferent ??= found == Subscription.Indifferent ? subscription : null;
        }

        return indifferent is null ? throw Unknown(messageId) : (indifferent, Subscription.Indifferent);
    }

    private static StompFaultException Unknown(string id) =>
        new("unknown message", $"'{Destination.Shown(id)}' names no message that waits for an acknowledgement on this connection: it may be acknowledged already, or by a subscription that has ended.");

    private static bool TryReadNumber(ReadOnlySpan<byte> raw, out int subscription, out long number)
    {
        number = -1;
        return Utf8Parser.TryParse(raw, out subscription, out var read)
            && read + 1 < raw.Length
            && raw[read] == '-'
            && Utf8Parser.TryParse(raw[(read + 1)..], out number, out var rest)
            && read + 1 + rest == raw.Length
            && number >= 0;
    }

    private AckRequest ReadRejection(StompFrame frame)
    {
        var delay = TimeSpan.Zero;
        for (var i = 0; i < frame.HeaderCount; i++)
        {
            if (frame.KnownAt(i) == KnownHeader.Delay && !frame.IsRepeatedKnown(i))
            {
                delay = SendReader.ReadDuration(frame, i);
            }
        }

        if (delay > session.Resources.Queues?.Capabilities.MaxDelay)
        {
            throw new StompFaultException("malformed frame", $"The delay of {delay} is longer than the longest of the store, {session.Resources.Queues.Capabilities.MaxDelay}.");
        }

        return new AckRequest(false, frame.GetRaw(KnownHeader.Requeue).SequenceEqual("false"u8), delay);
    }

    private void Count(DestinationCounters counters, int count, bool isAccepted)
    {
        if (isAccepted)
        {
            counters.AddAcknowledged(count);
            session.Resources.Counters.AddAcknowledged(count);
        }
        else
        {
            session.Resources.Counters.AddRejected(count);
        }
    }
}
