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

    /// <summary>A subscription that is confirmed by a receipt. RabbitMQ creates the queue by it, for which the last two headers are.</summary>
    public static byte[] Subscribe(LoadPlan plan)
    {
        var durable = plan.Persistent ? "durable:true\nauto-delete:false\n" : "";
        return Encoding.UTF8.GetBytes(
            $"SUBSCRIBE\nid:0\ndestination:{plan.Destination}\nack:{plan.Acknowledgement}\nprefetch-count:{Prefetch}\nactivemq.prefetchSize:{Prefetch}\n{durable}receipt:{ReceiptId}\n\n\0");
    }

    public static byte[] Send(LoadPlan plan, bool receipt)
    {
        var durable = plan.Persistent ? "durable:true\nauto-delete:false\n" : "";
        var confirmed = receipt ? $"receipt:{ReceiptId}\n" : "";
        return Encoding.UTF8.GetBytes(
            $"SEND\ndestination:{plan.Destination}\npersistent:{(plan.Persistent ? "true" : "false")}\n{durable}{confirmed}content-length:{plan.BodyBytes}\n\n{new string('x', plan.BodyBytes)}\0");
    }
}
