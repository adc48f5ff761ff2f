using Millrace.Hosting;
using Millrace.Testing;
using Xunit;

namespace Millrace.Tests.Hosting;

public sealed class BackgroundLoopTests
{
    private static readonly TimeSpan Patience = TestScale.Patience;

    private readonly ManualTimeProvider _clock = new();

    [Fact]
    public async Task The_body_runs_once_however_often_it_is_started()
    {
        var runs = 0;
        var running = NewSignal();
        await using var loop = new BackgroundLoop("test", async tokens =>
        {
            Interlocked.Increment(ref runs);
            running.TrySetResult();
            await Until(tokens.Draining);
        });

        loop.Start();
        loop.Start();
        await running.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        loop.Start();

        Assert.Equal(LoopStop.Drained, await loop.StopAsync(Patience, TestContext.Current.CancellationToken));
        Assert.Equal(1, runs);
        Assert.True(loop.Completion.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task A_loop_that_was_stopped_refuses_to_start_and_names_itself()
    {
        await using var loop = new BackgroundLoop("renewal of leases", tokens => Until(tokens.Draining));
        loop.Start();
        await loop.StopAsync(Patience, TestContext.Current.CancellationToken);

        var refused = Assert.Throws<InvalidOperationException>(loop.Start);
        Assert.Contains("renewal of leases", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stopping_a_loop_that_never_started_completes_it_and_its_body_never_runs()
    {
        await using var loop = new BackgroundLoop("test", _ => throw new InvalidOperationException("must not run"));

        Assert.Equal(LoopStop.Drained, await loop.StopAsync(Timeout.InfiniteTimeSpan, TestContext.Current.CancellationToken));
        await loop.Completion.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Throws<InvalidOperationException>(loop.Start);
    }

    [Fact]
    public async Task A_start_and_a_stop_at_once_keep_the_body_from_running_or_drain_it()
    {
        await using var loop = new BackgroundLoop("test", tokens => Until(tokens.Draining));
        loop.Start();

        Assert.Equal(LoopStop.Drained, await loop.StopAsync(Timeout.InfiniteTimeSpan, TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.True(loop.Completion.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task A_body_that_returns_ends_the_loop()
    {
        await using var loop = new BackgroundLoop("test", _ => Task.CompletedTask);
        loop.Start();

        await loop.Completion.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Throws<InvalidOperationException>(loop.Start);
        Assert.Equal(LoopStop.Drained, await loop.StopAsync(TimeSpan.Zero, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_stop_drains_first_and_cancels_when_its_deadline_has_passed()
    {
        var running = NewSignal();
        var draining = NewSignal();
        await using var loop = new BackgroundLoop(
            "test",
            async tokens =>
            {
                running.SetResult();
                await Until(tokens.Draining);
                Assert.False(tokens.Stopping.IsCancellationRequested);
                draining.SetResult();
                await Until(tokens.Stopping);
            },
            new BackgroundLoopOptions { TimeProvider = _clock });
        loop.Start();
        await running.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);

        var stop = loop.StopAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        await draining.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        _clock.Advance(TimeSpan.FromSeconds(29));
        Assert.False(loop.Completion.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(LoopStop.Cancelled, await stop.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.True(loop.Completion.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Cancelling_a_stop_ends_its_draining()
    {
        using var hurry = new CancellationTokenSource();
        await using var loop = await StubbornLoopAsync();

        var stop = loop.StopAsync(Timeout.InfiniteTimeSpan, hurry.Token);
        await hurry.CancelAsync();

        Assert.Equal(LoopStop.Cancelled, await stop.WaitAsync(Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Of_two_stops_the_earlier_deadline_counts()
    {
        await using var loop = await StubbornLoopAsync();

        var patient = loop.StopAsync(Timeout.InfiniteTimeSpan, TestContext.Current.CancellationToken);
        var hasty = loop.StopAsync(TimeSpan.Zero, TestContext.Current.CancellationToken);

        Assert.Equal(LoopStop.Cancelled, await hasty.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.Equal(LoopStop.Cancelled, await patient.WaitAsync(Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_body_that_heeds_nothing_is_abandoned_and_logged()
    {
        var log = new RecordingLogger();
        var stuck = NewSignal();
        var entered = NewSignal();
        var loop = new BackgroundLoop(
            "stuck loop",
            async _ =>
            {
                entered.SetResult();
                await stuck.Task;
            },
            new BackgroundLoopOptions { TimeProvider = _clock, Logger = log, CancelTimeout = TimeSpan.FromSeconds(5) });
        loop.Start();
        await entered.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);

        var stop = loop.StopAsync(TimeSpan.Zero, TestContext.Current.CancellationToken);
        _clock.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal(LoopStop.Abandoned, await stop.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.False(loop.Completion.IsCompleted);
        Assert.Contains(log.Entries, entry => entry.Id == 1002 && entry.Text.Contains("stuck loop", StringComparison.Ordinal));
        stuck.SetResult();
        await loop.Completion.WaitAsync(Patience, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_crash_is_logged_and_the_body_started_again_after_growing_pauses()
    {
        var log = new RecordingLogger();
        var runs = 0;
        var recovered = NewSignal();
        await using var loop = new BackgroundLoop(
            "test",
            async tokens =>
            {
                if (Interlocked.Increment(ref runs) <= 3)
                {
                    throw new FormatException($"crash {runs}");
                }

                recovered.SetResult();
                await Until(tokens.Draining);
            },
            new BackgroundLoopOptions { TimeProvider = _clock, Logger = log, RestartDelay = TimeSpan.FromSeconds(1), MaxRestartDelay = TimeSpan.FromSeconds(60) });
        loop.Start();
        for (var crash = 1; crash <= 3; crash++)
        {
            await log.WaitForAsync(1001, crash, TestContext.Current.CancellationToken);
            Assert.Equal(crash, Volatile.Read(ref runs));
            await AdvancePastPauseAsync(TimeSpan.FromSeconds(Math.Pow(2, crash - 1)));
        }

        await recovered.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.All(log.Entries, entry => Assert.IsType<FormatException>(entry.Exception));
    }

    [Fact]
    public async Task A_stop_ends_the_pause_after_a_crash()
    {
        var log = new RecordingLogger();
        await using var loop = new BackgroundLoop(
            "test",
            _ => throw new FormatException("crash"),
            new BackgroundLoopOptions { TimeProvider = _clock, Logger = log, RestartDelay = TimeSpan.FromHours(1), MaxRestartDelay = TimeSpan.FromHours(1) });
        loop.Start();
        await log.WaitForAsync(1001, 1, TestContext.Current.CancellationToken);

        Assert.Equal(LoopStop.Drained, await loop.StopAsync(Timeout.InfiniteTimeSpan, TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.True(loop.Completion.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task A_crash_that_is_not_restarted_ends_the_loop_and_is_reported()
    {
        var log = new RecordingLogger();
        await using var loop = new BackgroundLoop(
            "test",
            _ => throw new FormatException("crash"),
            new BackgroundLoopOptions { RestartAfterCrash = false, Logger = log });
        loop.Start();

        await Assert.ThrowsAsync<FormatException>(() => loop.Completion.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.Equal(1000, Assert.Single(log.Entries).Id);
        Assert.Equal(LoopStop.Drained, await loop.StopAsync(TimeSpan.Zero, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Options_that_cannot_work_are_refused()
    {
        Assert.Throws<MillraceConfigurationException>(() => new BackgroundLoop("test", _ => Task.CompletedTask, new BackgroundLoopOptions { RestartDelay = TimeSpan.Zero }));
        Assert.Throws<MillraceConfigurationException>(() => new BackgroundLoop("test", _ => Task.CompletedTask, new BackgroundLoopOptions { MaxRestartDelay = TimeSpan.FromMilliseconds(1) }));
        Assert.Throws<MillraceConfigurationException>(() => new BackgroundLoop("test", _ => Task.CompletedTask, new BackgroundLoopOptions { CancelTimeout = TimeSpan.FromSeconds(-2) }));
    }

    [Fact]
    public async Task Starts_stops_and_disposals_from_many_threads_leave_one_life()
    {
        var seed = TestScale.Seed();
        for (var iteration = 0; iteration < 5_000; iteration++)
        {
            var random = new Random(seed + iteration);
            var life = new Life(crashes: random.Next(4) == 0);
            var steps = Enumerable.Range(0, 4).Select(_ => random.Next(3)).ToArray();
            using var together = new Barrier(steps.Length);
            await Task.WhenAll(steps.Select(step => Task.Run(() => life.TakeAsync(step, together)))).WaitAsync(Patience, TestContext.Current.CancellationToken);
            await life.Loop.DisposeAsync();
            life.RequireSound($"seed {seed}, iteration {iteration}");
        }
    }

    /// <summary>A loop that runs, and does not drain.</summary>
    private async Task<BackgroundLoop> StubbornLoopAsync()
    {
        var running = NewSignal();
        var loop = new BackgroundLoop(
            "test",
            tokens =>
            {
                running.SetResult();
                return Until(tokens.Stopping);
            },
            new BackgroundLoopOptions { TimeProvider = _clock });
        loop.Start();
        await running.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        return loop;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static async Task Until(CancellationToken token) =>
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    /// <summary>The message is logged just before the timer is set.</summary>
    private async Task AdvancePastPauseAsync(TimeSpan pause)
    {
        await ManualTime.TimersAsync(_clock, 1, TestContext.Current.CancellationToken);
        _clock.Advance(pause);
    }

    /// <summary>A loop under concurrent calls, and what was seen of it.</summary>
    private sealed class Life
    {
        private readonly bool _crashes;
        private int _concurrent;
        private int _runs;
        private int _starts;
        private int _stopReturned;

        public Life(bool crashes)
        {
            _crashes = crashes;
            Loop = new BackgroundLoop("stress", RunAsync);
        }

        public BackgroundLoop Loop { get; }

        public async Task TakeAsync(int step, Barrier together)
        {
            together.SignalAndWait();
            switch (step)
            {
                case 0:
                    Start();
                    return;
                case 1:
                    await Loop.StopAsync(Patience);
                    break;
                default:
                    await Loop.DisposeAsync();
                    break;
            }

            Volatile.Write(ref _stopReturned, 1);
        }

        public void RequireSound(string where)
        {
            Assert.True(Loop.Completion.IsCompleted, where);
            Assert.True(_runs <= 1 && _runs <= _starts, $"{where}: {_runs} runs after {_starts} starts");
            Assert.False(Loop.Completion.IsFaulted && !(_crashes && Loop.Completion.Exception!.GetBaseException() is FormatException), $"{where}: {Loop.Completion.Exception}");
            Assert.Throws<InvalidOperationException>(Loop.Start);
        }

        private void Start()
        {
            try
            {
                Loop.Start();
                Interlocked.Increment(ref _starts);
            }
            catch (InvalidOperationException)
            {
                // A stop was first.
            }
        }

        private async Task RunAsync(LoopTokens tokens)
        {
            Assert.Equal(1, Interlocked.Increment(ref _concurrent));
            Assert.Equal(0, Volatile.Read(ref _stopReturned));
            Interlocked.Increment(ref _runs);
            try
            {
                await Until(tokens.Draining);
                if (_crashes)
                {
                    throw new FormatException("crash while stopping");
                }
            }
            finally
            {
                Interlocked.Decrement(ref _concurrent);
            }
        }
    }
}
