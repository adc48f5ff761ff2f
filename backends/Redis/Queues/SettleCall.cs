using System.Collections.Concurrent;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>One call of <see cref="IQueueStore.SettleAsync"/>.</summary>
internal sealed class SettleCall(ConcurrentQueue<SettleCall> pool) : LaneCall
{
    public ReadOnlyMemory<Settlement> Batch { get; private set; }

    public Memory<SettleResult> Results { get; private set; }

    /// <summary>Whether all are completed.</summary>
    public bool AreCompleted { get; private set; }

    public override int Weight => Batch.Length;

    public override int Bytes => 0;

    public void Set(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results)
    {
        (Batch, Results) = (batch, results);
        AreCompleted = true;
        foreach (ref readonly var settlement in batch.Span)
        {
            AreCompleted &= settlement.Kind == SettlementKind.Complete;
        }
    }

    protected override void Release()
    {
        (Batch, Results) = (default, default);
        pool.Enqueue(this);
    }
}
