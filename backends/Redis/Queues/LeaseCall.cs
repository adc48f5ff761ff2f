using Millrace.Redis.Client;

namespace Millrace.Redis.Queues;

/// <summary>One look of a receiver for messages to lease. Belongs to its receiver, which looks once at a time.</summary>
internal sealed class LeaseCall : LaneCall
{
    private int _max;

    /// <summary>The half that the tokens of this call share.</summary>
    public ulong Key { get; private set; }

    /// <summary>Where its messages begin in the answer.</summary>
    public int First { get; private set; }

    /// <summary>How many it got.</summary>
    public int Count { get; private set; }

    /// <summary>The answer of the script, which several calls may share.</summary>
    public RedisReply Reply { get; private set; }

    public override int Weight => _max;

    public override int Bytes => 0;

    public void Set(int max, ulong key) => (_max, Key, Count) = (max, key, 0);

    /// <summary>Takes its part of an answer.</summary>
    public void Take(in RedisReply reply, int first, int count) => (Reply, First, Count) = (reply, first, count);

    /// <summary>Forgets the answer, whose bodies belong to the deliveries by now.</summary>
    public void Forget() => Reply = default;

    protected override void Release()
    {
        // The receiver reads the answer after its task has ended.
    }
}
