using Millrace.Queues;
using Millrace.Stomp.Codec;
using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>What a transaction has gathered, with copies of the bodies. Disposing aborts it unless it was committed. Touched by its session only.</summary>
internal sealed class SessionTransaction(SessionContext session, string name) : IDisposable
{
    // What an entry takes beside its body, roughly.
    private const int EntryBytes = 256;

    private readonly List<(SendTarget Target, Envelope Envelope)> _sends = [];
    private readonly List<EnlistedSettlement> _settlements = [];
    private readonly List<byte[]> _receipts = [];
    private int _frames;
    private long _bytes;
    private bool _isCommitted;

    /// <summary>Adds a SEND.</summary>
    public void AddSend(SendTarget target, Envelope envelope, byte[]? receipt)
    {
        CountFrame(envelope.Body.Length + EntryBytes, receipt);
        _sends.Add((target, envelope with { Body = envelope.Body.ToArray() }));
    }

    /// <summary>Adds an ACK or NACK.</summary>
    public void AddSettlement(QueueSubscription subscription, long number, in AckRequest request, byte[]? receipt)
    {
        CountFrame(EntryBytes, receipt);
        var before = _settlements.Count;
        subscription.Enlist(number, in request, _settlements);

        // A cumulative one stands for as many as it names, which are open anyway and bounded as such.
        _bytes += Take((long)(_settlements.Count - before) * EntryBytes);
    }

    /// <summary>Adds a frame that has nothing to do but to be confirmed.</summary>
    public void AddNothing(byte[]? receipt) => CountFrame(EntryBytes, receipt);

    /// <summary>Commits, publishes to live subscribers, and posts the receipts.</summary>
    public async ValueTask CommitAsync()
    {
        var transaction = new QueueTransaction();
        var resources = session.Resources;
        foreach (var (target, envelope) in _sends)
        {
            if (target.Destination.Kind != DestinationKind.Topic)
            {
                if (target.Destination.Kind != DestinationKind.ReplyQueue || await target.ExistsAsync().ConfigureAwait(false))
                {
                    transaction.Enqueue(target.Name, envelope);
                }
            }
            else if (resources.Routing is not null)
            {
                transaction.Publish(target.Name, target.WithTopic(in envelope));
            }
        }

        foreach (var enlisted in _settlements)
        {
            transaction.Settle(enlisted.Subscription.Queue, enlisted.Settlement);
        }

        if (transaction.Operations.Count > 0)
        {
            await CommitAsync(transaction).ConfigureAwait(false);
        }

        _isCommitted = true;
        foreach (var (target, envelope) in _sends)
        {
            if (target.Destination.Kind == DestinationKind.Topic)
            {
                await target.PublishLiveAsync(envelope).ConfigureAwait(false);
            }

            target.Counters.AddSent(1);
        }

        resources.Counters.AddSent(_sends.Count);
        CountSettlements();
        _receipts.ForEach(session.Output.Post);
    }

    public void Dispose()
    {
        foreach (var enlisted in _settlements)
        {
            enlisted.Subscription.Release(enlisted.Number, _isCommitted);
        }

        _settlements.Clear();
        _sends.Clear();
        session.Resources.Budget.Give(_bytes);
        _bytes = 0;
    }

    private void CountSettlements()
    {
        foreach (var enlisted in _settlements)
        {
            if (enlisted.Settlement.Kind == SettlementKind.Complete)
            {
                enlisted.Subscription.Counters.AddAcknowledged(1);
                session.Resources.Counters.AddAcknowledged(1);
            }
            else
            {
                session.Resources.Counters.AddRejected(1);
            }
        }
    }

    private async ValueTask CommitAsync(QueueTransaction transaction)
    {
        var resources = session.Resources;
        var mode = resources.Options.Transactions == StompTransactions.Ordered ? QueueTransactionMode.Ordered : QueueTransactionMode.Atomic;
        var result = await resources.Dispatchers!.CommitAsync(transaction, mode, CancellationToken.None).ConfigureAwait(false);
        if (!result.Committed)
        {
            throw new StompFaultException(
                "transaction failed",
                $"The transaction '{Destination.Shown(name)}' was not committed: {result.LostLeases.Count:N0} of the messages that it acknowledges have gone back to their queue.");
        }
    }

    private void CountFrame(long bytes, byte[]? receipt)
    {
        if (_frames == session.Resources.Options.MaxTransactionFrames)
        {
            throw new StompFaultException("transaction too large", $"The transaction '{Destination.Shown(name)}' has {_frames:N0} frames, which is the limit.");
        }

        _bytes += Take(bytes);
        _frames++;
        if (receipt is not null)
        {
            _receipts.Add(receipt);
        }
    }

    private long Take(long bytes) =>
        session.Resources.Budget.TryTake(bytes)
            ? bytes
            : throw new StompFaultException("out of memory budget", "Open transactions and arriving frames take all the memory that the broker has for them: commit sooner, or raise the budget.");
}
