using Millrace.Storage;
using Millrace.Storage.InMemory;

namespace Millrace.Tests.Streams;

/// <summary>Consumer groups over <c>memory:</c>.</summary>
public sealed class GroupSimulationTests : GroupSimulation
{
    protected override (int Ci, int Full) Histories => (60, 2000);

    protected override bool CanCrash => false;

    internal override async ValueTask<Backend> OpenAsync(int history, TimeProvider clock) =>
        await InMemoryBackend.OpenAsync(BackendUrl.Parse("memory:"), new BackendContext { TimeProvider = clock }, default);
}
