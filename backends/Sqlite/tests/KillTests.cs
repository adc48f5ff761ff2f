using Millrace.Tests.Kill;

namespace Millrace.Sqlite.Tests;

/// <summary>Processes that are killed while they work on <c>sqlite:</c>.</summary>
public sealed class KillTests : KillLoop, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    protected override int FullRounds => 50;

    public void Dispose() => _folder.Dispose();

    protected override string UrlOf(string durability) => _folder.Url($"durability={durability}");
}
