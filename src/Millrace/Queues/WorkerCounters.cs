using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>The counters of a worker. Safe for concurrent use.</summary>
internal sealed class WorkerCounters
{
    private long _handled;
    private long _retried;
    private long _deadLettered;
    private long _returned;
    private long _leaseLost;
    private int _running;

    public int Running => Volatile.Read(ref _running);

    public void HandlerBegins() => Interlocked.Increment(ref _running);

    public void HandlerEnds() => Interlocked.Decrement(ref _running);

    public void Settled(AttemptOutcome outcome, SettleResult result)
    {
        ref var counter = ref _leaseLost;
        if (result == SettleResult.Settled)
        {
            switch (outcome)
            {
                case AttemptOutcome.Handled:
                    counter = ref _handled;
                    break;
                case AttemptOutcome.Retried:
                    counter = ref _retried;
                    break;
                case AttemptOutcome.DeadLettered:
                    counter = ref _deadLettered;
                    break;
                default:
                    counter = ref _returned;
                    break;
            }
        }

        Interlocked.Increment(ref counter);
    }

    public QueueWorkerStats Snapshot(int held) => new(
        Interlocked.Read(ref _handled),
        Interlocked.Read(ref _retried),
        Interlocked.Read(ref _deadLettered),
        Interlocked.Read(ref _returned),
        Interlocked.Read(ref _leaseLost),
        Running,
        held);
}
