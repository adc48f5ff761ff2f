namespace Millrace.Storage;

/// <summary>The names of the contracts, and which of Millrace's own backends have them, for error messages. A backend is named here once it has the contract.</summary>
internal static class BackendShapes
{
    private static readonly string[] All = ["memory", "file", "sqlite", "redis", "http"];
    private static readonly string[] WithChannels = ["memory", "redis", "http"];

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

    /// <summary>The fault of asking a backend for a contract that it does not have.</summary>
    public static BackendCapabilityException Missing(string backend, Type contract) => new(backend, NameOf(contract), BackendsWith(contract));

    public static IReadOnlyList<string> BackendsWith(Type contract) => contract.Name switch
    {
        nameof(IChannelTransport) => WithChannels,
        nameof(IQueueStore) or nameof(IQueueAdmin) or nameof(IQueueRouting) or nameof(IQueueTransactions) => All,
        nameof(IStreamStore) or nameof(ILockStore) or nameof(IStateStore) => All,
        _ => [],
    };
}
