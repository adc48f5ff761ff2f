using Millrace.Tests.Kill;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>Processes that are killed while they work on <c>file:</c>, with small segments and hardly any memory.</summary>
public sealed class KillTests : KillLoop, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    protected override int FullRounds => 100;

    public void Dispose() => _folder.Dispose();

    protected override string UrlOf(string durability) => _folder.Url($"durability={durability}&segmentBytes=65536&memoryBytes=10000");
}
