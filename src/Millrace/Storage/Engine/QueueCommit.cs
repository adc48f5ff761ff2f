using System.Buffers;
using System.Buffers.Binary;

namespace Millrace.Storage.Engine;

/// <summary>
/// Enqueues and settlements over several queues, all or nothing: takes the gates of all queues in the order of their serials, checks everything, and only then
/// changes anything. Used once, by one thread.
/// </summary>
internal sealed class QueueCommit(QueueEngine store)
{
    private readonly List<Operation> _operations = [];
    private readonly List<Step> _steps = [];
    private readonly SortedDictionary<uint, QueueCore> _cores = [];

    /// <summary>How many queues a publish has reached.</summary>
    public int QueuesReached => _cores.Count;

    public void AddEnqueue(string queue, in Envelope envelope) =>
        _operations.Add(new Operation(OperationKind.Enqueue, queue) { Envelope = envelope, Body = envelope.Body.ToArray() });

    public void AddPublish(string topic, in Envelope envelope) =>
        _operations.Add(new Operation(OperationKind.Publish, topic) { Envelope = envelope, Body = envelope.Body.ToArray() });

    public void AddSettlement(string queue, in Settlement settlement) =>
        _operations.Add(new Operation(OperationKind.Settle, queue) { Settlement = settlement });

    /// <exception cref="QueueFullException">A queue is full; nothing was changed.</exception>
    /// <returns>The result, and what is left to do before it is given.</returns>
    public (TransactionResult Result, OperationEnd End) Run()
    {
        while (true)
        {
            var lost = Resolve();
            if (lost.Count > 0)
            {
                return (new TransactionResult(false, lost), default);
            }

            var (outcome, end) = Try();
            if (outcome.Result is not null)
            {
                return (outcome.Result, end);
            }

            store.EndUnflushed(end);

            if (outcome.FullQueue is not null)
            {
                throw new QueueFullException(outcome.FullQueue, outcome.Bound!);
            }
        }
    }

    /// <summary>Finds the queues of the operations as they are now.</summary>
    /// <returns>The leases that are lost because there is no such queue.</returns>
    private List<LeaseToken> Resolve()
    {
        _steps.Clear();
        _cores.Clear();
        var lost = new List<LeaseToken>();
        foreach (var operation in _operations)
        {
            switch (operation.Kind)
            {
                case OperationKind.Enqueue:
                    AddStep(store.SectionForSending(operation.Target), operation);
                    break;
                case OperationKind.Publish:
                    foreach (var bound in store.QueuesBoundTo(operation.Target))
                    {
                        // A queue that has been deleted since has no binding any more.
                        if (store.SectionOf(bound.Name) is { } section)
                        {
                            AddStep(section, operation);
                        }
                    }

                    break;
                default:
                    if (store.SectionOf(operation.Target) is { } source)
                    {
                        AddStep(source, operation);
                    }
                    else
                    {
                        lost.Add(operation.Settlement.Token);
                    }

                    break;
            }
        }

        return lost;
    }

    private void AddStep(QueueSection section, Operation operation)
    {
        _steps.Add(new Step(section, operation));
        _cores.TryAdd(section.Core.Serial, section.Core);
    }

    /// <summary>Checks and applies under all gates. Neither a result nor a full queue: a queue was deleted meanwhile, and everything is to be resolved again.</summary>
    private (Outcome Outcome, OperationEnd End) Try()
    {
        var entered = new Stack<QueueCore>();
        var outcome = default(Outcome);
        var end = default(OperationEnd);
        var journalEnd = 0L;
        var room = Reserve();
        try
        {
            foreach (var core in _cores.Values)
            {
                core.Gate.Enter();
                entered.Push(core);
            }

            var now = store.Clock.Now;
            var isStale = false;
            foreach (var core in entered)
            {
                core.AdvanceLocked(now);
                isStale |= core.IsDeleted;
            }

            outcome = isStale ? default : CheckAndApplyLocked();
            foreach (var core in entered)
            {
                core.SettleDownLocked();
            }

            journalEnd = WriteDownLocked(entered, room);
        }
        catch (Exception fault) when (fault is BackendUnavailableException or ObjectDisposedException)
        {
            foreach (var core in entered)
            {
                core.FailServedLocked(fault);
            }

            throw;
        }
        finally
        {
            foreach (var core in entered)
            {
                end = OperationEnd.Join(end, core.TakeEndLocked(journalEnd));
                core.Gate.Exit();
            }
        }

        return (outcome, end);
    }

    private JournalRoom Reserve()
    {
        if (store.Journal is null)
        {
            return default;
        }

        var bytes = (long)_cores.Count * QueueEngine.ChangeBytes;
        var isEssential = true;
        foreach (var (_, operation) in _steps)
        {
            var isSettlement = operation.Kind == OperationKind.Settle;
            bytes += isSettlement ? QueueEngine.BoundOf(operation.Settlement) : MessageRecord.BoundOf(operation.Envelope);
            isEssential &= isSettlement;
        }

        return store.Journal.Reserve(bytes, isEssential);
    }

    /// <summary>Writes down what all queues changed, in one frame: it counts whole or not at all.</summary>
    /// <returns>Where the journal ends behind it; 0 when nothing was changed.</returns>
    private long WriteDownLocked(Stack<QueueCore> cores, JournalRoom room)
    {
        if (store.Journal is null)
        {
            return 0;
        }

        var frame = new ArrayBufferWriter<byte>();
        BinaryPrimitives.WriteInt64LittleEndian(frame.GetSpan(ChangeWriter.FrameHeaderBytes), store.Clock.UtcNow.UtcTicks);
        frame.Advance(ChangeWriter.FrameHeaderBytes);
        var written = new List<(QueueCore Core, int Offset)>();
        foreach (var core in cores)
        {
            var section = core.SectionLocked;
            if (!section.IsEmpty)
            {
                written.Add((core, frame.WrittenCount));
                frame.Write(section);
            }
        }

        if (written.Count == 0)
        {
            store.Journal.Release(room);
            return 0;
        }

        var start = store.Journal.Append(room, frame.WrittenSpan);
        foreach (var (core, offset) in written)
        {
            core.NoteWrittenLocked(start + offset - ChangeWriter.FrameHeaderBytes);
        }

        return start + frame.WrittenCount;
    }

    private Outcome CheckAndApplyLocked()
    {
        var lost = FindLostLocked();
        if (lost.Count > 0)
        {
            return new Outcome { Result = new TransactionResult(false, lost) };
        }

        var plans = new Dictionary<QueueCore, RoomPlan>();
        foreach (var step in _steps)
        {
            var core = step.Section.Core;
            if (!plans.TryGetValue(core, out var plan))
            {
                plans.Add(core, plan = new RoomPlan(core));
            }

            if (step.Operation.Kind == OperationKind.Settle)
            {
                var settlement = step.Operation.Settlement;
                plan.SettleLocked(core.FindLeasedLocked(step.Section, settlement.Token)!, in settlement);
            }
            else if (plan.AddLocked(step.Operation.Envelope) is { } bound)
            {
                return new Outcome { FullQueue = core.Name, Bound = bound };
            }
        }

        foreach (var plan in plans.Values)
        {
            plan.DropLocked();
        }

        var acceptedAt = store.Clock.UtcNow;
        foreach (var step in _steps)
        {
            if (step.Operation.Kind == OperationKind.Settle)
            {
                step.Section.Core.SettleLocked(step.Section, step.Operation.Settlement);
            }
            else
            {
                step.Section.Core.StoreLocked(step.Operation.Envelope, step.Operation.Body, acceptedAt);
            }
        }

        return new Outcome { Result = new TransactionResult(true, []) };
    }

    private List<LeaseToken> FindLostLocked()
    {
        var lost = new List<LeaseToken>();
        var settled = new HashSet<LeaseToken>();
        foreach (var step in _steps)
        {
            // A token settles one lease once: its second settlement in here comes too late.
            var token = step.Operation.Settlement.Token;
            if (step.Operation.Kind == OperationKind.Settle
                && (step.Section.Core.FindLeasedLocked(step.Section, token) is null || !settled.Add(token)))
            {
                lost.Add(token);
            }
        }

        return lost;
    }

    private enum OperationKind
    {
        Enqueue,
        Publish,
        Settle,
    }

    private struct Outcome
    {
        public TransactionResult? Result;
        public string? FullQueue;
        public string? Bound;
    }

    private sealed record Operation(OperationKind Kind, string Target)
    {
        public Envelope Envelope { get; init; }

        public byte[] Body { get; init; } = [];

        public Settlement Settlement { get; init; }
    }

    private readonly record struct Step(QueueSection Section, Operation Operation);
}
