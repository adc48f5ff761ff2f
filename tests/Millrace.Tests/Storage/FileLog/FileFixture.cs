using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Testing;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>The backend <c>file:</c> on a folder of its own, with small segments and a fake clock.</summary>
public class FileFixture : BackendFixture
{
    private readonly TemporaryFolder _folder = new();

    public override IConformanceClock Clock { get; } = new ManualConformanceClock();

    public override bool CanReopen => true;

    public override IReadOnlyCollection<string> AllowedSkips => [Sharing];

    public override string? StreamPath => Path.Combine(_folder.Path, "elsewhere");

    public override int StreamSegmentBytes => 4096;

    /// <summary>Options of the URL.</summary>
    protected virtual string Options => "durability=full";

    public override async ValueTask<Backend> OpenAsync(CancellationToken cancellationToken) => await FileBackend.OpenAsync(
        BackendUrl.Parse(_folder.Url($"{Options}&segmentBytes={StreamSegmentBytes}")),
        new BackendContext { TimeProvider = Clock.TimeProvider },
        cancellationToken);

    public override ValueTask CrashAsync(Backend backend) => ((FileBackend)backend).AbandonAsync();

    public override ValueTask DisposeAsync()
    {
        _folder.Dispose();
        GC.SuppressFinalize(this);
        return base.DisposeAsync();
    }
}

/// <summary>The same, where an append is only written.</summary>
public sealed class FileFixtureForProcesses : FileFixture
{
    protected override string Options => "durability=process";
}

/// <summary>The same, where of waiting messages all but the heads of queues are in the files alone.</summary>
public sealed class FileFixtureWithoutMemory : FileFixture
{
    protected override string Options => "memoryBytes=0";
}
