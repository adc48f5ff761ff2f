namespace Millrace.Redis.Queues;

/// <summary>One look of a receiver for messages to lease. Belongs to its receiver, which looks once at a time.</summary>
/// <param name="lane">Where it is sent with others of its options.</param>
internal sealed class LeaseCall(LeaseLane lane) : LaneCall
{
    private int _max;

    public LeaseLane Lane { get; } = lane;

    /// <summary>The half that the tokens of this call share.</summary>
    public ulong Key { get; private set; }

    /// <summary>Where its messages begin in the answer.</summary>
    public int First { get; private set; }

    /// <summary>How many it got.</summary>
    public int Count { get; private set; }

    /// <summary>What the script has leased, which several calls may share.</summary>
    public LeaseAnswer Answer { get; private set; }

    public override int Weight => _max;

    public override int Bytes => 0;

    public void Set(int max, ulong key) => (_max, Key, Count) = (max, key, 0);

    /// <summary>Takes its part of an answer.</summary>
    public void Take(in LeaseAnswer answer, int first, int count) => (Answer, First, Count) = (answer, first, count);

    /// <summary>Forgets the answer, whose bodies belong to the deliveries by now.</summary>
    public void Forget() => Answer = default;

    protected override void Release()
    {
        // The receiver reads the answer after its task has ended.
    }
}
