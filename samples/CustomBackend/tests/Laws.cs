using Millrace.Storage;
using Millrace.Testing;
using Millrace.Testing.Streams;

namespace CustomBackend.Tests;

public sealed class SimpleFixture : BackendFixture
{
    public override IConformanceClock Clock { get; } = new ManualConformanceClock();

    public override IReadOnlyCollection<string> AllowedSkips => [Reopening, Sharing];

    public override ValueTask<Backend> OpenAsync(CancellationToken cancellationToken) =>
        new(Backend.Of("simple", new SimpleStreamStore(Clock.TimeProvider)));
}

public sealed class JsonFixture : BackendFixture
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-json-");

    public override IConformanceClock Clock { get; } = new ManualConformanceClock();

    public override bool CanReopen => true;

    public override IReadOnlyCollection<string> AllowedSkips => [Sharing];

    public override ValueTask<Backend> OpenAsync(CancellationToken cancellationToken) =>
        new(Backend.Of("json", new JsonStreamStore(_folder.FullName, Clock.TimeProvider)));

    // Every append is on the disk when it returns, and closing writes nothing: a clean stop differs from a crash only in that the files are free again.
    public override ValueTask CrashAsync(Backend backend) => backend.DisposeAsync();

    public override ValueTask DisposeAsync()
    {
        _folder.Delete(recursive: true);
        return base.DisposeAsync();
    }
}

public sealed class SimpleBackendLaws : BackendConformance<SimpleFixture>;

public sealed class SimpleStreamLaws : StreamConformance<SimpleFixture>;

public sealed class JsonBackendLaws : BackendConformance<JsonFixture>;

public sealed class JsonStreamLaws : StreamConformance<JsonFixture>;
