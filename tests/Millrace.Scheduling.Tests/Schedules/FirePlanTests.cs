using Millrace.Scheduling.Schedules;
using Xunit;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>What is run and skipped of what is due, as a function of the time.</summary>
public sealed class FirePlanTests
{
    private static readonly DateTimeOffset Start = ScheduleWorld.Start;

    [Fact]
    public void Plan_BeforeTheFirstOccurrence_IsEmptyAndLooksThen()
    {
        var plan = PlanOf(EverySecond(), at: 0.5);

        Assert.True(plan.IsEmpty);
        Assert.Equal(Start, plan.Cursor);
        Assert.Equal(At(1), plan.NextLook);
    }

    [Fact]
    public void Plan_OfOneThatIsDue_RunsItAndLooksAtTheNext()
    {
        var plan = PlanOf(EverySecond(), at: 1);

        Assert.Equal([At(1)], plan.Run);
        Assert.Equal(At(1), plan.Cursor);
        Assert.Equal(At(2), plan.NextLook);
        Assert.Equal(0, plan.SkippedCount);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(3, 3)]
    [InlineData(1000, 50)]
    public void Misfire_AfterAnOutage_RunsTheLatestSoMany(int most, int runs)
    {
        // Due at seconds 1 to 50, and beyond grace all of them.
        var misfire = most switch { 0 => MisfirePolicy.Skip, 1 => MisfirePolicy.FireOnce, _ => MisfirePolicy.FireAll(most) } with { Grace = TimeSpan.FromSeconds(30) };
        var plan = PlanOf(EverySecond() with { Misfire = misfire, Overlap = OverlapPolicy.Allow(), End = At(50.5) }, at: 100);

        Assert.Equal(Enumerable.Range(51 - runs, runs).Select(second => At(second)), plan.Run);
        Assert.Equal(50 - runs, plan.SkippedCount);
        Assert.All(plan.Skipped, skipped => Assert.Equal(SkipReason.Misfire, skipped.Reason));
        Assert.Equal(At(50), plan.Cursor);
        Assert.Null(plan.NextLook);
    }

    [Fact]
    public void Misfire_WithinGrace_IsNone()
    {
        var definition = EverySecond() with { Misfire = MisfirePolicy.Skip with { Grace = TimeSpan.FromSeconds(10) }, Overlap = OverlapPolicy.Allow() };
        var plan = PlanOf(definition, at: 15);

        Assert.Equal(Enumerable.Range(5, 11).Select(second => At(second)), plan.Run);
        Assert.Equal(4, plan.SkippedCount);
    }

    [Fact]
    public void Overlap_SkipWithOneOpen_SkipsAndSaysThatItIsHeldBack()
    {
        var plan = PlanOf(EverySecond(), at: 2, open: 1);

        Assert.Empty(plan.Run);
        Assert.True(plan.IsHeldBack);
        Assert.Equal([new(At(1), SkipReason.Overlap), new(At(2), SkipReason.Overlap)], plan.Skipped);
        Assert.Equal(At(2), plan.Cursor);
        Assert.Equal(At(3), plan.NextLook);
    }

    [Theory]
    [InlineData(0, 2)]
    [InlineData(1, 1)]
    [InlineData(2, 0)]
    public void Overlap_BufferOne_LeavesOneBesideTheOpenOne(int open, int runs) =>
        Assert.Equal(runs, PlanOf(EverySecond() with { Overlap = OverlapPolicy.BufferOne }, at: 5, open).Run.Count);

    [Theory]
    [InlineData(0, 3)]
    [InlineData(2, 1)]
    [InlineData(3, 0)]
    [InlineData(7, 0)]
    public void Overlap_AllowThree_RunsAsManyAsThereIsRoomFor(int open, int runs) =>
        Assert.Equal(runs, PlanOf(EverySecond() with { Overlap = OverlapPolicy.Allow(3) }, at: 5, open).Run.Count);

    [Fact]
    public void Overlap_CancelRunning_RunsTheLatestAndCancelsWhatIsOpen()
    {
        var plan = PlanOf(EverySecond() with { Overlap = OverlapPolicy.CancelRunning }, at: 5, open: 2);

        Assert.Equal([At(5)], plan.Run);
        Assert.True(plan.CancelsOpen);
        Assert.Equal(4, plan.SkippedCount);
        Assert.False(PlanOf(EverySecond() with { Overlap = OverlapPolicy.CancelRunning }, at: 5).CancelsOpen);
    }

    [Fact]
    public void MaxRuns_IsReached_RunsNoMoreAndSkipsNothing()
    {
        var definition = EverySecond() with { MaxRuns = 3, Overlap = OverlapPolicy.Allow() };
        var plan = PlanOf(definition, at: 10, fired: 1);

        Assert.Equal([At(1), At(2)], plan.Run);
        Assert.Equal(0, plan.SkippedCount);
        Assert.Null(plan.NextLook);
        Assert.True(PlanOf(definition, at: 10, fired: 3) is { IsEmpty: true, NextLook: null });
        Assert.True(PlanOf(definition, at: 10, fired: 4) is { IsEmpty: true, NextLook: null });
    }

    [Fact]
    public void StartAndEnd_BoundTheOccurrences_StartIncludedAndEndNot()
    {
        var definition = EverySecond() with { Start = At(3), End = At(6), Overlap = OverlapPolicy.Allow() };

        Assert.True(PlanOf(definition, at: 2) is { IsEmpty: true, NextLook: { } next } && next == At(3));
        var plan = PlanOf(definition, at: 10);
        Assert.Equal([At(3), At(4), At(5)], plan.Run);
        Assert.Null(plan.NextLook);
    }

    [Fact]
    public void Jitter_OfOccurrences_IsAlikeEverywhereAndSpread()
    {
        var schedule = ScheduleWorld.DocumentOf(EverySecond() with { Jitter = TimeSpan.FromMinutes(1) });
        var delays = Enumerable.Range(0, 1000).Select(i => (schedule.FireTimeOf(At(i * 60)) - At(i * 60)).TotalSeconds).ToList();

        Assert.All(delays, delay => Assert.InRange(delay, 0, 60));
        Assert.Equal(delays, Enumerable.Range(0, 1000).Select(i => (schedule.FireTimeOf(At(i * 60)) - At(i * 60)).TotalSeconds));
        Assert.InRange(delays.Average(), 27, 33);
        for (var tenth = 0; tenth < 10; tenth++)
        {
            Assert.InRange(delays.Count(delay => (int)(delay / 6) == tenth), 60, 145);
        }

        Assert.Equal(DateTimeOffset.MaxValue, schedule.FireTimeOf(DateTimeOffset.MaxValue));
    }

    [Fact]
    public void Jitter_OfOneBefore_MakesNoMisfireOfThoseThatWaitForIt()
    {
        var definition = EverySecond() with { Jitter = TimeSpan.FromMinutes(5), Misfire = MisfirePolicy.Skip with { Grace = TimeSpan.Zero }, Overlap = OverlapPolicy.Allow(), MaxRuns = 1000 };
        var schedule = ScheduleWorld.DocumentOf(definition);
        var cursor = CursorDocument.Empty.For(schedule);
        var runs = 0;
        while (runs < 200)
        {
            // A node that always looks in time.
            var look = FirePlan.Of(schedule, cursor, cursor.Cursor).NextLook!.Value;
            var plan = FirePlan.Of(schedule, cursor, look);
            Assert.Equal(0, plan.SkippedCount);
            Assert.NotEmpty(plan.Run);
            runs += plan.Run.Count;
            cursor = cursor with { Cursor = plan.Cursor };
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(700)]
    public void LongOutage_IsTakenInSteps_AndRunsWhatOneStepWouldHave(int most)
    {
        const int seconds = 86_400;
        var misfire = most switch { 0 => MisfirePolicy.Skip, 1 => MisfirePolicy.FireOnce, _ => MisfirePolicy.FireAll(most) };
        var schedule = ScheduleWorld.DocumentOf(EverySecond() with { Misfire = misfire, Overlap = OverlapPolicy.Allow(), End = At(seconds + 0.5) });
        var cursor = CursorDocument.Empty.For(schedule);
        var (runs, skipped, steps) = (new List<DateTimeOffset>(), 0L, 0);
        while (FirePlan.Of(schedule, cursor, At(seconds * 2)) is { IsEmpty: false } plan)
        {
            Assert.True(plan.Cursor > cursor.Cursor);
            Assert.InRange(plan.Skipped.Count, 0, 100);
            runs.AddRange(plan.Run);
            skipped += plan.SkippedCount;
            cursor = cursor with { Cursor = plan.Cursor };
            steps++;
        }

        Assert.Equal(Enumerable.Range(seconds + 1 - most, most).Select(second => At(second)), runs);
        Assert.Equal(seconds - most, skipped);
        Assert.InRange(steps, 9, 20);
    }

    [Fact]
    public void ManyInTime_AreTakenInSteps_WithoutLosingOne()
    {
        var definition = ScheduleWorld.Every("s", TimeSpan.FromMilliseconds(1)) with { Overlap = OverlapPolicy.Allow(), Misfire = MisfirePolicy.FireOnce with { Grace = TimeSpan.FromMinutes(5) } };
        var schedule = ScheduleWorld.DocumentOf(definition);
        var cursor = CursorDocument.Empty.For(schedule);
        var total = 0L;
        while (FirePlan.Of(schedule, cursor, At(25)) is { IsEmpty: false } plan)
        {
            Assert.InRange(plan.Run.Count, 1, OverlapPolicy.MostOpen);
            total += plan.Run.Count + plan.SkippedCount;
            cursor = cursor with { Cursor = plan.Cursor };
        }

        Assert.Equal(25_000, total);
    }

    [Fact]
    public void PlainMessages_KnowNoOverlap()
    {
        var plan = PlanOf(EverySecond() with { Target = new MessageTarget() }, at: 5, open: 4);

        Assert.Equal(5, plan.Run.Count);
        Assert.False(plan.IsHeldBack);
    }

    [Fact]
    public void PlainMessages_ThatAreVeryMany_AreTakenInRounds_AndNoneIsSkipped()
    {
        var definition = ScheduleWorld.Every("s", TimeSpan.FromMilliseconds(10)) with { Target = new MessageTarget(), Misfire = MisfirePolicy.FireOnce with { Grace = TimeSpan.FromHours(1) } };
        var schedule = ScheduleWorld.DocumentOf(definition);
        var cursor = CursorDocument.Empty.For(schedule);
        var runs = new List<DateTimeOffset>();
        while (FirePlan.Of(schedule, cursor, At(120)) is { IsEmpty: false } plan)
        {
            Assert.Equal(0, plan.SkippedCount);
            Assert.InRange(plan.Run.Count, 1, OverlapPolicy.MostOpen);
            Assert.True(plan.NextLook <= At(120) || plan.Cursor == At(120));
            runs.AddRange(plan.Run);
            cursor = cursor with { Cursor = plan.Cursor };
        }

        Assert.Equal(Enumerable.Range(1, 12_000).Select(hundredth => Start.AddMilliseconds(hundredth * 10)), runs);
    }

    [Fact]
    public void PlainMessages_ThatCannotBeSent_AreBounded_AndTheOthersWait()
    {
        var schedule = ScheduleWorld.DocumentOf(EverySecond() with { Target = new MessageTarget() });
        var unsent = Enumerable.Range(0, OverlapPolicy.MostOpen).Select(i => new OpenOccurrence($"s@1@{i}", Start, "q", Start)).ToList();
        var cursor = CursorDocument.Empty.For(schedule) with { Open = unsent };

        Assert.True(FirePlan.Of(schedule, cursor, At(5)) is { IsEmpty: true, NextLook: null });
        Assert.Equal([At(1), At(2)], FirePlan.Of(schedule, cursor with { Open = unsent[2..] }, At(5)).Run);
    }

    [Theory]
    [InlineData("skip", 0, 6, 0)]
    [InlineData("skip", 1, 5, 0)]
    [InlineData("bufferOne", 0, 7, 0)]
    [InlineData("bufferOne", 2, 5, 0)]
    [InlineData("cancelRunning", 0, 6, 1)]
    [InlineData("cancelRunning", 2, 6, 1)]
    [InlineData("allow", 0, 15, null)]
    public void FireAll_RunsWhatWasMissed_OneAfterTheOther_WhateverTheOverlapPolicy(string policy, int open, int runs, int? inTurnFrom)
    {
        // Due at seconds 1 to 40: 30 and before were missed, those after it are in time.
        var overlap = policy switch
        {
            "bufferOne" => OverlapPolicy.BufferOne,
            "cancelRunning" => OverlapPolicy.CancelRunning,
            "allow" => OverlapPolicy.Allow(),
            _ => OverlapPolicy.Skip,
        };
        var plan = PlanOf(EverySecond() with { Misfire = MisfirePolicy.FireAll(5) with { Grace = TimeSpan.FromSeconds(9.5) }, Overlap = overlap }, at: 40, open);

        Assert.Equal(Enumerable.Range(26, 5).Select(second => At(second)), plan.Run.Take(5));
        Assert.Equal(runs, plan.Run.Count);
        Assert.Equal(policy == "cancelRunning" ? [At(40)] : Enumerable.Range(31, runs - 5).Select(second => At(second)), plan.Run.Skip(5));
        Assert.Equal(40 - runs, plan.SkippedCount);
        Assert.Equal(Enumerable.Range(0, runs).Select(place => place >= (inTurnFrom ?? runs)), Enumerable.Range(0, runs).Select(plan.IsInTurn));
        Assert.Equal(policy == "cancelRunning" && open > 0, plan.CancelsOpen);
    }

    [Fact]
    public void FireAll_WhileEarlierOnesWaitForTheirTurn_AddsNoMoreThanItMakesUpFor()
    {
        var schedule = ScheduleWorld.DocumentOf(EverySecond() with { Misfire = MisfirePolicy.FireAll(5) });
        var cursor = CursorDocument.Empty.For(schedule) with { Open = [.. Enumerable.Range(0, 3).Select(i => new OpenOccurrence($"s@1@{i}", Start, "jobs", null, IsInTurn: true))] };
        var plan = FirePlan.Of(schedule, cursor, At(60));

        Assert.Equal([At(28), At(29)], plan.Run);
        Assert.Equal((27, 31), (plan.Skipped.Count(skipped => skipped.Reason == SkipReason.Misfire), plan.Skipped.Count(skipped => skipped.Reason == SkipReason.Overlap)));
        Assert.True(plan.IsInTurn(0));
    }

    [Fact]
    public void FireAll_WithMoreThanMayBeOpen_LeavesTheRest()
    {
        var plan = PlanOf(EverySecond() with { Misfire = MisfirePolicy.FireAll(1000), End = At(1000.5) }, at: 2000, open: 10);

        Assert.Equal(990, plan.Run.Count);
        Assert.True(plan.IsHeldBack);
        Assert.Equal(10, plan.SkippedCount);
    }

    [Fact]
    public void MaxRuns_DoesNotCountThoseThatSomebodyAskedFor()
    {
        var schedule = ScheduleWorld.DocumentOf(EverySecond() with { MaxRuns = 2, Overlap = OverlapPolicy.Allow() });
        var cursor = CursorDocument.Empty.For(schedule) with { Fired = 3, AskedFor = 2 };

        Assert.Equal([At(1)], FirePlan.Of(schedule, cursor, At(5)).Run);
        Assert.True(FirePlan.Of(schedule, cursor with { Fired = 4 }, At(5)) is { IsEmpty: true, NextLook: null });
    }

    [Fact]
    public void Skips_ThatAreVeryMany_AreOneOfEachReason_WithTheirNumberAndTimes()
    {
        var plan = PlanOf(EverySecond() with { Misfire = MisfirePolicy.Skip with { Grace = TimeSpan.FromSeconds(200) } }, at: 1461, open: 1);

        Assert.Equal([new(At(1), SkipReason.Misfire, 1260, At(1260)), new(At(1261), SkipReason.Overlap, 201, At(1461))], plan.Skipped);
        Assert.Equal(1461, plan.SkippedCount);
        Assert.Equal(100, PlanOf(EverySecond(), at: 100, open: 1).Skipped.Count);
    }

    [Fact]
    public void Cursor_OfAnEarlierVersion_GoesOnFromTheChangeWithWhatIsOpen()
    {
        var cursor = new CursorDocument { Version = 1, Cursor = At(3), Open = [new OpenOccurrence("s@1@1", At(1), "jobs", null)], Fired = 7, Skipped = 2 };
        var schedule = ScheduleWorld.DocumentOf(EverySecond(), since: At(10)) with { Version = 2 };
        var now = cursor.For(schedule);

        Assert.Equal((2, At(10), 7, 2), (now.Version, now.Cursor, now.Fired, now.Skipped));
        Assert.Equal(cursor.Open, now.Open);
        Assert.Empty(FirePlan.Of(schedule, cursor, At(11)).Run);
    }

    [Fact]
    public void Plan_WithAClockBehind_DoesNothing()
    {
        var schedule = ScheduleWorld.DocumentOf(EverySecond(), since: At(3600));

        Assert.True(FirePlan.Of(schedule, CursorDocument.Empty, At(10)) is { IsEmpty: true, NextLook: { } next } && next == At(3601));
    }

    private static ScheduleDefinition EverySecond() => ScheduleWorld.EverySecond("s");

    private static DateTimeOffset At(double second) => Start.AddSeconds(second);

    private static FirePlan PlanOf(ScheduleDefinition definition, double at, int open = 0, long fired = 0)
    {
        var schedule = ScheduleWorld.DocumentOf(definition);
        var cursor = CursorDocument.Empty.For(schedule) with
        {
            Open = [.. Enumerable.Range(0, open).Select(i => new OpenOccurrence($"s@1@{i}", Start.AddSeconds(-i), "jobs", null))],
            Fired = fired,
        };
        return FirePlan.Of(schedule, cursor, At(at));
    }
}
