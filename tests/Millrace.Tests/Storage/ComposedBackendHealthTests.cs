using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Storage;

/// <summary>A backend of several stores is as healthy as the worst of them.</summary>
public sealed class ComposedBackendHealthTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task SeveralProbes_AreAllAsked_TheWorstCounts_AndEachIsNamed()
    {
        var (locks, state) = (new ProbedLocks("the disk is gone", durationMs: 5), new ProbedState(null, durationMs: 70));
        await using var backend = Backend.Of("composed", locks, state);

        var report = await backend.Health.ProbeAsync(Cancellation);

        Assert.Equal((1, 1), (locks.Probes, state.Probes));
        Assert.Equal((false, "locks: the disk is gone", TimeSpan.FromMilliseconds(70)), (report.IsHealthy, report.Error, report.Duration));
        Assert.Equal(
            new Dictionary<string, string> { ["locks"] = "unhealthy", ["locks.probed"] = "ProbedLocks", ["state"] = "healthy", ["state.probed"] = "ProbedState" },
            report.Details);

        state.Error = "the power is out";
        Assert.Equal("locks: the disk is gone; state: the power is out", (await backend.Health.ProbeAsync(Cancellation)).Error);

        (locks.Error, state.Error) = (null, null);
        report = await backend.Health.ProbeAsync(Cancellation);
        Assert.Equal((true, null, null), (report.IsHealthy, report.Error, report.Warning));

        state.Warning = "a file is damaged";
        report = await backend.Health.ProbeAsync(Cancellation);
        Assert.Equal((true, "state: a file is damaged"), (report.IsHealthy, report.Warning));
    }

    [Fact]
    public async Task OneProbe_SpeaksForItself()
    {
        var state = new ProbedState("the power is out", durationMs: 1);
        await using var backend = Backend.Of("composed", new BareLocks(), state);

        var report = await backend.Health.ProbeAsync(Cancellation);

        Assert.Equal((false, "the power is out"), (report.IsHealthy, report.Error));
        Assert.Equal(new Dictionary<string, string> { ["probed"] = "ProbedState" }, report.Details);
    }

    [Fact]
    public async Task WithoutAProbe_ThatIsSaid()
    {
        await using var backend = Backend.Of("composed", new BareLocks());

        var report = await backend.Health.ProbeAsync(Cancellation);

        Assert.True(report.IsHealthy);
        Assert.StartsWith("none", report.Details["probe"], StringComparison.Ordinal);
    }

    private class BareLocks : ILockStore
    {
        public ValueTask<LockGrant?> TryAcquireAsync(string name, string owner, TimeSpan leaseDuration, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<bool> RenewAsync(string name, string owner, long fencingToken, TimeSpan leaseDuration, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<bool> ReleaseAsync(string name, string owner, long fencingToken, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<LockHolder?> InspectAsync(string name, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask WaitForReleaseAsync(string name, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    }

    private sealed class ProbedLocks(string? error, int durationMs) : BareLocks, IHealthProbe
    {
        public string? Error { get; set; } = error;

        public int Probes { get; private set; }

        public ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
        {
            Probes++;
            return new(ReportOf(Error, durationMs, nameof(ProbedLocks)));
        }
    }

    private sealed class ProbedState(string? error, int durationMs) : IStateStore, IHealthProbe
    {
        public string? Error { get; set; } = error;

        public string? Warning { get; set; }

        public int Probes { get; private set; }

        public ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
        {
            Probes++;
            return new(ReportOf(Error, durationMs, nameof(ProbedState)) with { Warning = Warning });
        }

        public ValueTask<StateDocument?> GetAsync(string key, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<StateWriteResult> PutAsync(string key, ReadOnlyMemory<byte> value, long? expectedVersion, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<StateWriteResult> DeleteAsync(string key, long? expectedVersion, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<StatePage> ListAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<long> WaitForChangeAsync(string prefix, long revision, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    }

    private static HealthReport ReportOf(string? error, int durationMs, string probed) =>
        new(error is null, TimeSpan.FromMilliseconds(durationMs), error, new Dictionary<string, string> { ["probed"] = probed });
}
