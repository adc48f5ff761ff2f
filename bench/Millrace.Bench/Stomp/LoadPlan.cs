namespace Millrace.Bench.Stomp;

/// <summary>What the generator does to a broker.</summary>
internal sealed record LoadPlan
{
    public int Producers { get; init; } = 4;

    public int Consumers { get; init; } = 4;

    /// <summary>Another node of the same broker, to which the consumers connect; null: the producers' one.</summary>
    public StompEndpoint? ConsumeFrom { get; init; }

    public string Destination { get; init; } = "/queue/bench";

    public int BodyBytes { get; init; } = 100;

    /// <summary><c>auto</c> or <c>client-individual</c>; with the latter every message is acknowledged.</summary>
    public string Acknowledgement { get; init; } = "auto";

    public bool Persistent { get; init; }

    /// <summary>A receipt is asked for on every so manieth SEND of a producer; 0: never.</summary>
    public int ReceiptEvery { get; init; }

    /// <summary>A producer sends the next message when it has the receipt of the one before.</summary>
    public bool AwaitsReceipts { get; init; }

    /// <summary>Messages sent and not yet received, of all producers together. To a topic: not yet received by the slowest subscriber.</summary>
    public int Window { get; init; } = 1000;

    /// <summary>A producer waits until it may send so many, and sends them with one write, unless it awaits receipts.</summary>
    public int SmallestBatch { get; init; } = 50;

    /// <summary>Each consumer gets each message.</summary>
    public bool IsTopic => Destination.StartsWith("/topic/", StringComparison.Ordinal);
}
