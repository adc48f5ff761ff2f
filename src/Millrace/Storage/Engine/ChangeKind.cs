namespace Millrace.Storage.Engine;

/// <summary>
/// The changes that a journal holds. Each says what is so from then on, not by how much it differs from before: reading one a second time changes nothing. The numbers are part of
/// the disk format (docs/formats.md).
/// </summary>
internal enum ChangeKind : byte
{
    /// <summary>A message came into a slot: slot, <see cref="MessageRecord"/>.</summary>
    Stored = 1,

    /// <summary>The message of a slot is gone: slot.</summary>
    Removed = 2,

    /// <summary>It was leased: slot, attempts.</summary>
    Leased = 3,

    /// <summary>It came back: slot, attempts, sequence, due time or 0, last error.</summary>
    Returned = 4,

    /// <summary>It became a dead letter: slot, sequence, attempts, reason, last error.</summary>
    Died = 5,

    /// <summary>It became due: slot, sequence.</summary>
    Promoted = 6,

    /// <summary>It went from the dead letters back to the queue: slot, sequence.</summary>
    Redriven = 7,

    /// <summary>It was given another due time: slot, sequence, due time or 0 for now.</summary>
    Rescheduled = 8,

    /// <summary>Its record stands here now: slot, <see cref="MessageRecord"/>.</summary>
    Moved = 9,

    /// <summary>In a checkpoint, what is kept of the message of a slot: see <see cref="KeptEntry"/>.</summary>
    Kept = 10,

    /// <summary>In a checkpoint, the hash of the id that the sender of a slot's message gave it: slot, hash.</summary>
    SentId = 11,

    /// <summary>In a checkpoint, an id of the window: hash, when its message was settled.</summary>
    SettledId = 12,

    /// <summary>The queue of this section exists: name, last sequence, settings.</summary>
    QueueCreated = 16,

    /// <summary>The queue of this section is gone with all that it held.</summary>
    QueueDeleted = 17,

    /// <summary>Its settings: settings.</summary>
    SettingsChanged = 18,

    /// <summary>It is bound to a pattern: pattern.</summary>
    Bound = 19,

    /// <summary>It is no longer bound to a pattern: pattern.</summary>
    Unbound = 20,

    /// <summary>A state document was written: key, revision, value.</summary>
    StatePut = 32,

    /// <summary>A state document was deleted: key, revision.</summary>
    StateDeleted = 33,

    /// <summary>Fencing tokens up to this one may have been granted: token.</summary>
    LockToken = 34,

    /// <summary>In a checkpoint, the revision of the documents: revision.</summary>
    StateRevision = 35,

    /// <summary>In a checkpoint, its first change: where in the journal it begins to be taken, so that reading goes on there: position.</summary>
    CheckpointBegin = 48,

    /// <summary>In a checkpoint, its last change: where the journal ended when it was complete: position.</summary>
    CheckpointEnd = 49,
}
