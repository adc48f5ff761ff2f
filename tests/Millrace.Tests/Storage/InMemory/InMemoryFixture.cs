using Millrace.Storage;
using Millrace.Storage.InMemory;
using Millrace.Testing;

namespace Millrace.Tests.Storage.InMemory;

/// <summary>The backend <c>memory:</c> on a fake clock. It lives in one process and ends with it, so there is nothing to reopen and nobody to share with.</summary>
public sealed class InMemoryFixture : BackendFixture
{
    public override IConformanceClock Clock { get; } = new ManualConformanceClock();

    public override IReadOnlyCollection<string> AllowedSkips => [Reopening, Sharing];

    public override ValueTask<Backend> OpenAsync(CancellationToken cancellationToken) =>
        InMemoryBackend.OpenAsync(BackendUrl.Parse("memory:"), new BackendContext { TimeProvider = Clock.TimeProvider }, cancellationToken);
}
