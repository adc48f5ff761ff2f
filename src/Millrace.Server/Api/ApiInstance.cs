using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Server.Api.Description;
using Millrace.Server.Errors;
using Millrace.Server.Health;
using Millrace.Server.Security;
using Millrace.Stomp;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;
using Millrace.Streams;

namespace Millrace.Server.Api;

/// <summary>One instance that is served, with what the API holds for its clients.</summary>
internal sealed class ApiInstance : IAsyncDisposable
{
    private byte[]? _description;
    private int _subscriptions;

    public ApiInstance(string name, string root, MillraceClient client, MillraceServerOptions options, ServerSecurity security, NodeHealth health, CancellationToken stopping)
    {
        Name = name;
        Root = root;
        Client = client;
        Limits = options.Limits;
        Audit = security.Audit;
        Standing = security.Standing;
        Stopping = stopping;
        TimeProvider = options.TimeProvider;
        Logger = options.LoggerFactory.CreateLogger("Millrace.Server.Api");
        Receivers = new ReceiverTable(options.Limits, options.TimeProvider, Logger);
        Partitions = new ServedPartitions(client);
        Outages = new OutageLog(name, cancellationToken => health.IsHealthyAsync(name, cancellationToken), options.TimeProvider, Logger);
    }

    public string Name { get; }

    /// <summary>What the paths of its routes begin with.</summary>
    public string Root { get; }

    public MillraceClient Client { get; }

    public ApiLimits Limits { get; }

    public TimeProvider TimeProvider { get; }

    public ILogger Logger { get; }

    public AuditLog Audit { get; }

    /// <summary>The permissions of streams.</summary>
    public StandingPermissions Standing { get; }

    public ReceiverTable Receivers { get; }

    /// <summary>The partitions of streams that clients use.</summary>
    public ServedPartitions Partitions { get; }

    /// <summary>The requests that its stores failed, in the log.</summary>
    public OutageLog Outages { get; }

    /// <summary>The broker of the node, whichever instance it serves; null where STOMP is not served.</summary>
    public StompBroker? Broker { get; init; }

    /// <summary>How many subscriptions are open.</summary>
    public int Subscriptions => Volatile.Read(ref _subscriptions);

    /// <summary>The description of the API. Made when it is first asked for: most servers are never asked.</summary>
    public byte[] Description => LazyInitializer.EnsureInitialized(ref _description, () => ApiDescription.Write(Root, Limits));

    /// <summary>Ends when the server stops: long polls and streams end then.</summary>
    public CancellationToken Stopping { get; }

    public IQueueStore Queues => Client.Require<IQueueStore>();

    public IQueueAdmin Admin => Client.Require<IQueueAdmin>();

    public IQueueRouting Routing => Client.Require<IQueueRouting>();

    public IStreamStore Streams => Client.Require<IStreamStore>();

    public StreamCatalog Catalog => Client.Streams;

    public IChannelTransport Channels => Client.Require<IChannelTransport>();

    public ILockStore Locks => Client.Require<ILockStore>();

    public IStateStore State => Client.Require<IStateStore>();

    /// <summary>What a client is told first.</summary>
    public NodeInfo Describe()
    {
        var queues = Client.Find<IQueueStore>()?.Capabilities;
        return new NodeInfo(
            typeof(MillraceServer).Assembly.GetName().Version?.ToString(3) ?? "",
            queues?.Backend ?? "",
            ShapeOf<IQueueStore>(NodeShapes.Queue) | ShapeOf<IQueueAdmin>(NodeShapes.QueueAdmin) | ShapeOf<IQueueRouting>(NodeShapes.QueueRouting)
                | ShapeOf<IQueueTransactions>(NodeShapes.QueueTransactions) | ShapeOf<IChannelTransport>(NodeShapes.Channel) | ShapeOf<ILockStore>(NodeShapes.Lock)
                | ShapeOf<IStateStore>(NodeShapes.State) | ShapeOf<IStreamStore>(NodeShapes.Stream),
            queues,
            Limits.MaxWait,
            Limits.MaxRequestBytes)
        {
            Streams = Client.Find<IStreamStore>()?.Capabilities,
        };
    }

    /// <summary>Counts a subscription in; null when there are too many.</summary>
    public IDisposable? TryEnterSubscription()
    {
        if (Interlocked.Increment(ref _subscriptions) <= Limits.MaxSubscriptions)
        {
            return new SubscriptionPlace(this);
        }

        Interlocked.Decrement(ref _subscriptions);
        return null;
    }

    public async ValueTask DisposeAsync()
    {
        await Outages.DisposeAsync().ConfigureAwait(false);
        await Receivers.DisposeAsync().ConfigureAwait(false);
        await Partitions.DisposeAsync().ConfigureAwait(false);
    }

    private NodeShapes ShapeOf<T>(NodeShapes shape)
        where T : class =>
        Client.Find<T>() is null ? NodeShapes.None : shape;

    private sealed class SubscriptionPlace(ApiInstance instance) : IDisposable
    {
        public void Dispose() => Interlocked.Decrement(ref instance._subscriptions);
    }
}
