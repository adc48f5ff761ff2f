using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>Operations on several queues of one server as one call of one script: all or nothing (laws T1 and T2). Used once.</summary>
internal sealed class CommitCall(QueueCalls calls, BindingCache bindings)
{
    private readonly List<Operation> _operations = [];
    private readonly List<QueuePlace> _queues = [];
    private readonly Dictionary<string, int> _indexes = new(StringComparer.Ordinal);

    public void AddEnqueue(QueuePlace place, Envelope envelope) => Add(place, new Operation { Envelope = envelope });

    /// <summary>Adds a message for a queue if it is still the one that was bound.</summary>
    public void AddPublish(QueuePlace place, string birth, Envelope envelope) => Add(place, new Operation { Envelope = envelope, Birth = birth });

    public void AddSettlement(QueuePlace place, Settlement settlement) => Add(place, new Operation { Settlement = settlement });

    /// <summary>Commits.</summary>
    /// <returns>The result; null when a queue that was bound is gone, so that the bound ones are to be found once more.</returns>
    /// <exception cref="QueueFullException">A queue is full; nothing was changed.</exception>
    public async ValueTask<TransactionResult?> RunAsync(CancellationToken cancellationToken)
    {
        if (_operations.Count == 0)
        {
            return new TransactionResult(true, []);
        }

        while (true)
        {
            var reply = await calls.WriteAsync(Build(), cancellationToken).ConfigureAwait(false);
            var outcome = QueueCalls.OutcomeOf(reply);
            switch (outcome)
            {
                case ScriptOutcome.Done:
                    return ResultOf(in reply);
                case ScriptOutcome.More:
                    break;
                case ScriptOutcome.FullLength or ScriptOutcome.FullBytes:
                    throw EnqueueLane.Full(_queues[IndexIn(reply)].Name, outcome, reply.Items[2].ToText()!);
                case ScriptOutcome.Damaged:
                    await calls.RequireQueueAsync(_queues[IndexIn(reply)], outcome).ConfigureAwait(false);
                    break;
                default:
                    var index = IndexIn(reply);
                    if (outcome == ScriptOutcome.Deleted)
                    {
                        await calls.ForgetAsync(_queues[index]).ConfigureAwait(false);
                    }

                    var (isResolved, result) = await ResolveAsync(index, cancellationToken).ConfigureAwait(false);
                    if (isResolved)
                    {
                        return result;
                    }

                    break;
            }
        }
    }

    private static int IndexIn(in RedisReply reply) => (int)reply.Items[1].ToInteger() - 1;

    /// <summary>Does about a queue that is not there, or no longer the one that was bound, what its operations ask for.</summary>
    private async ValueTask<(bool IsResolved, TransactionResult? Result)> ResolveAsync(int index, CancellationToken cancellationToken)
    {
        var lost = new List<LeaseToken>();
        var isNeeded = false;
        string? stale = null;
        foreach (var operation in _operations)
        {
            if (operation.Queue == index)
            {
                isNeeded |= operation is { IsSettlement: false, Birth: null };
                stale ??= operation.Birth;
                if (operation.IsSettlement)
                {
                    lost.Add(operation.Settlement.Token);
                }
            }
        }

        if (stale is not null)
        {
            await bindings.DropAsync(_queues[index].Source, stale).ConfigureAwait(false);
            return (true, null);
        }

        if (isNeeded)
        {
            await calls.OpenOnDemandAsync(_queues[index], cancellationToken).ConfigureAwait(false);
            return (false, null);
        }

        // No queue, no lease.
        return (true, new TransactionResult(false, lost));
    }

    private TransactionResult ResultOf(in RedisReply reply)
    {
        var lost = new List<LeaseToken>();
        foreach (var item in reply.Items[1].Items)
        {
            lost.Add(_operations[(int)item.ToInteger()].Settlement.Token);
        }

        return new TransactionResult(lost.Count == 0, lost);
    }

    private void Add(QueuePlace place, Operation operation)
    {
        if (!_indexes.TryGetValue(place.Source, out var index))
        {
            index = _queues.Count;
            _indexes.Add(place.Source, index);
            _queues.Add(place);
        }

        operation.Queue = index;
        operation.Section = place.Section;
        _operations.Add(operation);
    }

    private RedisCommand Build()
    {
        var command = QueueScripts.Transaction.Call(_queues.ConvertAll(queue => queue.StateKey).ToArray()).Add("PUBLISH").Add(_operations.Count);
        foreach (var operation in _operations)
        {
            command.Add(operation.IsSettlement ? "s" : "e").Add(operation.Queue + 1);
            if (operation.IsSettlement)
            {
                command.Add(operation.Section).Add((long)operation.Settlement.Token.Low);
                SettleLane.AddKey(command, operation.Settlement.Token.High);
                SettleLane.AddWhat(command, operation.Settlement, RedisQueueStore.MaxDelay);
            }
            else
            {
                MessageRecord.Write(operation.Envelope!.Value, command.Reserve(MessageRecord.Measure(operation.Envelope.Value)));
                command.Add(RedisTime.MicrosecondsOf(operation.Envelope.Value.Delay)).Add(operation.Birth ?? "");
            }
        }

        return command;
    }

    private sealed class Operation
    {
        public int Queue { get; set; }

        public string Section { get; set; } = "";

        public Envelope? Envelope { get; init; }

        public Settlement Settlement { get; init; }

        public string? Birth { get; init; }

        public bool IsSettlement => Envelope is null;
    }
}
