using System.Text;

namespace Millrace.Bench.Stomp;

/// <summary>The frames that the generator sends, as bytes.</summary>
internal static class StompFrames
{
    /// <summary>
    /// How many messages a broker may have under way to one consumer, said to each in its own header: <c>prefetch-count</c> (RabbitMQ, Millrace) and
    /// <c>activemq.prefetchSize</c>. As many as the window has, so that it is the window that bounds them.
    /// </summary>
    private const int Prefetch = 1000;

    /// <summary>Receipts need not tell apart what they are for: a connection's come in order.</summary>
    private const string ReceiptId = "1";

    public static byte[] Connect(StompEndpoint endpoint, int heartBeatMs) => Encoding.UTF8.GetBytes(
        $"CONNECT\naccept-version:1.2\nhost:/\nlogin:{endpoint.Login}\npasscode:{endpoint.Passcode}\nheart-beat:{heartBeatMs},{heartBeatMs}\n\n\0");

    /// <summary>A subscription that is confirmed by a receipt. RabbitMQ creates the queue by it: one that outlives the broker, as its default is too.</summary>
    public static byte[] Subscribe(LoadPlan plan, bool isRabbitMq)
    {
        var queue = isRabbitMq && !plan.IsTopic ? "durable:true\nauto-delete:false\n" : "";
        return Encoding.UTF8.GetBytes(
            $"SUBSCRIBE\nid:0\ndestination:{plan.Destination}\nack:{plan.Acknowledgement}\nprefetch-count:{Prefetch}\nactivemq.prefetchSize:{Prefetch}\n{queue}receipt:{ReceiptId}\n\n\0");
    }

    /// <summary>
    /// A message. To RabbitMQ <c>persistent:false</c> would mean that the queue is to be one of this connection alone, and be refused where it is not; without that header
    /// its messages are not persistent either.
    /// </summary>
    public static byte[] Send(LoadPlan plan, bool isRabbitMq, bool receipt)
    {
        var persistence = plan.Persistent ? "persistent:true\n" : isRabbitMq ? "" : "persistent:false\n";
        var confirmed = receipt ? $"receipt:{ReceiptId}\n" : "";
        return Encoding.UTF8.GetBytes(
            $"SEND\ndestination:{plan.Destination}\n{persistence}{confirmed}content-length:{plan.BodyBytes}\n\n{new string('x', plan.BodyBytes)}\0");
    }
}
