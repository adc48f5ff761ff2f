using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Testing;

namespace Millrace.Tests.Storage.FileLog.Journal;

/// <summary>
/// The backend <c>file:</c> on a folder of its own, with small files, so that checkpoints and moves happen all the time, and a fake clock. A crash leaves what was handed to the operating
/// system: a copy of the folder as it is.
/// </summary>
public class JournalFixture : BackendFixture
{
    private readonly List<string> _folders = [Directory.CreateTempSubdirectory("millrace-journal-").FullName];

    public override IConformanceClock Clock { get; } = new ManualConformanceClock();

    public override bool CanReopen => true;

    public override IReadOnlyCollection<string> AllowedSkips => [Sharing];

    protected virtual string Options => "segmentBytes=8192";

    public override async ValueTask<Backend> OpenAsync(CancellationToken cancellationToken) => await FileBackend.OpenAsync(
        BackendUrl.Parse($"file:{_folders[^1]}?{Options}"), new BackendContext { TimeProvider = Clock.TimeProvider }, cancellationToken);

    public override ValueTask CrashAsync(Backend backend)
    {
        var copy = Directory.CreateTempSubdirectory("millrace-journal-").FullName;
        foreach (var file in Directory.EnumerateFiles(_folders[^1], "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(copy, Path.GetRelativePath(_folders[^1], file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            if (!Path.GetFileName(file).Contains("lock", StringComparison.Ordinal))
            {
                File.Copy(file, target);
            }
        }

        _folders.Add(copy);
        return default;
    }

    public override ValueTask DisposeAsync()
    {
        foreach (var folder in _folders)
        {
            Directory.Delete(folder, recursive: true);
        }

        GC.SuppressFinalize(this);
        return base.DisposeAsync();
    }
}

/// <summary>The same with no memory for messages: all but the heads of queues are in the files alone.</summary>
public sealed class JournalFixtureWithoutMemory : JournalFixture
{
    protected override string Options => "segmentBytes=8192&memoryBytes=0";
}
