using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>One operation on the store, applied on the committer's thread.</summary>
internal abstract class StoreOperation : GroupCommitOperation
{
    /// <summary>Whether its commit is flushed to the device before its caller hears of it.</summary>
    public virtual bool NeedsFlush => true;

    /// <inheritdoc/>
    public override bool IsLight => WaitsForNoFlush;

    /// <summary>Set by the writer: whether others flush and this operation need not.</summary>
    public bool WaitsForNoFlush { get; set; }

    /// <summary>Applies it. Refuses by an exception of Millrace's family that is not about the backend, before it has changed anything.</summary>
    public abstract void Apply(Ledger ledger);
}

/// <summary>An operation from a delegate, for everything that is not on the hot path.</summary>
internal sealed class DelegateOperation<TResult>(Func<Ledger, TResult> work, bool needsFlush) : StoreOperation
{
    public TResult? Result { get; private set; }

    public override bool NeedsFlush => needsFlush;

    public override void Apply(Ledger ledger) => Result = work(ledger);
}

/// <summary>Adds a batch to a queue.</summary>
internal sealed class EnqueueOperation : StoreOperation
{
    private string _queue = "";
    private ReadOnlyMemory<Envelope> _batch;
    private Memory<EnqueueResult> _results;
    private long _weight;
    private bool _needsFlush;

    public override long Weight => _weight;

    public override bool NeedsFlush => _needsFlush;

    public void Set(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results)
    {
        (_queue, _batch, _results, _weight, _needsFlush) = (queue, batch, results, 0, false);
        foreach (ref readonly var envelope in batch.Span)
        {
            _weight += envelope.Body.Length;
            _needsFlush |= envelope.Durability == MessageDurability.Default;
        }
    }

    public void Clear() => (_batch, _results) = (default, default);

    public override void Apply(Ledger ledger) => ledger.Intake.Enqueue(ledger.OpenOrCreate(_queue), _batch.Span, _results.Span);
}

/// <summary>Leases messages of a queue.</summary>
internal sealed class LeaseOperation : StoreOperation
{
    private string _queue = "";
    private Memory<Delivery> _into;
    private long _owner;
    private ReceiverOptions _options = new();

    /// <summary>How many were leased.</summary>
    public int Count { get; private set; }

    /// <summary>The lease, if there is one.</summary>
    public LeaseRow? Lease { get; private set; }

    /// <summary>When nothing was leased: how long until something happens in the queue by itself, or a message may die into it.</summary>
    public TimeSpan UntilNextEvent { get; private set; }

    /// <summary>A lease that a power cut loses is only delivered again; but one that settles must not be.</summary>
    public override bool NeedsFlush => _options.SettleOnLease;

    public void Set(string queue, Memory<Delivery> into, long owner, ReceiverOptions options) => (_queue, _into, _owner, _options) = (queue, into, owner, options);

    public void Clear() => (_into, Lease) = (default, null);

    public override void Apply(Ledger ledger)
    {
        var queue = ledger.OpenOrCreate(_queue);
        Count = ledger.Dispenser.Lease(queue, _into.Span, _owner, _options, out var lease);
        Lease = lease;
        UntilNextEvent = queue.UntilNextEvent(ledger.Wall, ledger.Monotonic);
        if (queue.IsDeadLetterQueue && ledger.Catalog.SourceOf(queue).UntilNextDeath(ledger.Wall, ledger.Monotonic) is var untilDeath
            && untilDeath != Timeout.InfiniteTimeSpan && (UntilNextEvent == Timeout.InfiniteTimeSpan || untilDeath < UntilNextEvent))
        {
            UntilNextEvent = untilDeath;
        }
    }
}

/// <summary>Settles deliveries of a queue.</summary>
internal sealed class SettleOperation : StoreOperation
{
    private string _queue = "";
    private ReadOnlyMemory<Settlement> _batch;
    private Memory<SettleResult> _results;

    public void Set(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results) => (_queue, _batch, _results) = (queue, batch, results);

    public void Clear() => (_batch, _results) = (default, default);

    public override void Apply(Ledger ledger)
    {
        var batch = _batch.Span;
        var results = _results.Span;
        var queue = ledger.TryOpen(_queue);
        for (var i = 0; i < batch.Length; i++)
        {
            var result = queue is null ? SettleResult.LeaseLost : ledger.Settler.Settle(queue, in batch[i]);
            if (!results.IsEmpty)
            {
                results[i] = result;
            }
        }
    }
}
