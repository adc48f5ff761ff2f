using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Testing;
using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;
using Millrace.Testing.Streams;
using Xunit;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>The backend <c>file:</c> on a disk in memory, where a crash is a power cut: what was not flushed is lost in part.</summary>
public class PowerCutFixture : BackendFixture
{
    private readonly SimulatedFileSystem _disk = new(new Random(TestScale.Seed()));
    private readonly Dictionary<Backend, PoweredDisk> _powers = [];

    public override IConformanceClock Clock { get; } = new ManualConformanceClock();

    public override bool CanReopen => true;

    public override IReadOnlyCollection<string> AllowedSkips => [Sharing];

    public override string? StreamPath => Path.GetFullPath("/millrace-simulated/elsewhere");

    public override int StreamSegmentBytes => 4096;

    /// <summary>Options of the URL.</summary>
    protected virtual string Options => "memoryBytes=100000";

    public override async ValueTask<Backend> OpenAsync(CancellationToken cancellationToken)
    {
        var power = new PoweredDisk(_disk);
        var options = FileBackendOptions.Parse(BackendUrl.Parse($"file:///millrace-simulated/data?{Options}&segmentBytes={StreamSegmentBytes}"));
        var backend = await FileBackend.OpenAsync(power, options, new BackendContext { TimeProvider = Clock.TimeProvider });
        _powers.Add(backend, power);
        return backend;
    }

    public override async ValueTask CrashAsync(Backend backend)
    {
        if (TestContext.Current.TestMethod?.MethodName.StartsWith("Q7_", StringComparison.Ordinal) == true)
        {
            // The law speaks of kill -9: a power cut may take back a lease, which is written and not flushed.
            await backend.State!.PutAsync("flushes", new byte[1], expectedVersion: null);
        }

        _powers[backend].Cut();
        await ((FileBackend)backend).AbandonAsync();
        _disk.Crash();
    }
}

/// <summary>The same, where of waiting messages all but the heads of queues are in the files alone.</summary>
public sealed class PowerCutFixtureWithoutMemory : PowerCutFixture
{
    protected override string Options => "memoryBytes=0";
}

public sealed class PowerCutBackendLaws : BackendConformance<PowerCutFixture>;

public sealed class PowerCutQueueLaws : QueueConformance<PowerCutFixture>;

public sealed class PowerCutQueueAdminLaws : QueueAdminConformance<PowerCutFixture>;

public sealed class PowerCutQueueRoutingLaws : QueueRoutingConformance<PowerCutFixture>;

public sealed class PowerCutQueueTransactionLaws : QueueTransactionConformance<PowerCutFixture>;

public sealed class PowerCutLockLaws : LockConformance<PowerCutFixture>;

public sealed class PowerCutStateLaws : StateConformance<PowerCutFixture>;

public sealed class PowerCutStreamLaws : StreamConformance<PowerCutFixture>;

public sealed class PowerCutQueueLawsWithoutMemory : QueueConformance<PowerCutFixtureWithoutMemory>;

public sealed class PowerCutQueueAdminLawsWithoutMemory : QueueAdminConformance<PowerCutFixtureWithoutMemory>;

public sealed class PowerCutQueueTransactionLawsWithoutMemory : QueueTransactionConformance<PowerCutFixtureWithoutMemory>;
