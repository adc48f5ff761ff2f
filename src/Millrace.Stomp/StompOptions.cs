namespace Millrace.Stomp;

/// <summary>How a STOMP broker behaves, and what it bounds. Immutable; validated when a broker is made.</summary>
public sealed record StompOptions
{
    internal static readonly TimeSpan LongestTime = TimeSpan.FromDays(1);

    /// <summary>The largest body in bytes; 32 MiB unless set, at most 1 GiB. The store's own limit holds beside it.</summary>
    public int MaxBodyBytes { get; init; } = 32 * 1024 * 1024;

    /// <summary>The most bytes of the command and all headers of one frame; 64 KiB unless set.</summary>
    public int MaxHeaderBytes { get; init; } = 64 * 1024;

    /// <summary>The most bytes of one header line, its name and value together; 16 KiB unless set.</summary>
    public int MaxHeaderLineBytes { get; init; } = 16 * 1024;

    /// <summary>The most headers of one frame; 128 unless set.</summary>
    public int MaxHeaders { get; init; } = 128;

    /// <summary>
    /// The most bytes that frames still arriving, open transactions and messages that wait to be sent take together, over all connections; 256 MiB unless set. Beside it a
    /// connection has up to 8 KiB of its own for a frame that arrives, and what its socket buffers hold.
    /// </summary>
    public long MemoryBudgetBytes { get; init; } = 256L * 1024 * 1024;

    /// <summary>The most connections at one time; 20,000 unless set. More are told so in an ERROR and closed.</summary>
    public int MaxConnections { get; init; } = 20_000;

    /// <summary>The most connections from one address at one time; null, the default: no bound of its own.</summary>
    public int? MaxConnectionsPerAddress { get; init; }

    /// <summary>The most subscriptions of one connection; 1,000 unless set.</summary>
    public int MaxSubscriptions { get; init; } = 1_000;

    /// <summary>
    /// The most messages that one connection holds unacknowledged over all its subscriptions; 50,000 unless set. A subscription that asks for more than is left of it gets what is
    /// left, and is refused when that is nothing.
    /// </summary>
    public int MaxUnacknowledged { get; init; } = 50_000;

    /// <summary>The most open transactions of one connection; 16 unless set.</summary>
    public int MaxTransactions { get; init; } = 16;

    /// <summary>The most frames in one transaction; 10,000 unless set.</summary>
    public int MaxTransactionFrames { get; init; } = 10_000;

    /// <summary>What a transaction promises; atomic unless set.</summary>
    public StompTransactions Transactions { get; init; }

    /// <summary>How long a client has from connecting until its CONNECT frame is there; 10 s unless set.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a frame that has begun may stay without another byte of it; 30 s unless set.</summary>
    public TimeSpan FrameTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a client may take nothing of what is sent to it, while something waits; 60 s unless set. It is disconnected then, and its messages go back.</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The shortest interval of heart-beats in either direction; 100 ms unless set. Clients that ask for shorter ones get this.</summary>
    public TimeSpan MinHeartBeat { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The messages that a subscription gets before it acknowledges some, unless it says so itself (<c>prefetch-count</c>); 200 unless set.</summary>
    public int Prefetch { get; init; } = 200;

    /// <summary>The messages that wait for one topic subscription; 4,096 unless set.</summary>
    public int TopicBufferMessages { get; init; } = 4_096;

    /// <summary>The bytes of bodies that wait for one topic subscription; 16 MiB unless set.</summary>
    public long TopicBufferBytes { get; init; } = 16L * 1024 * 1024;

    /// <summary>What happens to a topic message when that buffer is full; the oldest is dropped unless set.</summary>
    public SlowTopicSubscriber SlowTopicSubscriber { get; init; }

    /// <summary>After how many dropped messages of one topic subscription its connection is closed with an ERROR; 100,000 unless set. Null: never.</summary>
    public long? MaxTopicDrops { get; init; } = 100_000;

    /// <summary>The values that the <c>host</c> header of a CONNECT may have; empty, the default: any, or none.</summary>
    public IReadOnlyList<string> VirtualHosts { get; init; } = [];

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="MillraceConfigurationException">Names the option, its value and what is allowed.</exception>
    public void Validate()
    {
        if (FindFaults().FirstOrDefault() is { } fault)
        {
            throw new MillraceConfigurationException(fault);
        }
    }

    /// <summary>What is wrong with the values.</summary>
    internal IEnumerable<string> FindFaults()
    {
        var ranges = new (bool Holds, string Name, object? Value, string Allowed)[]
        {
            (MaxBodyBytes is >= 1 and <= 1024 * 1024 * 1024, nameof(MaxBodyBytes), MaxBodyBytes, "1 byte to 1 GiB"),
            (MaxHeaderBytes is >= 1024 and <= 16 * 1024 * 1024, nameof(MaxHeaderBytes), MaxHeaderBytes, "1 KiB to 16 MiB"),
            (MaxHeaderLineBytes >= 256 && MaxHeaderLineBytes <= MaxHeaderBytes, nameof(MaxHeaderLineBytes), MaxHeaderLineBytes, "256 to MaxHeaderBytes"),
            (MaxHeaders is >= 8 and <= 10_000, nameof(MaxHeaders), MaxHeaders, "8 to 10,000"),
            (MemoryBudgetBytes >= MaxBodyBytes + (long)MaxHeaderBytes, nameof(MemoryBudgetBytes), MemoryBudgetBytes, "at least MaxBodyBytes and MaxHeaderBytes together"),
            (MaxConnections >= 1, nameof(MaxConnections), MaxConnections, "at least 1"),
            (MaxConnectionsPerAddress is null or >= 1, nameof(MaxConnectionsPerAddress), MaxConnectionsPerAddress, "at least 1"),
            (MaxSubscriptions >= 1, nameof(MaxSubscriptions), MaxSubscriptions, "at least 1"),
            (MaxUnacknowledged is >= 1 and <= 10_000_000, nameof(MaxUnacknowledged), MaxUnacknowledged, "1 to 10,000,000"),
            (MaxTransactions >= 0, nameof(MaxTransactions), MaxTransactions, "at least 0"),
            (MaxTransactionFrames >= 1, nameof(MaxTransactionFrames), MaxTransactionFrames, "at least 1"),
            (Enum.IsDefined(Transactions), nameof(Transactions), Transactions, "Atomic or Ordered"),
            (IsTime(ConnectTimeout), nameof(ConnectTimeout), ConnectTimeout, "above 0, up to a day"),
            (IsTime(FrameTimeout), nameof(FrameTimeout), FrameTimeout, "above 0, up to a day"),
            (IsTime(SendTimeout), nameof(SendTimeout), SendTimeout, "above 0, up to a day"),
            (IsTime(MinHeartBeat), nameof(MinHeartBeat), MinHeartBeat, "above 0, up to a day"),
            (Prefetch >= 1 && Prefetch <= MaxUnacknowledged, nameof(Prefetch), Prefetch, "1 to MaxUnacknowledged"),
            (TopicBufferMessages >= 1, nameof(TopicBufferMessages), TopicBufferMessages, "at least 1"),
            (TopicBufferBytes >= 1, nameof(TopicBufferBytes), TopicBufferBytes, "at least 1"),
            (Enum.IsDefined(SlowTopicSubscriber), nameof(SlowTopicSubscriber), SlowTopicSubscriber, "DropOldest, DropNewest or Disconnect"),
            (MaxTopicDrops is null or >= 1, nameof(MaxTopicDrops), MaxTopicDrops, "at least 1"),
        };
        return ranges.Where(range => !range.Holds).Select(range => $"The STOMP option {range.Name} must be {range.Allowed}, not {range.Value}.");
    }

    private static bool IsTime(TimeSpan time) => time > TimeSpan.Zero && time <= LongestTime;
}

/// <summary>What a STOMP transaction promises.</summary>
public enum StompTransactions
{
    /// <summary>All or nothing (laws T1, T2). On a store without transactions BEGIN is refused.</summary>
    Atomic,

    /// <summary>As atomic where the store can; elsewhere the messages are sent first and the acknowledgements follow, so that a failure in between may repeat work but loses none.</summary>
    Ordered,
}

/// <summary>What happens to a topic message for a subscriber whose buffer is full.</summary>
public enum SlowTopicSubscriber
{
    /// <summary>The oldest message that waits is dropped, and counted.</summary>
    DropOldest,

    /// <summary>The new message is dropped, and counted.</summary>
    DropNewest,

    /// <summary>The connection is closed with an ERROR.</summary>
    Disconnect,
}
