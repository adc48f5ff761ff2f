using Microsoft.OpenApi;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api.Description;

/// <summary>STOMP connections.</summary>
internal sealed partial class ApiShapes
{
    private IEnumerable<(string, OpenApiSchema)> OfConnections() =>
    [
        ("Connections", Answer(
            "A page of STOMP connections.",
            Always(ConnectionWire.Connections, List("In the order of their ids.", Ref("Connection"))),
            Always(WireNames.Next, NextPage()))),
        ("Connection", Answer(
            "A STOMP connection as it is now.",
            Always(WireNames.Id, Text("Its id.")),
            Always(ConnectionWire.Peer, Text("Where it comes from.")),
            Always(ConnectionWire.Transport, Words("How it comes.", "tcp", "tls", "ws", "wss")),
            Always(WireNames.Version, Text("The version of STOMP that it speaks; empty before its CONNECT frame.")),
            Always(ConnectionWire.User, Text("The user; empty for none.")),
            Always(ConnectionWire.ClientId, OrNull(Text("The client-id of its CONNECT frame; null for none."))),
            Always(ConnectionWire.ConnectedAt, Time("When it came.")),
            Always(ConnectionWire.FramesReceived, Count("Frames that came from it.")),
            Always(ConnectionWire.MessagesSent, Count("Messages that it sent.")),
            Always(ConnectionWire.MessagesDelivered, Count("Messages that were sent to it.")),
            Always(ConnectionWire.PendingBytes, Count("Bytes of bodies that wait to be sent to it.")),
            Always(ConnectionWire.Transactions, Count("Its open transactions.")),
            Always(ConnectionWire.Subscriptions, List("Its subscriptions.", Ref("Subscription"))))),
        ("Subscription", Answer(
            "A subscription of a STOMP connection.",
            Always(WireNames.Id, Text("The client's id for it.")),
            Always(ConnectionWire.Destination, Text("The destination, as the client wrote it.")),
            Always(ConnectionWire.Acknowledge, Words("How it acknowledges.", "auto", "client", "client-individual")),
            Always(ConnectionWire.Prefetch, Count("The most messages that it gets unacknowledged; 0 for a topic.")),
            Always(ConnectionWire.Unacknowledged, Count("Messages that it has and has not acknowledged.")),
            Always(ConnectionWire.Delivered, Count("Messages that it got.")),
            Always(WireNames.Dropped, Count("Topic messages that were dropped because it was slow.")))),
    ];
}
