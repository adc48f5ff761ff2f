using Millrace.Testing;
using Xunit;

namespace Millrace.Tests.Testing;

public sealed class ManualTimeProviderTests
{
    private readonly ManualTimeProvider _clock = new();

    [Fact]
    public void Stands_still_until_advanced()
    {
        var before = _clock.GetUtcNow();
        var timestamp = _clock.GetTimestamp();
        Assert.Equal(before, _clock.GetUtcNow());

        _clock.Advance(TimeSpan.FromMinutes(90));

        Assert.Equal(before.AddMinutes(90), _clock.GetUtcNow());
        Assert.Equal(TimeSpan.FromMinutes(90), _clock.GetElapsedTime(timestamp));
        Assert.Throws<ArgumentOutOfRangeException>(() => _clock.Advance(TimeSpan.FromTicks(-1)));
    }

    [Fact]
    public void Starts_where_told()
    {
        var start = new DateTimeOffset(2001, 2, 3, 4, 5, 6, TimeSpan.FromHours(2));
        Assert.Equal(start, new ManualTimeProvider(start).GetUtcNow());
    }

    [Fact]
    public void Timers_fire_in_due_order_with_the_clock_at_their_due_time()
    {
        var fired = new List<(string Name, double Second)>();
        var start = _clock.GetUtcNow();
        void Note(object? name) => fired.Add(((string)name!, (_clock.GetUtcNow() - start).TotalSeconds));
        using var c = _clock.CreateTimer(Note, "c", TimeSpan.FromSeconds(3), Timeout.InfiniteTimeSpan);
        using var a = _clock.CreateTimer(Note, "a", TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        using var b1 = _clock.CreateTimer(Note, "b1", TimeSpan.FromSeconds(2), Timeout.InfiniteTimeSpan);
        using var b2 = _clock.CreateTimer(Note, "b2", TimeSpan.FromSeconds(2), Timeout.InfiniteTimeSpan);
        using var later = _clock.CreateTimer(Note, "later", TimeSpan.FromSeconds(11), Timeout.InfiniteTimeSpan);
        Assert.Equal(5, _clock.ActiveTimers);

        _clock.Advance(TimeSpan.FromSeconds(10));

        Assert.Equal([("a", 1), ("b1", 2), ("b2", 2), ("c", 3)], fired);
        Assert.Equal(1, _clock.ActiveTimers);
    }

    [Fact]
    public void A_timer_fires_exactly_at_its_due_time()
    {
        var fired = 0;
        using var timer = _clock.CreateTimer(_ => fired++, null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        _clock.Advance(TimeSpan.FromSeconds(1) - TimeSpan.FromTicks(1));
        Assert.Equal(0, fired);
        _clock.Advance(TimeSpan.FromTicks(1));
        Assert.Equal(1, fired);
    }

    [Fact]
    public void Timers_created_in_a_callback_fire_within_the_same_advance()
    {
        var seconds = new List<double>();
        var start = _clock.GetUtcNow();
        void Chain(object? state)
        {
            seconds.Add((_clock.GetUtcNow() - start).TotalSeconds);
            _clock.CreateTimer(Chain, null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        }

        _clock.CreateTimer(Chain, null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        _clock.Advance(TimeSpan.FromSeconds(3.5));

        Assert.Equal([1, 2, 3], seconds);
    }

    [Fact]
    public void It_tells_how_far_the_next_timer_is_away()
    {
        Assert.Null(_clock.UntilNextTimer);
        var near = _clock.CreateTimer(_ => { }, null, TimeSpan.FromSeconds(2), Timeout.InfiniteTimeSpan);
        var far = _clock.CreateTimer(_ => { }, null, TimeSpan.FromSeconds(9), Timeout.InfiniteTimeSpan);
        _clock.Advance(TimeSpan.FromSeconds(0.5));
        Assert.Equal(TimeSpan.FromSeconds(1.5), _clock.UntilNextTimer);

        near.Change(TimeSpan.FromSeconds(5), Timeout.InfiniteTimeSpan);
        Assert.Equal(TimeSpan.FromSeconds(5), _clock.UntilNextTimer);
        near.Dispose();
        Assert.Equal(TimeSpan.FromSeconds(8.5), _clock.UntilNextTimer);
        far.Dispose();
        Assert.Null(_clock.UntilNextTimer);
    }

    [Fact]
    public void A_periodic_timer_fires_once_a_period_until_disposed()
    {
        var fired = 0;
        var timer = _clock.CreateTimer(_ => fired++, null, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(2));
        _clock.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(3, fired);

        timer.Dispose();
        _clock.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(3, fired);
        Assert.Equal(0, _clock.ActiveTimers);
        Assert.False(timer.Change(TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan));
    }

    [Fact]
    public void Changing_a_timer_replaces_its_due_time()
    {
        var fired = 0;
        using var timer = _clock.CreateTimer(_ => fired++, null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        Assert.True(timer.Change(TimeSpan.FromSeconds(3), Timeout.InfiniteTimeSpan));
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(0, fired);
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, fired);

        timer.Change(TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _clock.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(1, fired);
    }

    [Fact]
    public async Task A_due_time_of_zero_fires_without_an_advance_and_not_on_the_callers_stack()
    {
        var gate = new Lock();
        var fired = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        ITimer timer;
        lock (gate)
        {
            timer = _clock.CreateTimer(_ => fired.TrySetResult(gate.IsHeldByCurrentThread), null, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }

        Assert.False(await fired.Task.WaitAsync(TestScale.Patience, TestContext.Current.CancellationToken));
        await timer.DisposeAsync();
    }

    [Fact]
    public void Advances_within_a_callback_add_up()
    {
        var start = _clock.GetUtcNow();
        using var timer = _clock.CreateTimer(_ => _clock.Advance(TimeSpan.FromSeconds(5)), null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(start.AddSeconds(7), _clock.GetUtcNow());
    }

    [Fact]
    public async Task Advances_of_many_threads_add_up_and_each_timer_fires_once()
    {
        const int Threads = 4;
        const int Steps = 500;
        var start = _clock.GetUtcNow();
        var fired = 0;
        var timers = Enumerable.Range(1, Threads * Steps)
            .Select(i => _clock.CreateTimer(_ => Interlocked.Increment(ref fired), null, TimeSpan.FromMilliseconds(i), Timeout.InfiniteTimeSpan))
            .ToList();

        await Task.WhenAll(Enumerable.Range(0, Threads).Select(_ => Task.Run(
            () =>
            {
                for (var i = 0; i < Steps; i++)
                {
                    _clock.Advance(TimeSpan.FromMilliseconds(1));
                }
            },
            TestContext.Current.CancellationToken)));

        Assert.Equal(start.AddMilliseconds(Threads * Steps), _clock.GetUtcNow());
        Assert.Equal(Threads * Steps, fired);
        timers.ForEach(timer => timer.Dispose());
    }

    [Fact]
    public async Task Task_delay_and_cancellation_run_on_it()
    {
        var delay = Task.Delay(TimeSpan.FromSeconds(30), _clock, TestContext.Current.CancellationToken);
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(60), _clock);
        _clock.Advance(TimeSpan.FromSeconds(29));
        Assert.False(delay.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(1));
        await delay.WaitAsync(TestScale.Patience, TestContext.Current.CancellationToken);
        Assert.False(timeout.IsCancellationRequested);
        _clock.Advance(TimeSpan.FromSeconds(30));
        Assert.True(timeout.IsCancellationRequested);
    }

    [Fact]
    public async Task Disposing_asynchronously_waits_for_a_callback_that_runs()
    {
        using var entered = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        var timer = _clock.CreateTimer(
            _ =>
            {
                entered.Set();
                leave.Wait(TimeSpan.FromSeconds(10));
            },
            null,
            TimeSpan.FromSeconds(1),
            Timeout.InfiniteTimeSpan);
        var advance = Task.Run(() => _clock.Advance(TimeSpan.FromSeconds(1)), TestContext.Current.CancellationToken);
        Assert.True(entered.Wait(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));

        var disposal = timer.DisposeAsync().AsTask();
        Assert.False(disposal.IsCompleted);
        leave.Set();
        await disposal.WaitAsync(TestScale.Patience, TestContext.Current.CancellationToken);
        await advance;
    }

    [Fact]
    public void A_failing_callback_reaches_the_caller_of_the_advance()
    {
        var fired = 0;
        using var failing = _clock.CreateTimer(_ => throw new InvalidOperationException("on purpose"), null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        using var other = _clock.CreateTimer(_ => fired++, null, TimeSpan.FromSeconds(2), Timeout.InfiniteTimeSpan);
        Assert.Throws<InvalidOperationException>(() => _clock.Advance(TimeSpan.FromSeconds(3)));
        _clock.Advance(TimeSpan.Zero);
        Assert.Equal(1, fired);
    }

    [Fact]
    public void Callbacks_see_the_execution_context_of_the_timers_creator()
    {
        var local = new AsyncLocal<string> { Value = "creator" };
        string? seen = null;
        using var timer = _clock.CreateTimer(_ => seen = local.Value, null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        local.Value = "advancer";
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("creator", seen);
    }
}
