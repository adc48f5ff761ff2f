namespace Millrace.Storage.FileLog;

/// <summary>How a log keeps what it is given. Immutable.</summary>
internal sealed record FileLogOptions
{
    /// <summary>The smallest segments: tests make them small.</summary>
    public const long MinSegmentBytes = 1024;

    /// <summary>The largest segments.</summary>
    public const long MaxSegmentBytes = 1L << 30;

    /// <summary>The interval that an interval option has unless it says otherwise.</summary>
    public static readonly TimeSpan DefaultFlushInterval = TimeSpan.FromMilliseconds(5);

    /// <summary>The size of a segment; 64 MiB unless set. A frame that does not fit gets a larger one.</summary>
    public long SegmentBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>The size of the first segment of a new log; each further one is four times as large, until <see cref="SegmentBytes"/>. Null: the same as that. Small for logs of which there are many.</summary>
    public long? FirstSegmentBytes { get; init; }

    /// <summary>What an append survives when <see cref="FileLog.FlushAsync"/> has returned: <c>Full</c>, <c>Process</c> or <c>None</c>.</summary>
    public StoreDurability Durability { get; init; } = StoreDurability.Full;

    /// <summary>With durability <c>None</c>: what is appended is written and flushed every so often, without anybody waiting for it. Null: it is written, and never flushed.</summary>
    public TimeSpan? FlushInterval { get; init; }

    /// <summary>The space that is kept for essential appends on a full disk; 0 for none, the default.</summary>
    public long EssentialBytes { get; init; }

    /// <summary>How far ahead of small appends the file is filled with zeros, so that flushing them need not change the file's extents (docs/decisions/0009); 256 KiB unless set, 0 for not at all.</summary>
    public int ZeroAheadBytes { get; init; } = 256 * 1024;

    /// <summary>
    /// Up to where the log is known to have been whole and flushed, at the end of a frame: what is damaged before that was not torn by a crash, and does not bring down what comes after it. It is
    /// found when it is read. 0 when nothing is known.
    /// </summary>
    public long TrustedTo { get; init; }

    /// <summary>Tells why the folder is no longer this process's; null while it is. Asked before anything is named or made in it. Null: the folder is nobody's.</summary>
    public Func<BackendUnavailableException?>? FindLoss { get; init; }

    /// <summary>Called once when a fault of the disk has ended the log. It must not block.</summary>
    public Action? Failed { get; init; }

    /// <summary>The threads that write and flush, shared with other logs; null: threads of its own.</summary>
    public FlushThreads? Threads { get; init; }
}
