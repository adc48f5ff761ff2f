using Millrace.Scheduling.Triggers;
using Xunit;

namespace Millrace.Scheduling.Tests.Triggers;

/// <summary>What an exclusion calendar takes away. The first of January 2027 is a Friday.</summary>
public sealed class ExclusionCalendarTests
{
    private static readonly DateTimeOffset Start = new(2027, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Weekdays_AreLeftOut()
    {
        var trigger = Trigger.Daily(new TimeOnly(12, 0)).Except(ExclusionCalendar.In().WithWeekdays(DayOfWeek.Saturday, DayOfWeek.Sunday));

        Assert.Equal([1, 4, 5, 6, 7, 8, 11], DaysOf(trigger, 7));
    }

    [Fact]
    public void Dates_Ranges_AndAnnualDates_AreLeftOut()
    {
        var trigger = Trigger.Daily(new TimeOnly(12, 0)).Except(ExclusionCalendar.In()
            .WithDates(new DateOnly(2027, 1, 2), new DateOnly(2027, 1, 4)).WithDateRange(new DateOnly(2027, 1, 6), new DateOnly(2027, 1, 9)).WithAnnual(1, 1).WithAnnual(2, 29));

        Assert.Equal([3, 5, 10, 11], DaysOf(trigger, 4));
        Assert.Equal(new DateTimeOffset(2028, 1, 2, 12, 0, 0, TimeSpan.Zero), trigger.Next(new DateTimeOffset(2027, 12, 31, 12, 0, 0, TimeSpan.Zero)));
        Assert.Equal(new DateTimeOffset(2028, 3, 1, 12, 0, 0, TimeSpan.Zero), trigger.Next(new DateTimeOffset(2028, 2, 28, 12, 0, 0, TimeSpan.Zero)));
    }

    [Fact]
    public void TimesOfDay_AreLeftOut_AlsoOverMidnight()
    {
        var trigger = Trigger.Cron("0,30 * * * *").Except(ExclusionCalendar.In().WithTimes(new TimeOnly(8, 0), new TimeOnly(0, 30)).WithTimes(new TimeOnly(2, 0), new TimeOnly(7, 30)));

        Assert.Equal(["00:30", "01:00", "01:30", "07:30", "00:30"], TimesOf(trigger, 5));
    }

    [Fact]
    public void LongExclusions_AreJumpedOver_NotWalked()
    {
        var trigger = Trigger.Every(TimeSpan.FromMilliseconds(1)).Except(ExclusionCalendar.In().WithDateRange(new DateOnly(2027, 1, 1), new DateOnly(2999, 12, 31)));

        Assert.Equal(new DateTimeOffset(3000, 1, 1, 0, 0, 0, TimeSpan.Zero), trigger.Next(Start));
    }

    [Fact]
    public void WhatIsAlwaysExcluded_IsNeverDue_AndSaysSo()
    {
        Assert.Null(Trigger.Cron("0 12 * * *").Except(ExclusionCalendar.In().WithTimes(new TimeOnly(11, 0), new TimeOnly(13, 0))).Next(Start));
        Assert.Null(Trigger.Every(TimeSpan.FromMilliseconds(1)).Except(ExclusionCalendar.In().WithDateRange(new DateOnly(2027, 1, 1), DateOnly.MaxValue)).Next(Start));
        Assert.Null(Trigger.Once(Start).Except(ExclusionCalendar.In().WithDates(new DateOnly(2027, 1, 1))).Next(Start.AddDays(-1)));
        Assert.Throws<InvalidTriggerException>(() => ExclusionCalendar.In().WithWeekdays(Enum.GetValues<DayOfWeek>()));
        Assert.Throws<InvalidTriggerException>(() => ExclusionCalendar.In().WithTimes(new TimeOnly(8, 0), new TimeOnly(0, 0)).WithTimes(new TimeOnly(0, 0), new TimeOnly(8, 0)));
    }

    [Fact]
    public void ACalendar_IsMeantInItsZone()
    {
        var trigger = Trigger.Cron("@hourly").Except(ExclusionCalendar.In("Asia/Tokyo").WithDates(new DateOnly(2027, 1, 2)).WithTimes(new TimeOnly(0, 0), new TimeOnly(6, 0)));

        // The second of January in Tokyo begins at 15:00 UTC on the first.
        Assert.Equal(new DateTimeOffset(2027, 1, 1, 14, 0, 0, TimeSpan.Zero), trigger.Next(Start.AddHours(13)));
        Assert.Equal(new DateTimeOffset(2027, 1, 2, 21, 0, 0, TimeSpan.Zero), trigger.Next(Start.AddHours(14)));
    }

    [Fact]
    public void AnExclusion_AcrossAChangeOfClocks_EndsByTheLocalClock()
    {
        var trigger = Trigger.Every(TimeSpan.FromMinutes(30)).Except(ExclusionCalendar.In("Europe/Berlin").WithTimes(new TimeOnly(1, 0), new TimeOnly(4, 0)));

        Assert.Equal(new DateTimeOffset(2027, 3, 28, 2, 0, 0, TimeSpan.Zero), trigger.Next(new DateTimeOffset(2027, 3, 27, 23, 45, 0, TimeSpan.Zero)));
        Assert.Equal(new DateTimeOffset(2027, 10, 31, 3, 0, 0, TimeSpan.Zero), trigger.Next(new DateTimeOffset(2027, 10, 30, 22, 45, 0, TimeSpan.Zero)));
    }

    [Fact]
    public void RandomCalendars_LeaveOutWhatALookAtEachMinuteLeavesOut()
    {
        var seed = TestScale.Seed();
        var random = new Random(seed);
        for (var i = 0; i < (TestScale.IsFull ? 2000 : 40); i++)
        {
            var zone = TimeZoneInfo.FindSystemTimeZoneById(random.Next(2) == 0 ? "Europe/Berlin" : "America/Havana");
            DateOnly[] dates = [.. Enumerable.Range(0, 3).Select(_ => new DateOnly(2027, random.Next(2) == 0 ? 3 : 10, random.Next(1, 32)))];
            var weekdays = (DayOfWeek)random.Next(7);
            TimeOnly from = new(random.Next(24), random.Next(60)), to = new(random.Next(24), random.Next(60), 30);
            var annual = random.Next(1, 29);
            var trigger = Trigger.Cron("* * * * *")
                .Except(ExclusionCalendar.In(zone.Id).WithDates(dates).WithWeekdays(weekdays).WithTimes(from, to).WithAnnual(3, annual));

            var start = new DateTimeOffset(2027, random.Next(2) == 0 ? 3 : 10, random.Next(1, 31), 0, 0, 0, TimeSpan.Zero);
            var next = trigger.Next(start);
            for (var at = start.AddMinutes(1); at < start.AddDays(3); at = at.AddMinutes(1))
            {
                var local = TimeZoneInfo.ConvertTime(at, zone);
                var (date, time) = (DateOnly.FromDateTime(local.DateTime), TimeOnly.FromDateTime(local.DateTime));
                if (!dates.Contains(date) && date.DayOfWeek != weekdays && !(date.Month == 3 && date.Day == annual) && !time.IsBetween(from, to))
                {
                    if (next != at)
                    {
                        Assert.Fail($"{trigger} after {start:O}: {next:O}, not {at:O} (MILLRACE_SEED={seed})");
                    }

                    next = trigger.Next(at);
                }
            }
        }
    }

    [Fact]
    public void Calendars_ThatExcludeTheSame_AreEqual()
    {
        var calendar = ExclusionCalendar.In().WithDates(new DateOnly(2027, 1, 2), new DateOnly(2027, 1, 1)).WithTimes(new TimeOnly(1, 0), new TimeOnly(3, 0));
        var other = ExclusionCalendar.In("UTC")
            .WithTimes(new TimeOnly(2, 0), new TimeOnly(3, 0)).WithTimes(new TimeOnly(1, 0), new TimeOnly(2, 0)).WithDateRange(new DateOnly(2027, 1, 1), new DateOnly(2027, 1, 2));

        Assert.Equal(calendar, other);
        Assert.Equal(calendar.GetHashCode(), other.GetHashCode());
        Assert.Equal("2027-01-01/2027-01-02, 01:00-03:00", calendar.ToString());
        Assert.NotEqual(calendar, calendar.WithAnnual(1, 1));
        Assert.NotEqual(calendar, calendar.WithWeekdays(DayOfWeek.Monday));
        Assert.Same(Trigger.Cron("@daily") is var daily ? daily : null, daily.Except(ExclusionCalendar.In("Asia/Tokyo")));
    }

    [Fact]
    public void NonsenseInACalendar_IsRefused()
    {
        var calendar = ExclusionCalendar.In();

        Assert.Throws<InvalidTriggerException>(() => calendar.WithAnnual(2, 30));
        Assert.Throws<InvalidTriggerException>(() => calendar.WithAnnual(13, 1));
        Assert.Throws<InvalidTriggerException>(() => calendar.WithAnnual(0, 1));
        Assert.Throws<InvalidTriggerException>(() => calendar.WithDateRange(new DateOnly(2027, 1, 2), new DateOnly(2027, 1, 1)));
        Assert.Throws<InvalidTriggerException>(() => calendar.WithTimes(new TimeOnly(1, 0), new TimeOnly(1, 0)));
        Assert.Throws<InvalidTriggerException>(() => calendar.WithTimes(new TimeOnly(1, 0), new TimeOnly(2, 0, 0, 500)));
        Assert.Throws<InvalidTriggerException>(() => calendar.WithWeekdays((DayOfWeek)9));
        Assert.Throws<InvalidTriggerException>(() => ExclusionCalendar.In("Mars/Olympus"));
        Assert.Throws<InvalidTriggerException>(() => calendar.WithDates([.. Enumerable.Range(0, 1001).Select(i => new DateOnly(2027, 1, 1).AddDays(2 * i))]));
    }

    private static List<int> DaysOf(Trigger trigger, int count) => [.. InstantsOf(trigger, count).Select(at => at.Day)];

    private static List<string> TimesOf(Trigger trigger, int count) => [.. InstantsOf(trigger, count).Select(at => $"{at:HH:mm}")];

    private static IEnumerable<DateTimeOffset> InstantsOf(Trigger trigger, int count)
    {
        var at = Start.AddTicks(-1);
        for (var i = 0; i < count; i++)
        {
            at = trigger.Next(at)!.Value;
            yield return at;
        }
    }
}
