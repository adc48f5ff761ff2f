namespace Millrace.Storage.Engine;

/// <summary>What has happened in one queue since the store was opened; see <see cref="QueueStats"/>. Guarded by the gate of its queue.</summary>
internal struct QueueCounters
{
    public long Enqueued;
    public long Completed;
    public long Duplicates;
    public long Expired;
    public long Dropped;
    public long DeadLettered;
    public long DedupEvictions;
}
