using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Queues;
using Millrace.Stomp.Codec;
using Millrace.Stomp.Connections;
using Millrace.Stomp.Security;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.Stomp.Sessions;

/// <summary>What all sessions of a broker share: the contracts of its instance, its options, its clock and timers. Safe for concurrent use.</summary>
internal sealed class BrokerResources : IDisposable
{
    private readonly MillraceClient _instance;

    public BrokerResources(MillraceClient instance, StompOptions options, IStompAuthority authority, TimeProvider timeProvider, ILogger logger)
    {
        _instance = instance;
        Options = options;
        Authority = authority;
        TimeProvider = timeProvider;
        Logger = logger;
        Queues = instance.Find<IQueueStore>();
        Admin = instance.Find<IQueueAdmin>();
        Routing = instance.Find<IQueueRouting>();
        HasTransactions = instance.Find<IQueueTransactions>() is not null;
        Channels = instance.Find<IChannelTransport>();
        StreamCapabilities = instance.Find<IStreamStore>()?.Capabilities;
        Streams = StreamCapabilities is null || instance.Find<IStateStore>() is null ? null : instance.Streams;
        Dispatchers = Queues is null ? null : instance.Dispatchers;
        Clock = new MonotonicClock(timeProvider);
        Timers = new TimerHeap(Clock);
        Budget = new MemoryBudget(options.MemoryBudgetBytes);
        if (Queues is null && Channels is null)
        {
            throw new MillraceConfigurationException($"STOMP cannot be served on the instance '{instance.Instance}': it has neither queues nor channels.");
        }
    }

    public StompOptions Options { get; }

    public IStompAuthority Authority { get; }

    public TimeProvider TimeProvider { get; }

    public ILogger Logger { get; }

    public IQueueStore? Queues { get; }

    public IQueueAdmin? Admin { get; }

    public IQueueRouting? Routing { get; }

    public bool HasTransactions { get; }

    public IChannelTransport? Channels { get; }

    public StreamCatalog? Streams { get; }

    public StreamCapabilities? StreamCapabilities { get; }

    public QueueDispatchers? Dispatchers { get; }

    public MonotonicClock Clock { get; }

    public TimerHeap Timers { get; }

    public MemoryBudget Budget { get; }

    public BrokerCounters Counters { get; } = new();

    public DestinationTable Destinations { get; } = new();

    /// <summary>The queues.</summary>
    /// <exception cref="StompFaultException">The instance has none.</exception>
    public IQueueStore RequireQueues(string destination) => Queues ?? throw Missing(destination, "queues");

    /// <summary>Something that topics can be sent to.</summary>
    /// <exception cref="StompFaultException">The instance has neither channels nor routing.</exception>
    public void RequireTopics(string destination)
    {
        if (Channels is null && Routing is null)
        {
            throw Missing(destination, "channels");
        }
    }

    /// <summary>The channels.</summary>
    /// <exception cref="StompFaultException">The instance has none.</exception>
    public IChannelTransport RequireChannels(string destination) => Channels ?? throw Missing(destination, "channels");

    /// <summary>Requires that there can be streams.</summary>
    /// <exception cref="StompFaultException">The instance has none.</exception>
    public void RequireStreams(string destination)
    {
        if (Streams is null)
        {
            throw Missing(destination, "streams");
        }
    }

    /// <summary>The administration of queues.</summary>
    /// <exception cref="StompFaultException">The store has none.</exception>
    public IQueueAdmin RequireAdministration(string destination) => Admin ?? throw Missing(destination, "administration of queues");

    /// <summary>The bindings of queues to topics.</summary>
    /// <exception cref="StompFaultException">The store has none.</exception>
    public IQueueRouting RequireRouting(string destination) => Routing ?? throw Missing(destination, "durable subscriptions");

    /// <summary>A new member of a consumer group.</summary>
    public StreamConsumer<byte[]> ConsumerOf(StreamPlace place) =>
        _instance.StreamConsumer<byte[]>(place.Stream, new StreamConsumerOptions { Group = place.Group, Start = place.From.ToStart()!, AutoCommit = false });

    public void Dispose() => Timers.Dispose();

    private static StompFaultException Missing(string destination, string what) =>
        new("not supported", $"'{Destination.Shown(destination)}': the store behind this broker has no {what}.");
}
