namespace Millrace.Redis.Queues;

/// <summary>The first item of every answer of a queue's script; the names in state.lua.</summary>
internal enum ScriptOutcome : byte
{
    /// <summary>Done.</summary>
    Done = 0,

    /// <summary>There is no such queue.</summary>
    Absent = 1,

    /// <summary>Nothing was done: more is to do first than the script does, or than it does in one go. To be called again, with all moves.</summary>
    More = 2,

    /// <summary>The batch would make the queue too long.</summary>
    FullLength = 3,

    /// <summary>The batch would make the queue too large.</summary>
    FullBytes = 4,

    /// <summary>What several callers send together does not fit: each is to send alone.</summary>
    Split = 5,

    /// <summary>There is no such queue any more: it was idle for too long.</summary>
    Deleted = 6,

    /// <summary>What stands where the queue's state belongs cannot be read: it is damaged, or another version's.</summary>
    Damaged = 7,
}
