namespace Millrace.Scheduling.Limits;

/// <summary>Where a job stands among those that wait for the same limit: as its queue has them, by priority and then by time.</summary>
internal readonly record struct LimitKey(int Priority, DateTimeOffset At, MessageId Id) : IComparable<LimitKey>
{
    public int CompareTo(LimitKey other)
    {
        var order = other.Priority.CompareTo(Priority);
        order = order != 0 ? order : At.CompareTo(other.At);

        // Ids that a store assigned sort by time.
        return order != 0 ? order
            : Id.TryGetUuid(out var uuid) && other.Id.TryGetUuid(out var otherUuid) ? uuid.CompareTo(otherUuid)
            : string.CompareOrdinal(Id.ToString(), other.Id.ToString());
    }
}
