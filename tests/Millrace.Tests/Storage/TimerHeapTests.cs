using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Tests.Storage;

public sealed class TimerHeapTests : IDisposable
{
    private readonly ManualTimeProvider _time = new();
    private readonly MonotonicClock _clock;
    private readonly TimerHeap _timers;
    private readonly List<string> _fired = [];

    public TimerHeapTests()
    {
        _clock = new MonotonicClock(_time);
        _timers = new TimerHeap(_clock);
    }

    public void Dispose() => _timers.Dispose();

    [Fact]
    public void Entries_AreCalledInOrderOfTheirTimes_AndNotBefore()
    {
        Schedule("third", 30);
        Schedule("first", 10);
        Schedule("second", 20);

        Advance(9);
        Assert.Empty(_fired);
        Advance(1);
        Assert.Equal(["first"], _fired);
        Advance(100);
        Assert.Equal(["first", "second", "third"], _fired);
    }

    [Fact]
    public void Entries_OfOneTime_AreCalledInTheOrderOfScheduling()
    {
        for (var i = 0; i < 50; i++)
        {
            Schedule($"{i}", 5);
        }

        Advance(5);

        Assert.Equal(Enumerable.Range(0, 50).Select(i => $"{i}"), _fired);
    }

    [Fact]
    public void Scheduling_AnEntryAgain_MovesIt()
    {
        var entry = Schedule("moved", 10);
        _timers.Schedule(entry, At(50));

        Advance(49);
        Assert.Empty(_fired);
        Advance(1);
        Assert.Equal(["moved"], _fired);
        Assert.Equal(0, _timers.Count);
    }

    [Fact]
    public void Cancelling_TakesAnEntryOut_Once()
    {
        var entry = Schedule("cancelled", 10);
        Schedule("kept", 10);

        Assert.True(_timers.Cancel(entry));
        Assert.False(_timers.Cancel(entry));
        Advance(10);

        Assert.Equal(["kept"], _fired);
    }

    [Fact]
    public void AnEntry_MayScheduleItselfAndOthers_WhileItIsCalled()
    {
        TestEntry? repeating = null;
        repeating = new TestEntry(() =>
        {
            _fired.Add($"{_clock.Now / TimeSpan.TicksPerMillisecond}");
            if (_fired.Count < 4)
            {
                _timers.Schedule(repeating!, _clock.Now + (10 * TimeSpan.TicksPerMillisecond));
            }
        });
        _timers.Schedule(repeating, At(10));

        Advance(100);

        Assert.Equal(["10", "20", "30", "40"], _fired);
    }

    [Fact]
    public void HoweverManyEntries_OneTimerIsSet()
    {
        for (var i = 1; i <= 1000; i++)
        {
            Schedule($"{i}", i);
        }

        Assert.Equal(1, _time.ActiveTimers);
    }

    [Fact]
    public void ADueTimeBeyondTheReachOfATimer_IsKept()
    {
        _timers.Schedule(new TestEntry(() => _fired.Add("late")), TimeSpan.FromDays(100).Ticks);

        _time.Advance(TimeSpan.FromDays(99));
        Assert.Empty(_fired);
        _time.Advance(TimeSpan.FromDays(1));
        Assert.Equal(["late"], _fired);
    }

    [Fact]
    public void AfterDisposal_NothingIsCalled_AndSchedulingIsIgnored()
    {
        var entry = Schedule("never", 10);
        _timers.Dispose();
        _timers.Schedule(entry, At(5));

        Advance(100);

        Assert.Empty(_fired);
        Assert.Equal(0, _time.ActiveTimers);
    }

    [Fact]
    public async Task OnTheSystemsClock_ATimeThatHasPassed_IsCalledAtOnce()
    {
        using var timers = new TimerHeap(new MonotonicClock(TimeProvider.System));
        var called = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        timers.Schedule(new TestEntry(called.SetResult), -1);

        await called.Task.WaitAsync(TestScale.Patience, TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void RandomSchedules_MatchAList(int seed)
    {
        var random = new Random(seed);
        var expected = new SortedDictionary<(long Due, int Order), TestEntry>();
        var order = 0;
        var entries = new Dictionary<TestEntry, (long, int)>();
        var called = new List<TestEntry>();
        for (var step = 0; step < 2000; step++)
        {
            if (entries.Count == 0 || random.Next(3) > 0)
            {
                TestEntry? entry = null;
                entry = entries.Count > 0 && random.Next(4) == 0 ? entries.Keys.ElementAt(random.Next(entries.Count)) : new TestEntry(() => called.Add(entry!));
                if (entries.Remove(entry, out var old))
                {
                    expected.Remove(old);
                }

                var place = (At(random.Next(1, 500)), order++);
                entries[entry] = place;
                expected[place] = entry;
                _timers.Schedule(entry, place.Item1);
            }
            else
            {
                var (entry, place) = entries.ElementAt(random.Next(entries.Count));
                Assert.True(_timers.Cancel(entry));
                entries.Remove(entry);
                expected.Remove(place);
            }

            if (random.Next(20) == 0)
            {
                called.Clear();
                Advance(random.Next(1, 50));
                var due = expected.TakeWhile(pair => pair.Key.Due <= _clock.Now).ToList();
                Assert.Equal(due.Select(pair => pair.Value), called);
                foreach (var pair in due)
                {
                    expected.Remove(pair.Key);
                    entries.Remove(pair.Value);
                }
            }
        }

        Assert.Equal(expected.Count, _timers.Count);
    }

    [Fact]
    public void TheClock_GoesOnWhileTheTimerIsBeingSet_TheEntryIsNotLate()
    {
        var time = new ClockMovedWhileTimersAreSet();
        var clock = new MonotonicClock(time);
        using var timers = new TimerHeap(clock);
        var called = -1L;
        time.MovesAtNextChange = TimeSpan.FromMilliseconds(60);

        timers.Schedule(new TestEntry(() => called = clock.Now), 100 * TimeSpan.TicksPerMillisecond);
        time.Clock.Advance(TimeSpan.FromMilliseconds(39));
        Assert.Equal(-1, called);
        time.Clock.Advance(TimeSpan.FromMilliseconds(1));

        Assert.Equal(100 * TimeSpan.TicksPerMillisecond, called);
    }

    private TestEntry Schedule(string name, int milliseconds)
    {
        var entry = new TestEntry(() => _fired.Add(name));
        _timers.Schedule(entry, At(milliseconds));
        return entry;
    }

    private long At(int milliseconds) => _clock.Now + (milliseconds * TimeSpan.TicksPerMillisecond);

    private void Advance(int milliseconds) => _time.Advance(TimeSpan.FromMilliseconds(milliseconds));

    private sealed class TestEntry(Action onDue) : TimerHeapEntry
    {
        protected internal override void OnDue() => onDue();
    }

    /// <summary>A manual clock that moves on just before a timer is set, as when the thread that sets it is held up.</summary>
    private sealed class ClockMovedWhileTimersAreSet : TimeProvider
    {
        public ManualTimeProvider Clock { get; } = new();

        public TimeSpan MovesAtNextChange { get; set; }

        public override long TimestampFrequency => Clock.TimestampFrequency;

        public override long GetTimestamp() => Clock.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            new MovingTimer(this, Clock.CreateTimer(callback, state, dueTime, period));

        private sealed class MovingTimer(ClockMovedWhileTimersAreSet owner, ITimer timer) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                var moves = owner.MovesAtNextChange;
                owner.MovesAtNextChange = TimeSpan.Zero;
                owner.Clock.Advance(moves);
                return timer.Change(dueTime, period);
            }

            public void Dispose() => timer.Dispose();

            public ValueTask DisposeAsync() => timer.DisposeAsync();
        }
    }
}
