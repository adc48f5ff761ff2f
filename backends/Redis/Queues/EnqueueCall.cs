using System.Collections.Concurrent;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>One call of <see cref="IQueueStore.EnqueueAsync"/>.</summary>
internal sealed class EnqueueCall(ConcurrentQueue<EnqueueCall> pool) : LaneCall
{
    private int _bytes;

    public ReadOnlyMemory<Envelope> Batch { get; private set; }

    public Memory<EnqueueResult> Results { get; private set; }

    /// <summary>Whether no message has an id, a key, a lifetime or a delay.</summary>
    public bool IsPlain { get; private set; }

    public override int Weight => Batch.Length;

    public override int Bytes => _bytes;

    public void Set(ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results)
    {
        (Batch, Results) = (batch, results);
        var bytes = 0L;
        IsPlain = true;
        foreach (ref readonly var envelope in batch.Span)
        {
            bytes += envelope.Body.Length;
            IsPlain &= envelope is { Id.IsEmpty: true, Key: null, TimeToLive: null } && envelope.Delay == TimeSpan.Zero;
        }

        _bytes = (int)Math.Min(bytes, int.MaxValue / 2);
    }

    protected override void Release()
    {
        (Batch, Results) = (default, default);
        pool.Enqueue(this);
    }
}
