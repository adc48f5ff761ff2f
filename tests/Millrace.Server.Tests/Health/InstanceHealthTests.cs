using Microsoft.Extensions.Logging;
using Millrace.Server.Health;
using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Health;

public sealed class InstanceHealthTests : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan CacheTime = TimeSpan.FromSeconds(1);
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    private readonly ManualTimeProvider _clock = new();
    private readonly RecordingLogger _log = new();

    public void Dispose() => _log.Dispose();

    [Fact]
    public async Task AProbe_IsAskedOnce_UntilItsOutcomeIsOld()
    {
        var backend = new FakeBackend(_ => new(FakeBackend.Healthy));
        var health = Create(backend);

        for (var i = 0; i < 100; i++)
        {
            Assert.True((await health.CheckAsync(Token)).IsHealthy);
        }

        Assert.Equal(1, backend.Probes);
        _clock.Advance(CacheTime);
        await health.CheckAsync(Token);
        Assert.Equal(2, backend.Probes);
    }

    [Fact]
    public async Task ManyWhoAskAtOnce_ShareOneProbe()
    {
        var answer = new TaskCompletionSource<HealthReport>(TaskCreationOptions.RunContinuationsAsynchronously);
        var backend = new FakeBackend(_ => new(answer.Task));
        var health = Create(backend);

        var checks = Enumerable.Range(0, 50).Select(_ => health.CheckAsync(Token).AsTask()).ToList();
        answer.SetResult(FakeBackend.Healthy);

        Assert.All(await Task.WhenAll(checks), check => Assert.True(check.IsHealthy));
        Assert.Equal(1, backend.Probes);
    }

    [Fact]
    public async Task AProbeThatHangs_TimesOut_AndIsNotJoinedByASecondOne()
    {
        var answer = new TaskCompletionSource<HealthReport>(TaskCreationOptions.RunContinuationsAsynchronously);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var backend = new FakeBackend(_ =>
        {
            begun.TrySetResult();
            return new(answer.Task);
        });
        var health = Create(backend);
        var first = health.CheckAsync(Token).AsTask();
        await begun.Task.WaitAsync(TestScale.Patience, Token);

        _clock.Advance(Timeout);
        var timedOut = await first.WaitAsync(TestScale.Patience, Token);
        for (var i = 0; i < 5; i++)
        {
            // Beyond the cache time it is known at once that the probe hangs still.
            _clock.Advance(CacheTime);
            Assert.Equal(HealthCheck.TimedOut, (await health.CheckAsync(Token)).Failure);
        }

        Assert.Equal((false, HealthCheck.TimedOut, Timeout), (timedOut.IsHealthy, timedOut.Failure, timedOut.Duration));
        Assert.Contains("2000 ms", timedOut.Error, StringComparison.Ordinal);
        Assert.Equal(1, backend.Probes);
        Assert.Single(_log.Entries, entry => entry.Id == 2210);

        answer.SetResult(FakeBackend.Healthy);
        _clock.Advance(CacheTime);
        await WaitForHealthyAsync(health);
        Assert.Equal(2, backend.Probes);
        Assert.Single(_log.Entries, entry => entry.Id == 2211);
    }

    [Fact]
    public async Task AProbeThatBlocksItsThread_DoesNotHoldWhoAsks()
    {
        using var gate = new ManualResetEventSlim();
        var backend = new FakeBackend(_ =>
        {
            gate.Wait(CancellationToken.None);
            return new(FakeBackend.Healthy);
        });
        var health = Create(backend);

        var check = health.CheckAsync(Token).AsTask();
        _clock.Advance(Timeout);

        Assert.Equal(HealthCheck.TimedOut, (await check.WaitAsync(TestScale.Patience, Token)).Failure);
        gate.Set();
    }

    [Fact]
    public async Task AProbeThatHeedsItsToken_TimesOutToo()
    {
        var health = Create(new FakeBackend(async token =>
        {
            await Task.Delay(System.Threading.Timeout.InfiniteTimeSpan, TimeProvider.System, token);
            return FakeBackend.Healthy;
        }));

        var check = health.CheckAsync(Token).AsTask();
        _clock.Advance(Timeout);

        Assert.Equal(HealthCheck.TimedOut, (await check.WaitAsync(TestScale.Patience, Token)).Failure);
    }

    [Fact]
    public async Task AProbeThatThrows_IsAFailure_ThatIsLoggedAndNotRepeated()
    {
        var health = Create(new FakeBackend(_ => throw new InvalidOperationException("hunter2")));

        var check = await health.CheckAsync(Token);

        Assert.Equal((false, HealthCheck.Failed), (check.IsHealthy, check.Failure));
        Assert.DoesNotContain("hunter2", check.Error, StringComparison.Ordinal);
        Assert.Single(_log.Entries, entry => entry.Id == 2212 && entry.Level == LogLevel.Error);
    }

    [Fact]
    public async Task WhoGoesAway_DoesNotEndTheProbeOfTheOthers()
    {
        var answer = new TaskCompletionSource<HealthReport>(TaskCreationOptions.RunContinuationsAsynchronously);
        var health = Create(new FakeBackend(_ => new(answer.Task)));
        using var leaving = new CancellationTokenSource();
        var first = health.CheckAsync(leaving.Token).AsTask();
        var second = health.CheckAsync(Token).AsTask();

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        answer.SetResult(FakeBackend.Healthy);

        Assert.True((await second).IsHealthy);
    }

    private InstanceHealth Create(FakeBackend backend) => new("test", () => backend, Timeout, CacheTime, _clock, _log);

    // The old probe ends on a thread of its own.
    private async Task WaitForHealthyAsync(InstanceHealth health)
    {
        while (!(await health.CheckAsync(Token)).IsHealthy)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
            _clock.Advance(CacheTime);
        }
    }
}
