using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>A row of the queue table, as the writer knows it. Changes are gathered here and written once a transaction.</summary>
internal sealed class QueueRow
{
    public required long Id { get; init; }

    public required string Name { get; init; }

    public required QueueSettings Settings { get; set; }

    public bool IsDeadLetterQueue => (Id & 1) != 0;

    public long UsedAt { get; set; }

    public long Ready { get; set; }

    public long Scheduled { get; set; }

    public long Leased { get; set; }

    public long Bytes { get; set; }

    public long Remembered { get; set; }

    public long Enqueued { get; set; }

    public long Completed { get; set; }

    public long Duplicates { get; set; }

    public long Expired { get; set; }

    public long Dropped { get; set; }

    public long DeadLettered { get; set; }

    public long Evicted { get; set; }

    /// <summary>Not later than the first due time of a scheduled message, in wall ticks.</summary>
    public long NextDue { get; set; }

    /// <summary>Not later than the first expiry of a message that is not leased, in wall ticks.</summary>
    public long NextExpiry { get; set; }

    /// <summary>Not later than the first end of a lease, in monotonic ticks.</summary>
    public long NextLeaseEnd { get; set; }

    public long Length => Ready + Scheduled + Leased;

    public bool IsDirty { get; set; }

    /// <summary>Messages that became leasable in this transaction.</summary>
    public int Arrived { get; set; }

    /// <summary>Whether something will now happen earlier than waiting receivers know.</summary>
    public bool HasEarlierEvent { get; set; }

    /// <summary>Whether a message may now die earlier than receivers on the dead-letter queue know.</summary>
    public bool HasEarlierDeath { get; set; }

    public void ExpectDue(long due)
    {
        HasEarlierEvent |= due < NextDue;
        NextDue = Math.Min(NextDue, due);
    }

    public void ExpectExpiry(long expires)
    {
        HasEarlierDeath |= Settings.DeadLetterExpired && expires < NextExpiry;
        NextExpiry = Math.Min(NextExpiry, expires);
    }

    public void ExpectLeaseEnd(long deadline)
    {
        HasEarlierEvent |= deadline < NextLeaseEnd;
        HasEarlierDeath |= deadline < NextLeaseEnd;
        NextLeaseEnd = Math.Min(NextLeaseEnd, deadline);
    }

    /// <summary>How long from now until something happens by itself; <see cref="Timeout.InfiniteTimeSpan"/> for never.</summary>
    public TimeSpan UntilNextEvent(long wall, long monotonic)
    {
        var ticks = Math.Min(Distance(Math.Min(NextDue, NextExpiry), wall), Distance(NextLeaseEnd, monotonic));
        return ticks == long.MaxValue ? Timeout.InfiniteTimeSpan : TimeSpan.FromTicks(ticks);
    }

    /// <summary>How long from now until a message may die by itself: by the end of its time or of its last lease. <see cref="Timeout.InfiniteTimeSpan"/> for never.</summary>
    public TimeSpan UntilNextDeath(long wall, long monotonic)
    {
        var ticks = Math.Min(Settings.DeadLetterExpired ? Distance(NextExpiry, wall) : long.MaxValue, Distance(NextLeaseEnd, monotonic));
        return ticks == long.MaxValue ? Timeout.InfiniteTimeSpan : TimeSpan.FromTicks(ticks);
    }

    private static long Distance(long at, long now) => at == long.MaxValue ? long.MaxValue : Math.Max(0, at - now);
}
