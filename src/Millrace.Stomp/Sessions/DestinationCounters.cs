using System.Collections.Concurrent;

namespace Millrace.Stomp.Sessions;

/// <summary>What is counted for one destination. Safe for concurrent use.</summary>
internal sealed class DestinationCounters(string destination)
{
    private long _sent;
    private long _delivered;
    private long _acknowledged;
    private long _subscriptions;

    public string Destination => destination;

    public long Sent => Interlocked.Read(ref _sent);

    public long Delivered => Interlocked.Read(ref _delivered);

    public long Acknowledged => Interlocked.Read(ref _acknowledged);

    public long Subscriptions => Interlocked.Read(ref _subscriptions);

    /// <summary>The counters as they are now.</summary>
    /// <param name="unacknowledged">Messages that clients hold, which are counted where they are held.</param>
    public StompDestinationInfo Describe(long unacknowledged) => new()
    {
        Destination = destination,
        Sent = Sent,
        Delivered = Delivered,
        Acknowledged = Acknowledged,
        Subscriptions = Subscriptions,
        Unacknowledged = unacknowledged,
    };

    public void AddSent(int count) => Interlocked.Add(ref _sent, count);

    public void AddDelivered(int count) => Interlocked.Add(ref _delivered, count);

    public void AddAcknowledged(int count) => Interlocked.Add(ref _acknowledged, count);

    public void AddSubscription(int change) => Interlocked.Add(ref _subscriptions, change);
}

/// <summary>The counters of destinations by name: of as many as are worth watching, and one for the rest. Safe for concurrent use.</summary>
internal sealed class DestinationTable
{
    // Whoever may choose names must not be able to fill the memory with counters.
    private const int MostDestinations = 10_000;

    private readonly ConcurrentDictionary<string, DestinationCounters> _byName = new(StringComparer.Ordinal);

    private readonly DestinationCounters _rest = new("(others)");

    /// <summary>Every destination that is counted by itself, and the rest.</summary>
    public IEnumerable<DestinationCounters> All => _byName.Values.Append(_rest);

    /// <summary>The counters of a destination; those of temporary queues are counted together.</summary>
    public DestinationCounters Of(string destination)
    {
        if (destination.StartsWith(Destination.TemporaryPrefix, StringComparison.Ordinal) || destination.StartsWith(Destination.ReplyPrefix, StringComparison.Ordinal))
        {
            destination = Destination.TemporaryPrefix + "*";
        }

        return _byName.TryGetValue(destination, out var counters) ? counters
            : _byName.Count >= MostDestinations ? _rest
            : _byName.GetOrAdd(destination, static name => new DestinationCounters(name));
    }
}
