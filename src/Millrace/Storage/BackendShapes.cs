namespace Millrace.Storage;

/// <summary>The names of the contracts, and which of Millrace's own backends have them: the table of the design page, for error messages.</summary>
internal static class BackendShapes
{
    private static readonly string[] QueueBackends = ["memory", "file", "sqlite", "postgres", "redis", "amqp", "http"];
    private static readonly string[] TransactionBackends = ["memory", "file", "sqlite", "postgres", "redis (single server)", "http"];
    private static readonly string[] StreamBackends = ["memory", "file", "sqlite", "postgres", "redis", "http"];
    private static readonly string[] ChannelBackends = ["memory", "postgres", "redis", "amqp", "http", "zmq"];
    private static readonly string[] LockBackends = ["memory", "file", "sqlite", "postgres", "redis", "http", "zmq"];
    private static readonly string[] StateBackends = ["memory", "file", "sqlite", "postgres", "redis", "http"];

    public static string NameOf(Type contract) => contract.Name switch
    {
        nameof(IQueueStore) => "queue",
        nameof(IQueueAdmin) => "queue administration",
        nameof(IQueueRouting) => "queue routing",
        nameof(IQueueTransactions) => "queue transactions",
        nameof(IStreamStore) => "stream",
        nameof(IChannelTransport) => "channel",
        nameof(ILockStore) => "lock",
        nameof(IStateStore) => "state",
        _ => contract.Name,
    };

    public static IReadOnlyList<string> BackendsWith(Type contract) => contract.Name switch
    {
        nameof(IQueueStore) or nameof(IQueueAdmin) or nameof(IQueueRouting) => QueueBackends,
        nameof(IQueueTransactions) => TransactionBackends,
        nameof(IStreamStore) => StreamBackends,
        nameof(IChannelTransport) => ChannelBackends,
        nameof(ILockStore) => LockBackends,
        nameof(IStateStore) => StateBackends,
        _ => [],
    };
}
