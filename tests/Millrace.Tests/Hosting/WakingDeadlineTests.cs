using Millrace.Hosting;
using Millrace.Testing;
using Xunit;

namespace Millrace.Tests.Hosting;

public sealed class WakingDeadlineTests
{
    private readonly ManualTimeProvider _clock = new();
    private readonly AsyncSignal _wake = new();

    [Fact]
    public void ATimerThatFiresEarly_IsSetAgain_ForWhatIsLeft()
    {
        using var deadline = Start(TimeSpan.FromMilliseconds(20), new EarlyTimers(_clock));
        Assert.True(deadline.Arm());
        var first = _wake.WaitAsync();

        _clock.Advance(TimeSpan.FromMilliseconds(19));
        Assert.True(first.IsCompleted);
        Assert.True(deadline.Arm());
        var second = _wake.WaitAsync();
        Assert.False(second.IsCompleted);

        _clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(second.IsCompleted);
        Assert.False(deadline.Arm());
        Assert.True(deadline.IsOver);
    }

    [Fact]
    public void AWakeForAnotherReason_LeavesTheTimerSet()
    {
        using var deadline = Start(TimeSpan.FromSeconds(1), _clock);
        Assert.True(deadline.Arm());
        var first = _wake.WaitAsync();
        _wake.Set();
        Assert.True(first.IsCompleted);

        Assert.True(deadline.Arm());
        Assert.Equal(1, _clock.ActiveTimers);
        var second = _wake.WaitAsync();
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.True(second.IsCompleted);
    }

    [Fact]
    public void ATimeOfZero_IsOverAtOnce_AndAnInfiniteOneNever()
    {
        using var none = Start(TimeSpan.Zero, _clock);
        using var infinite = Start(Timeout.InfiniteTimeSpan, _clock);
        _clock.Advance(TimeSpan.FromDays(100));

        Assert.False(none.Arm());
        Assert.True(infinite.Arm());
        Assert.False(infinite.IsOver);
        Assert.Equal(0, _clock.ActiveTimers);
    }

    [Fact]
    public void Disposed_ItWakesNobody()
    {
        var deadline = Start(TimeSpan.FromSeconds(1), _clock);
        Assert.True(deadline.Arm());
        deadline.Dispose();

        Assert.Equal(0, _clock.ActiveTimers);
    }

    private WakingDeadline Start(TimeSpan timeout, TimeProvider clock) => new(clock, clock.GetTimestamp(), timeout, _wake);
}
