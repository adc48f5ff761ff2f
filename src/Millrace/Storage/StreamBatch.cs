namespace Millrace.Storage;

/// <summary>One append as a <see cref="StreamPartitionBase"/> stores it: checked, with offsets and timestamps, and a copy, so that it may be kept as it is.</summary>
/// <param name="FirstOffset">The offset of the first record.</param>
/// <param name="Records">The records, at least one.</param>
/// <param name="ProducerId">The idempotent producer, or null. A store that outlives its process stores it with the records.</param>
/// <param name="FirstSequence">The producer's sequence number of the first record. Stored with the records too.</param>
public sealed record StreamBatch(long FirstOffset, ReadOnlyMemory<StreamRecord> Records, string? ProducerId = null, long FirstSequence = 0);
