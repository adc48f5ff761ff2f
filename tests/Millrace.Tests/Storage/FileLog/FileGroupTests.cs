using System.Globalization;
using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Tests.Streams;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>Consumer groups over <c>file:</c>. Only written, for no power fails here.</summary>
public sealed class FileGroupTests : GroupSimulation, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    protected override (int Ci, int Full) Histories => (4, 200);

    public void Dispose() => _folder.Dispose();

    internal override async ValueTask<Backend> OpenAsync(int history, TimeProvider clock) => await FileBackend.OpenAsync(
        BackendUrl.Parse($"file:{Uri.EscapeDataString(Path.Combine(_folder.Path, history.ToString(CultureInfo.InvariantCulture)))}?durability=process&segmentBytes=65536"),
        new BackendContext { TimeProvider = clock },
        CancellationToken.None);

    internal override ValueTask CrashAsync(Backend backend) => ((FileBackend)backend).AbandonAsync();
}
