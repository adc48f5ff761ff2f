using Microsoft.Extensions.Hosting;

namespace Millrace.Server.Hosting;

/// <summary>The server starts and stops when its owner says so: a library does not take the signals of a process, as the host's own lifetime would.</summary>
internal sealed class EmbeddedLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
