using Millrace.Storage;

namespace Millrace.Testing;

/// <summary>
/// What the author of a backend writes once so that the conformance suites can run it: how to open it, and what it cannot do. Each test makes a fixture of
/// its own, which stands for one set of data (a file, a database, a key prefix), and disposes it at the end.
/// </summary>
/// <remarks>
/// <para>Binding a backend is a fixture and a line a suite:</para>
/// <code>
/// public sealed class SimpleFixture : BackendFixture
/// {
///     private readonly string _file = Path.GetTempFileName();
///
///     public override IConformanceClock Clock { get; } = new ManualConformanceClock();
///
///     public override bool CanReopen => true;
///
///     public override async ValueTask&lt;Backend&gt; OpenAsync(CancellationToken cancellationToken) =>
///         await SimpleBackend.OpenAsync(_file, Clock.TimeProvider, cancellationToken);
///
///     public override ValueTask DisposeAsync() { File.Delete(_file); return default; }
/// }
///
/// public sealed class SimpleBackendTests : BackendConformance&lt;SimpleFixture&gt;;      // health, and that every contract below is bound
/// public sealed class SimpleQueueTests : QueueConformance&lt;SimpleFixture&gt;;          // Q1–Q12
/// public sealed class SimpleQueueAdminTests : QueueAdminConformance&lt;SimpleFixture&gt;;
/// public sealed class SimpleStreamTests : StreamConformance&lt;SimpleFixture&gt;;        // S1–S5, S8, S9
/// public sealed class SimpleStateTests : StateConformance&lt;SimpleFixture&gt;;          // V1–V3
/// </code>
/// <para>
/// A law that the backend does not keep (see <see cref="QueueCapabilities.Features"/>) shows as a skipped test with a reason that starts with <c>law Q8</c>, and
/// only if <see cref="AllowedSkips"/> names it; any other skip is a failure.
/// </para>
/// </remarks>
public abstract class BackendFixture : IAsyncDisposable
{
    /// <summary>In <see cref="AllowedSkips"/>: the tests that close the backend and open it again on the same data.</summary>
    public const string Reopening = "reopening";

    /// <summary>In <see cref="AllowedSkips"/>: the tests that work on the same data through two openings at once.</summary>
    public const string Sharing = "sharing";

    /// <summary>The time of the tests. The backend must be opened with its <see cref="IConformanceClock.TimeProvider"/> if it takes one.</summary>
    public abstract IConformanceClock Clock { get; }

    /// <summary>Whether the data outlives the backend that wrote it: a later <see cref="OpenAsync"/> finds it. False unless overridden.</summary>
    public virtual bool CanReopen => false;

    /// <summary>Laws (such as <c>Q8</c>) and needs (<see cref="Reopening"/>, <see cref="Sharing"/>, or the name of a missing contract) whose tests may be skipped. Empty unless overridden.</summary>
    public virtual IReadOnlyCollection<string> AllowedSkips => [];

    /// <summary>A folder that a stream store with files may be told to use for one stream (law S3); null for a store without files, which refuses a path. Null unless overridden.</summary>
    public virtual string? StreamPath => null;

    /// <summary>
    /// How many bytes of records a stream store frees together, such as the size of its segments: it may keep so much more than retention asks for (law S5). The suite appends a
    /// few times as much, so make it small in tests. Zero, for a store that keeps exactly what it must, unless overridden.
    /// </summary>
    public virtual int StreamSegmentBytes => 0;

    /// <summary>Opens the backend: on empty data the first time, and on the same data, as another process would, each further time. The suite disposes what it is given.</summary>
    public abstract ValueTask<Backend> OpenAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Ends <paramref name="backend"/> as the death of its process would: no clean stop, nothing flushed, leases left behind. Unless overridden, the backend is just abandoned, which
    /// is right for one that writes nothing by itself and holds no exclusive lock on its data.
    /// </summary>
    public virtual ValueTask CrashAsync(Backend backend) => default;

    /// <summary>Removes the data. Called after every opening has been disposed.</summary>
    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return default;
    }
}
