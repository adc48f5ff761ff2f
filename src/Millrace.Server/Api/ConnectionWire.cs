using System.Text.Json;
using Millrace.Storage.Http.Wire;
using Millrace.Stomp;

namespace Millrace.Server.Api;

/// <summary>The JSON of STOMP connections.</summary>
internal static class ConnectionWire
{
    public static readonly JsonEncodedText Acknowledge = JsonEncodedText.Encode("acknowledge");
    public static readonly JsonEncodedText ClientId = JsonEncodedText.Encode("clientId");
    public static readonly JsonEncodedText ConnectedAt = JsonEncodedText.Encode("connectedAt");
    public static readonly JsonEncodedText Connections = JsonEncodedText.Encode("connections");
    public static readonly JsonEncodedText Delivered = JsonEncodedText.Encode("delivered");
    public static readonly JsonEncodedText Destination = JsonEncodedText.Encode("destination");
    public static readonly JsonEncodedText FramesReceived = JsonEncodedText.Encode("framesReceived");
    public static readonly JsonEncodedText MessagesDelivered = JsonEncodedText.Encode("messagesDelivered");
    public static readonly JsonEncodedText MessagesSent = JsonEncodedText.Encode("messagesSent");
    public static readonly JsonEncodedText Peer = JsonEncodedText.Encode("peer");
    public static readonly JsonEncodedText PendingBytes = JsonEncodedText.Encode("pendingBytes");
    public static readonly JsonEncodedText Prefetch = JsonEncodedText.Encode("prefetch");
    public static readonly JsonEncodedText Subscriptions = JsonEncodedText.Encode("subscriptions");
    public static readonly JsonEncodedText Transactions = JsonEncodedText.Encode("transactions");
    public static readonly JsonEncodedText Transport = JsonEncodedText.Encode("transport");
    public static readonly JsonEncodedText Unacknowledged = JsonEncodedText.Encode("unacknowledged");
    public static readonly JsonEncodedText User = JsonEncodedText.Encode("user");

    private static readonly StompConnectionInfo NoConnection = new()
    {
        Id = "",
        Peer = "",
        Transport = "",
        Version = "",
        User = "",
        ConnectedAt = default,
        FramesReceived = 0,
        MessagesSent = 0,
        MessagesDelivered = 0,
        PendingBytes = 0,
        Transactions = 0,
        Subscriptions = [],
    };

    private static readonly StompSubscriptionInfo NoSubscription = new() { Id = "", Destination = "", Acknowledge = "" };

    public static void Write(Utf8JsonWriter json, StompConnectionInfo connection)
    {
        json.WriteStartObject();
        WriteMembers(json, connection);
        json.WriteEndObject();
    }

    public static void WriteMembers(Utf8JsonWriter json, StompConnectionInfo connection)
    {
        json.WriteString(WireNames.Id, connection.Id);
        json.WriteString(Peer, connection.Peer);
        json.WriteString(Transport, connection.Transport);
        json.WriteString(WireNames.Version, connection.Version);
        json.WriteString(User, connection.User);
        json.WriteString(ClientId, connection.ClientId);
        json.WriteString(ConnectedAt, connection.ConnectedAt);
        json.WriteNumber(FramesReceived, connection.FramesReceived);
        json.WriteNumber(MessagesSent, connection.MessagesSent);
        json.WriteNumber(MessagesDelivered, connection.MessagesDelivered);
        json.WriteNumber(PendingBytes, connection.PendingBytes);
        json.WriteNumber(Transactions, connection.Transactions);
        json.WriteStartArray(Subscriptions);
        foreach (var subscription in connection.Subscriptions)
        {
            Write(json, subscription);
        }

        json.WriteEndArray();
    }

    public static StompConnectionInfo Read(ref WireReader json)
    {
        var connection = NoConnection;
        json.BeginObject();
        while (json.NextField())
        {
            connection = json.Is(WireNames.Id) ? connection with { Id = json.Text() }
                : json.Is(Peer) ? connection with { Peer = json.Text() }
                : json.Is(Transport) ? connection with { Transport = json.Text() }
                : json.Is(WireNames.Version) ? connection with { Version = json.Text() }
                : json.Is(User) ? connection with { User = json.Text() }
                : json.Is(ClientId) ? connection with { ClientId = json.OptionalText() }
                : json.Is(ConnectedAt) ? connection with { ConnectedAt = json.Time() }
                : json.Is(FramesReceived) ? connection with { FramesReceived = ReadCount(ref json) }
                : json.Is(MessagesSent) ? connection with { MessagesSent = ReadCount(ref json) }
                : json.Is(MessagesDelivered) ? connection with { MessagesDelivered = ReadCount(ref json) }
                : json.Is(PendingBytes) ? connection with { PendingBytes = ReadCount(ref json) }
                : json.Is(Transactions) ? connection with { Transactions = json.Number(0, int.MaxValue) }
                : json.Is(Subscriptions) ? connection with { Subscriptions = ReadList(ref json, ReadSubscription) }
                : PassOver(ref json, connection);
        }

        return connection;
    }

    /// <summary>A page of connections, and the id after which the next one begins, if there is one.</summary>
    public static (IReadOnlyList<StompConnectionInfo> Page, string? Next) ReadPage(ref WireReader json)
    {
        IReadOnlyList<StompConnectionInfo> page = [];
        string? next = null;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Connections))
            {
                page = ReadList(ref json, Read);
            }
            else if (json.Is(WireNames.Next))
            {
                next = json.OptionalText();
            }
            else
            {
                json.Skip();
            }
        }

        return (page, next);
    }

    private static StompSubscriptionInfo ReadSubscription(ref WireReader json)
    {
        var subscription = NoSubscription;
        json.BeginObject();
        while (json.NextField())
        {
            subscription = json.Is(WireNames.Id) ? subscription with { Id = json.Text() }
                : json.Is(Destination) ? subscription with { Destination = json.Text() }
                : json.Is(Acknowledge) ? subscription with { Acknowledge = json.Text() }
                : json.Is(Prefetch) ? subscription with { Prefetch = json.Number(0, int.MaxValue) }
                : json.Is(Unacknowledged) ? subscription with { Unacknowledged = json.Number(0, int.MaxValue) }
                : json.Is(Delivered) ? subscription with { Delivered = ReadCount(ref json) }
                : json.Is(WireNames.Dropped) ? subscription with { Dropped = ReadCount(ref json) }
                : PassOver(ref json, subscription);
        }

        return subscription;
    }

    private static List<T> ReadList<T>(ref WireReader json, WireRead<T> read)
    {
        var list = new List<T>();
        json.BeginArray();
        while (json.NextElement())
        {
            list.Add(read(ref json));
        }

        return list;
    }

    private static long ReadCount(ref WireReader json) => json.Number(0, long.MaxValue);

    // What a newer server tells besides.
    private static T PassOver<T>(ref WireReader json, T value)
    {
        json.Skip();
        return value;
    }

    private static void Write(Utf8JsonWriter json, StompSubscriptionInfo subscription)
    {
        json.WriteStartObject();
        json.WriteString(WireNames.Id, subscription.Id);
        json.WriteString(Destination, subscription.Destination);
        json.WriteString(Acknowledge, subscription.Acknowledge);
        json.WriteNumber(Prefetch, subscription.Prefetch);
        json.WriteNumber(Unacknowledged, subscription.Unacknowledged);
        json.WriteNumber(Delivered, subscription.Delivered);
        json.WriteNumber(WireNames.Dropped, subscription.Dropped);
        json.WriteEndObject();
    }
}
