using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Queues;
using Millrace.Stomp.Connections;
using Millrace.Stomp.Security;
using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>What all sessions of a broker share: the contracts of its instance, its options, its clock and timers. Safe for concurrent use.</summary>
internal sealed class BrokerResources : IDisposable
{
    public BrokerResources(MillraceClient instance, StompOptions options, IStompAuthority authority, TimeProvider timeProvider, ILogger logger)
    {
        Options = options;
        Authority = authority;
        TimeProvider = timeProvider;
        Logger = logger;
        Queues = instance.Find<IQueueStore>();
        Admin = instance.Find<IQueueAdmin>();
        Routing = instance.Find<IQueueRouting>();
        HasTransactions = instance.Find<IQueueTransactions>() is not null;
        Channels = instance.Find<IChannelTransport>();
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

    public QueueDispatchers? Dispatchers { get; }

    public MonotonicClock Clock { get; }

    public TimerHeap Timers { get; }

    public MemoryBudget Budget { get; }

    public BrokerCounters Counters { get; } = new();

    public void Dispose() => Timers.Dispose();
}
