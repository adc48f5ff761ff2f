using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>
/// The deliveries that a transaction settles, taken from the consumers of one store's dispatchers while it is committed: nobody else settles them or gives them back meanwhile.
/// Not safe for concurrent use.
/// </summary>
internal sealed class TransactionClaims
{
    private readonly List<QueueClaims> _queues = [];

    private TransactionClaims()
    {
    }

    /// <summary>The settlements by queue, in the order in which the queues come up first.</summary>
    public IReadOnlyList<QueueClaims> Queues => _queues;

    /// <summary>The leases of the transaction that are lost as far as the dispatchers know.</summary>
    public List<LeaseToken> Lost { get; } = [];

    public static TransactionClaims Take(QueueDispatchers dispatchers, QueueTransaction transaction)
    {
        var taken = new TransactionClaims();
        foreach (var operation in transaction.Operations)
        {
            if (operation is QueueOperation.Settle settle)
            {
                taken.Of(settle.Queue).Settlements.Add(settle.Settlement);
            }
        }

        foreach (var queue in taken._queues)
        {
            dispatchers.FindLanes(queue.Queue)?.Claim(queue.Settlements, queue.Claims, taken.Lost);
        }

        return taken;
    }

    /// <summary>Everything has been settled.</summary>
    public void End() => _queues.ForEach(queue => queue.End());

    /// <summary>What has not been settled is open again.</summary>
    public async ValueTask ReopenAsync()
    {
        foreach (var queue in _queues)
        {
            await queue.ReopenAsync().ConfigureAwait(false);
        }
    }

    private QueueClaims Of(string name)
    {
        // A transaction has a handful of queues.
        var queue = _queues.Find(queue => queue.Queue == name);
        if (queue is null)
        {
            _queues.Add(queue = new QueueClaims(name));
        }

        return queue;
    }
}

/// <summary>What a transaction settles in one queue.</summary>
internal sealed class QueueClaims(string queue)
{
    public string Queue { get; } = queue;

    public List<Settlement> Settlements { get; } = [];

    public List<LaneClaim> Claims { get; } = [];

    public void End()
    {
        foreach (var claim in Claims)
        {
            claim.Lane.EndClaim(claim);
        }

        Claims.Clear();
    }

    public async ValueTask ReopenAsync()
    {
        foreach (var claim in Claims)
        {
            await claim.Lane.ReopenClaimAsync(claim).ConfigureAwait(false);
        }

        Claims.Clear();
    }
}

/// <summary>What a transaction settles of one lane, by consumer.</summary>
internal sealed record LaneClaim(DispatchLane Lane, Dictionary<DispatchConsumer, List<Settlement>> Shares);
