using Millrace.Server.Hosting;
using Millrace.Server.Security;
using Millrace.Stomp;

namespace Millrace.Server;

/// <summary>Where a node serves STOMP, and which of its instances. Beside these addresses it takes WebSockets at <c>/stomp</c> of its HTTP addresses. Validated when the server starts.</summary>
public sealed class StompServerOptions
{
    /// <summary>
    /// Where to listen; <c>stomp://127.0.0.1:61613</c> unless set. <c>stomps://</c> is TLS with the server's certificate. Port 0 takes a free one, see
    /// <see cref="MillraceServer.Addresses"/>. Empty: over WebSocket only.
    /// </summary>
    public IList<string> Urls { get; } = ["stomp://127.0.0.1:61613"];

    /// <summary>The instance, of those that are served, whose queues and channels the clients reach; <c>default</c> unless set.</summary>
    public string Instance { get; set; } = "default";

    /// <summary>How the broker behaves, and what it bounds.</summary>
    public StompOptions Options { get; set; } = new();

    /// <summary>What is wrong with the addresses.</summary>
    internal IEnumerable<string> FindUrlFaults(SecurityOptions security) =>
        Urls.Select(url => ListenUrl.FindStompFault(url) ?? ServerSecurity.FindFault(url, security)).OfType<string>();

    internal static string DescribeUnknownInstance(string name, IEnumerable<string> instances) =>
        $"STOMP cannot be served on the instance '{name}', which is not configured. Configured are {string.Join(", ", instances.Order(StringComparer.Ordinal).DefaultIfEmpty("none"))}.";
}
