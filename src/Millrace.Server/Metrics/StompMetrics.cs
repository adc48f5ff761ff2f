using Millrace.Stomp;

namespace Millrace.Server.Metrics;

/// <summary>What the broker of STOMP counts, and what it has now.</summary>
internal static class StompMetrics
{
    private const string Prefix = "millrace_stomp_";

    /// <summary>Writes all of it, of at most <paramref name="maxDestinations"/> destinations.</summary>
    public static void WriteTo(PrometheusWriter writer, StompBroker broker, int maxDestinations)
    {
        WriteNow(writer, broker);
        WriteCounters(writer, broker.Counters);
        WriteDestinations(writer, broker.ListDestinations(), maxDestinations);
    }

    private static void WriteNow(PrometheusWriter writer, StompBroker broker)
    {
        var subscriptions = broker.ListConnections().SelectMany(connection => connection.Subscriptions).ToList();
        Gauge(writer, "connections", "Connections.", broker.ConnectionCount);
        Gauge(writer, "subscriptions", "Subscriptions.", subscriptions.Count);
        Gauge(writer, "prefetch_messages", "Messages that the subscriptions to queues may have unacknowledged.", subscriptions.Sum(subscription => (long)subscription.Prefetch));
        Gauge(writer, "unacknowledged_messages", "Messages that clients have and have not acknowledged.", subscriptions.Sum(subscription => (long)subscription.Unacknowledged));
        Gauge(writer, "memory_bytes", "Bytes of the memory budget that are in use.", broker.Resources.Budget.Used);
        Gauge(writer, "memory_limit_bytes", "The memory budget.", broker.Resources.Budget.Limit);
    }

    private static void WriteCounters(PrometheusWriter writer, BrokerCounters counters)
    {
        Counter(writer, "connections_accepted", "Connections that got as far as CONNECTED.", counters.ConnectionsAccepted);
        Counter(writer, "connections_refused", "Connections over a limit.", counters.ConnectionsRefused);
        Counter(writer, "failed_logins", "Logins that were refused.", counters.FailedLogins);
        Counter(writer, "frames_received", "Frames from clients.", counters.FramesReceived);
        Counter(writer, "errors", "ERROR frames to clients.", counters.ErrorsSent);
        Counter(writer, "sent_messages", "Messages from clients.", counters.MessagesSent);
        Counter(writer, "delivered_messages", "Messages to clients.", counters.MessagesDelivered);
        Counter(writer, "acknowledged_messages", "Messages that clients acknowledged.", counters.MessagesAcknowledged);
        Counter(writer, "rejected_messages", "Messages that clients rejected by NACK.", counters.MessagesRejected);
        Counter(writer, "dropped_messages", "Topic messages dropped for slow subscribers.", counters.TopicMessagesDropped);
    }

    private static void WriteDestinations(PrometheusWriter writer, IReadOnlyList<StompDestinationInfo> all, int max)
    {
        // The busiest, so that names that somebody made up do not take the place of those that matter.
        var told = all.Count <= max ? all : [.. all.OrderByDescending(destination => destination.Sent + destination.Delivered).Take(max)];
        Gauge(writer, "destinations_cut", "1 if there are more destinations than are told here, 0 if not.", told.Count < all.Count ? 1 : 0);
        Each(writer, told, "sent_messages_total", "counter", "Messages that clients sent to the destination.", static destination => destination.Sent);
        Each(writer, told, "delivered_messages_total", "counter", "Messages that clients got from it.", static destination => destination.Delivered);
        Each(writer, told, "acknowledged_messages_total", "counter", "Messages from it that clients acknowledged.", static destination => destination.Acknowledged);
        Each(writer, told, "subscriptions", "gauge", "Subscriptions to it.", static destination => destination.Subscriptions);
        Each(writer, told, "unacknowledged_messages", "gauge", "Messages from it that clients have and have not acknowledged.", static destination => destination.Unacknowledged);
    }

    private static void Each(
        PrometheusWriter writer, IReadOnlyList<StompDestinationInfo> destinations, string name, string type, string help, Func<StompDestinationInfo, long> value)
    {
        if (destinations.Count == 0)
        {
            return;
        }

        var family = $"{Prefix}destination_{name}";
        writer.Family(family, type, help);
        foreach (var destination in destinations)
        {
            writer.Sample(family, [("destination", destination.Destination)], value(destination));
        }
    }

    private static void Gauge(PrometheusWriter writer, string name, string help, long value) => writer.Single(Prefix + name, "gauge", help, value);

    private static void Counter(PrometheusWriter writer, string name, string help, long value) => writer.Single($"{Prefix}{name}_total", "counter", help, value);
}
