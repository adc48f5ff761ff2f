using System.IO.Pipelines;
using Millrace.Stomp.Sessions;

namespace Millrace.Stomp.Connections;

/// <summary>One connection.</summary>
internal sealed class StompConnection(BrokerResources resources, IDuplexPipe transport, StompPeer peer, Action abort)
{
    public string Id { get; } = Guid.CreateVersion7().ToString("N");

    public StompConnectionInfo Describe() => throw new NotSupportedException($"{peer} {resources}");

    public void Close(CloseReason reason) => abort();

    public Task RefuseAsync(string summary, string detail) => transport.Output.CompleteAsync().AsTask();

    public Task RunAsync(CancellationToken aborted) => RefuseAsync("", aborted.ToString()!);

    public Task StopAsync(TimeSpan timeout) => RefuseAsync("", timeout.ToString());
}
