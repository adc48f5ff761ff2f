namespace Millrace.Storage;

/// <summary>What a store's acknowledgement survives.</summary>
public enum StoreDurability
{
    /// <summary>Nothing: the message lives in the memory of a process.</summary>
    None,

    /// <summary>The end of the process at any instant (kill -9), not a power cut.</summary>
    Process,

    /// <summary>A power cut: the data was flushed to the device.</summary>
    Full,

    /// <summary>What the server behind the store is set to; it is reported when the store is opened and in its health.</summary>
    Engine,
}

/// <summary>Laws that not every engine can keep. A feature that is missing is a visible skip in the conformance suite.</summary>
[Flags]
public enum QueueFeatures
{
    /// <summary>None of them.</summary>
    None = 0,

    /// <summary>An enqueue call is all or nothing (Q1).</summary>
    AtomicBatches = 1,

    /// <summary>Repeats of a sender's id are found (Q2).</summary>
    Deduplication = 1 << 1,

    /// <summary>Higher priorities first (Q3).</summary>
    Priorities = 1 << 2,

    /// <summary>Attempts are counted, and survive a crash (Q7).</summary>
    CountsAttempts = 1 << 3,

    /// <summary>Messages with one key are handled one at a time (Q8).</summary>
    OrderedKeys = 1 << 4,

    /// <summary>A batch that does not fit is refused whole (Q9).</summary>
    Bounds = 1 << 5,

    /// <summary>Messages can be browsed and redriven by filter (Q12).</summary>
    Browsing = 1 << 6,

    /// <summary>All of them.</summary>
    All = AtomicBatches | Deduplication | Priorities | CountsAttempts | OrderedKeys | Bounds | Browsing,
}

/// <summary>What one queue store can do. Immutable; the same for the store's whole life. Drives the conformance suite.</summary>
public sealed record QueueCapabilities
{
    /// <summary>The largest body that a store takes unless it says otherwise: 32 MiB.</summary>
    public const int DefaultMaxBodyBytes = 32 * 1024 * 1024;

    /// <summary>The backend's name, such as <c>sqlite</c>.</summary>
    public required string Backend { get; init; }

    /// <summary>What an acknowledged enqueue survives.</summary>
    public required StoreDurability Durability { get; init; }

    /// <summary>The laws that this store keeps beyond those that all keep.</summary>
    public QueueFeatures Features { get; init; } = QueueFeatures.All;

    /// <summary>Whether other processes can work on the same queues at the same time.</summary>
    public bool SharedAcrossProcesses { get; init; }

    /// <summary>The longest delay and time to live.</summary>
    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromDays(3650);

    /// <summary>The largest body in bytes.</summary>
    public int MaxBodyBytes { get; init; } = DefaultMaxBodyBytes;

    /// <summary>The most bytes of UTF-8 that names and values of all headers of one message take together.</summary>
    public int MaxHeaderBytes { get; init; } = 64 * 1024;

    /// <summary>The bound of a queue whose settings name none, in bytes of bodies.</summary>
    public long DefaultMaxBytes { get; init; } = 64L * 1024 * 1024 * 1024;

    /// <summary>Whether this store keeps the law behind <paramref name="feature"/>.</summary>
    public bool Has(QueueFeatures feature) => (Features & feature) == feature;
}
