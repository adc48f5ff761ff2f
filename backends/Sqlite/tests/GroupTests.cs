using System.Globalization;
using Millrace.Storage;
using Millrace.Tests.Streams;

namespace Millrace.Sqlite.Tests;

/// <summary>Consumer groups over <c>sqlite:</c>. Only written, for no power fails here.</summary>
public sealed class GroupTests : GroupSimulation, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    protected override (int Ci, int Full) Histories => (3, 200);

    public void Dispose() => _folder.Dispose();

    internal override async ValueTask<Backend> OpenAsync(int history, TimeProvider clock) => await SqliteBackend.OpenAsync(
        BackendUrl.Parse($"sqlite:{Uri.EscapeDataString(Path.Combine(_folder.Path, history.ToString(CultureInfo.InvariantCulture)))}.db?durability=process"),
        new BackendContext { TimeProvider = clock },
        CancellationToken.None);

    internal override ValueTask CrashAsync(Backend backend) => ((SqliteBackend)backend).Store.AbandonAsync();
}
