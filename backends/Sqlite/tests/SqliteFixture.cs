using Millrace.Sqlite.Streams;
using Millrace.Storage;
using Millrace.Testing;

namespace Millrace.Sqlite.Tests;

/// <summary>The backend <c>sqlite:</c> on a file of its own and a fake clock. A second opening works on the same file, as another process would.</summary>
public sealed class SqliteFixture : BackendFixture
{
    private readonly TemporaryFolder _folder = new();

    public override IConformanceClock Clock { get; } = new ManualConformanceClock();

    public override bool CanReopen => true;

    public override int StreamSegmentBytes => RecordCodec.RowBytes;

    public override async ValueTask<Backend> OpenAsync(CancellationToken cancellationToken) =>
        await SqliteBackend.OpenAsync(BackendUrl.Parse(_folder.Url()), new BackendContext { TimeProvider = Clock.TimeProvider }, cancellationToken);

    public override ValueTask CrashAsync(Backend backend) => ((SqliteBackend)backend).Store.AbandonAsync();

    public override ValueTask DisposeAsync()
    {
        _folder.Dispose();
        return base.DisposeAsync();
    }
}
