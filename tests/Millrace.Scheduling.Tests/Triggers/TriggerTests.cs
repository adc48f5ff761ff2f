using Millrace.Scheduling.Triggers;
using Xunit;

namespace Millrace.Scheduling.Tests.Triggers;

/// <summary>The factories, what triggers are made of, and when two are the same.</summary>
public sealed class TriggerTests
{
    private static readonly DateTimeOffset Start = new(2027, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Every_IsOnTheGridOfItsAnchor_BeforeAndAfterIt()
    {
        var trigger = Trigger.Every(TimeSpan.FromMinutes(7), Start);

        Assert.Equal(Start.AddMinutes(7), trigger.Next(Start));
        Assert.Equal(Start, trigger.Next(Start.AddTicks(-1)));
        Assert.Equal(Start.AddMinutes(-7), trigger.Next(Start.AddMinutes(-13)));
        Assert.Equal(Start.AddMinutes(-7), trigger.Next(Start.AddMinutes(-14)));
        Assert.Equal(Start.AddMinutes(7_000_007), trigger.Next(Start.AddMinutes(7_000_002)));
    }

    [Fact]
    public void Every_WithoutAnchor_CountsFromTheEpoch_OnEveryNodeAlike()
    {
        var trigger = Trigger.Every(TimeSpan.FromSeconds(90));

        var next = trigger.Next(Start.AddMilliseconds(1))!.Value;

        Assert.Equal(0, next.ToUnixTimeMilliseconds() % 90_000);
        Assert.Equal(trigger, Trigger.Every(TimeSpan.FromSeconds(90), DateTimeOffset.UnixEpoch));
        Assert.NotEqual(trigger, Trigger.Every(TimeSpan.FromSeconds(90), Start.AddSeconds(1)));
    }

    [Fact]
    public void Every_NearTheEndOfTime_EndsThere()
    {
        Assert.Null(Trigger.Every(TimeSpan.FromDays(1)).Next(DateTimeOffset.MaxValue));
        Assert.Null(Trigger.Every(TimeSpan.FromMilliseconds((long)TimeSpan.MaxValue.TotalMilliseconds - 1)).Next(Start));
        Assert.NotNull(Trigger.Every(TimeSpan.FromDays(1)).Next(DateTimeOffset.MinValue));
        Assert.NotNull(Trigger.Every(TimeSpan.FromMilliseconds(1)).Next(DateTimeOffset.MaxValue.AddMilliseconds(-2)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-10_000)]
    [InlineData(9_999)]
    [InlineData(15_000)]
    public void Every_OfAnIntervalThatIsNotWholeMilliseconds_IsRefused(long ticks) =>
        Assert.Throws<InvalidTriggerException>(() => Trigger.Every(TimeSpan.FromTicks(ticks)));

    [Fact]
    public void Once_ComesOnce_AndNeverEarly()
    {
        var trigger = Trigger.Once(Start.AddTicks(1));

        Assert.Equal(Start.AddMilliseconds(1), trigger.Next(Start));
        Assert.Null(trigger.Next(Start.AddMilliseconds(1)));
        Assert.Equal(trigger, Trigger.Once(Start.AddMilliseconds(1).ToOffset(TimeSpan.FromHours(5))));
        Assert.Equal(TimeSpan.Zero, Trigger.Once(Start.ToOffset(TimeSpan.FromHours(5))).Next(DateTimeOffset.MinValue)!.Value.Offset);
        Assert.NotNull(Trigger.Once(DateTimeOffset.MaxValue).Next(Start));
    }

    [Fact]
    public void Calendar_Factories_AreCronExpressions()
    {
        Assert.Equal(Trigger.Cron("15 * * * *"), Trigger.Hourly(15));
        Assert.Equal(Trigger.Cron("30 3 * * *", "Asia/Tokyo"), Trigger.Daily(new TimeOnly(3, 30), "Asia/Tokyo"));
        Assert.Equal(Trigger.Cron("5 30 3 * * *"), Trigger.Daily(new TimeOnly(3, 30, 5)));
        Assert.Equal(Trigger.Cron("0 9 * * MON"), Trigger.Weekly(DayOfWeek.Monday, new TimeOnly(9, 0)));
        Assert.Equal(Trigger.Cron("0 9 * * MON,FRI"), Trigger.Weekly([DayOfWeek.Friday, DayOfWeek.Monday, DayOfWeek.Friday], new TimeOnly(9, 0)));
        Assert.Equal(Trigger.Cron("0 9 31 * *"), Trigger.Monthly(31, new TimeOnly(9, 0)));
        Assert.Equal(Trigger.Cron("0 9 L * *"), Trigger.Monthly(-1, new TimeOnly(9, 0)));
        Assert.Equal(Trigger.Every(TimeSpan.FromMinutes(5)), Trigger.Cron("@every 5m"));
    }

    [Fact]
    public void Factories_RefuseWhatNoCalendarHas()
    {
        Assert.Throws<InvalidTriggerException>(() => Trigger.Hourly(60));
        Assert.Throws<InvalidTriggerException>(() => Trigger.Hourly(-1));
        Assert.Throws<InvalidTriggerException>(() => Trigger.Monthly(0, TimeOnly.MinValue));
        Assert.Throws<InvalidTriggerException>(() => Trigger.Monthly(32, TimeOnly.MinValue));
        Assert.Throws<InvalidTriggerException>(() => Trigger.Weekly([], TimeOnly.MinValue));
        Assert.Throws<InvalidTriggerException>(() => Trigger.Weekly((DayOfWeek)7, TimeOnly.MinValue));
        Assert.Throws<InvalidTriggerException>(() => Trigger.Daily(new TimeOnly(1, 0).Add(TimeSpan.FromMilliseconds(500))));
    }

    [Theory]
    [InlineData("Europe/Berln")]
    [InlineData("europe/berlin")]
    [InlineData("Europe")]
    [InlineData("")]
    [InlineData("../../../etc/passwd")]
    [InlineData("/usr/share/zoneinfo/Europe/Berlin")]
    [InlineData("Europe/../Europe/Berlin")]
    [InlineData("W. Europe Standard Time")]
    [InlineData("localtime")]
    [InlineData("posixrules")]
    public void AZone_ThatDoesNotExist_IsRefused(string zone)
    {
        var refused = Assert.Throws<InvalidTriggerException>(() => Trigger.Cron("@daily", zone));

        Assert.Contains("Europe/Berlin", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Utc_HasOneName()
    {
        Assert.Equal(Trigger.Cron("@daily"), Trigger.Cron("@daily", "UTC"));
        Assert.Equal(Trigger.Cron("@daily"), Trigger.Cron("@daily", "Etc/UTC"));
        Assert.NotEqual(Trigger.Cron("@daily"), Trigger.Cron("@daily", "Europe/London"));
    }

    [Fact]
    public void AnyOf_IsDueWhenOneIs_AndOnceWhenSeveralAre()
    {
        var trigger = Trigger.AnyOf(Trigger.Cron("0 */6 * * *"), Trigger.Cron("0 */4 * * *"), Trigger.Once(Start.AddMinutes(1)));

        var hours = new List<double>();
        for (var at = Start; trigger.Next(at) is { } next && next <= Start.AddDays(1); at = next)
        {
            hours.Add((next - Start).TotalHours);
        }

        Assert.Equal([1 / 60.0, 4, 6, 8, 12, 16, 18, 20, 24], hours);
    }

    [Fact]
    public void AnyOf_IsFlat_AndHoldsEachOnce()
    {
        var (first, second) = (Trigger.Cron("@daily"), Trigger.Every(TimeSpan.FromHours(5)));

        Assert.Same(first, Trigger.AnyOf(first));
        Assert.Same(first, Trigger.AnyOf(first, Trigger.Cron("0 0 * * *")));
        Assert.Equal(Trigger.AnyOf(first, second), Trigger.AnyOf(Trigger.AnyOf(first, second), second));
        Assert.NotEqual(Trigger.AnyOf(first, second), first);
        Assert.Null(Trigger.AnyOf(Trigger.Once(Start), Trigger.Once(Start.AddDays(1))).Next(Start.AddDays(1)));
    }

    [Fact]
    public void ATrigger_OfTooManyOthers_IsRefused()
    {
        Assert.Throws<InvalidTriggerException>(() => Trigger.AnyOf());
        Assert.Throws<InvalidTriggerException>(() => Trigger.AnyOf([.. Enumerable.Range(0, 101).Select(i => Trigger.Once(Start.AddDays(i)))]));

        var nested = Trigger.Cron("@daily");
        var calendar = ExclusionCalendar.In().WithWeekdays(DayOfWeek.Sunday);
        Assert.Throws<InvalidTriggerException>(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                nested = nested.Except(calendar);
            }
        });
        Assert.Equal(nested, TriggerJsonTests.Read(TriggerJsonTests.Write(nested)));
    }

    [Fact]
    public void Between_HasItsStart_AndNotItsEnd()
    {
        var trigger = Trigger.Cron("@daily").Between(Start, Start.AddDays(2));

        Assert.Equal(Start, trigger.Next(DateTimeOffset.MinValue));
        Assert.Equal(Start, trigger.Next(Start.AddTicks(-1)));
        Assert.Equal(Start.AddDays(1), trigger.Next(Start));
        Assert.Null(trigger.Next(Start.AddDays(1)));
    }

    [Fact]
    public void Between_WithinBounds_IsTheNarrower()
    {
        var daily = Trigger.Cron("@daily");

        Assert.Same(daily, daily.Between(null, null));
        Assert.Equal(daily.Between(Start, Start.AddDays(2)), daily.Between(Start, null).Between(null, Start.AddDays(2)));
        Assert.Equal(daily.Between(Start, Start.AddDays(2)), daily.Between(Start, Start.AddDays(2)).Between(Start.AddDays(-1), Start.AddDays(3)));
        Assert.NotEqual(daily.Between(Start, null), daily.Between(null, Start));
        var sundays = ExclusionCalendar.In().WithWeekdays(DayOfWeek.Sunday);
        Assert.Equal(daily.Except(sundays).Between(Start, null), daily.Between(Start, null).Except(sundays));
        Assert.Throws<InvalidTriggerException>(() => daily.Between(Start, Start));
        Assert.Throws<InvalidTriggerException>(() => daily.Between(Start, null).Between(null, Start.AddDays(-1)));
    }

    [Fact]
    public void ManyThreads_AskingForManyYears_AreToldTheSame()
    {
        var trigger = Trigger.Cron("30 2 1 * *", "America/New_York");
        var expected = Years().Select(at => trigger.Next(at)).ToArray();

        Parallel.For(0, 8, _ => Assert.Equal(expected, Years().Select(at => trigger.Next(at))));

        // More years than are kept.
        static IEnumerable<DateTimeOffset> Years() => Enumerable.Range(1, 600).Select(i => Start.AddYears(i % 2 == 0 ? i : 600 - i));
    }
}
