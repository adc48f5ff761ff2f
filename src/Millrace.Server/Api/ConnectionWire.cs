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

    public static void Write(Utf8JsonWriter json, StompConnectionInfo connection)
    {
        json.WriteStartObject();
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
        json.WriteEndObject();
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
