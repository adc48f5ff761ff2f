using System.Globalization;
using Millrace.Scheduling.Triggers;
using Xunit;

namespace Millrace.Scheduling.Tests.Triggers;

/// <summary>
/// The rules for clocks that change, by name. In Berlin in 2027 clocks go from 02:00 to 03:00 on the 28th of March (01:00 UTC), and from 03:00 to 02:00 on the
/// 31st of October (01:00 UTC).
/// </summary>
public sealed class CronClockChangeTests
{
    private const string Gap = "2027-03-27T12:00Z";
    private const string Repeat = "2027-10-30T12:00Z";

    [Theory]
    [InlineData("30 2 * * *")]
    [InlineData("0 30 2 * * *")]
    public void AFixedTime_ThatIsSkipped_RunsAtTheFirstInstantAfterTheGap(string expression) =>
        RequireDue(Trigger.Cron(expression, "Europe/Berlin"), Gap, "2027-03-28T01:00Z", "2027-03-29T00:30Z");

    [Fact]
    public void FixedTimes_OfWhichSeveralAreSkipped_RunOnceTogether() =>
        RequireDue(Trigger.Cron("0,15,30 2,3 * * *", "Europe/Berlin"), Gap, "2027-03-28T01:00Z", "2027-03-28T01:15Z", "2027-03-28T01:30Z", "2027-03-29T00:00Z");

    [Fact]
    public void AFixedTime_ThatIsRepeated_RunsAtItsFirstPass() =>
        RequireDue(Trigger.Cron("30 2 * * *", "Europe/Berlin"), Repeat, "2027-10-31T00:30Z", "2027-11-01T01:30Z");

    [Fact]
    public void AFixedTime_AskedForInTheSecondPass_ComesTheNextDay() =>
        RequireDue(Trigger.Cron("45 2 * * *", "Europe/Berlin"), "2027-10-31T01:10Z", "2027-11-01T01:45Z");

    [Fact]
    public void AnHourlyExpression_RunsInBothPasses_AndMakesNothingUp()
    {
        RequireDue(Trigger.Cron("30 * * * *", "Europe/Berlin"), "2027-10-30T23:45Z", "2027-10-31T00:30Z", "2027-10-31T01:30Z", "2027-10-31T02:30Z");
        RequireDue(Trigger.Hourly(30, "Europe/Berlin"), "2027-03-27T23:45Z", "2027-03-28T00:30Z", "2027-03-28T01:30Z");
        RequireDue(Trigger.Cron("30 */2 * * *", "Europe/Berlin"), "2027-03-27T23:45Z", "2027-03-28T02:30Z");
    }

    [Fact]
    public void AStepInMinutes_FollowsElapsedTime_AlsoAtFixedHours()
    {
        RequireDue(Trigger.Cron("*/30 2 * * *", "Europe/Berlin"), "2027-10-30T22:00Z", "2027-10-31T00:00Z", "2027-10-31T00:30Z", "2027-10-31T01:00Z", "2027-10-31T01:30Z", "2027-11-01T01:00Z");
        RequireDue(Trigger.Cron("*/30 2 * * *", "Europe/Berlin"), Gap, "2027-03-29T00:00Z");
    }

    [Fact]
    public void TriggersOfFixedTimes_RunOnce_WhenClocksChange()
    {
        RequireDue(Trigger.Daily(new TimeOnly(2, 30), "Europe/Berlin"), Gap, "2027-03-28T01:00Z", "2027-03-29T00:30Z");
        RequireDue(Trigger.Weekly(DayOfWeek.Sunday, new TimeOnly(2, 30), "Europe/Berlin"), Gap, "2027-03-28T01:00Z", "2027-04-04T00:30Z");
        RequireDue(Trigger.Monthly(28, new TimeOnly(2, 30), "Europe/Berlin"), Gap, "2027-03-28T01:00Z", "2027-04-28T00:30Z");
        RequireDue(Trigger.Monthly(-1, new TimeOnly(2, 30), "Europe/Berlin"), Repeat, "2027-10-31T00:30Z", "2027-11-30T01:30Z");
    }

    [Fact]
    public void MidnightThatIsSkipped_RunsAtOne() =>
        RequireDue(Trigger.Cron("0 0 * * *", "America/Sao_Paulo"), "2018-11-03T12:00Z", "2018-11-04T03:00Z", "2018-11-05T02:00Z");

    [Fact]
    public void ADayThatIsSkipped_RunsAtTheStartOfTheNext() =>
        RequireDue(Trigger.Daily(new TimeOnly(15, 0), "Pacific/Apia"), "2011-12-30T02:00Z", "2011-12-30T10:00Z", "2011-12-31T01:00Z");

    [Fact]
    public void AMidnightRepeatedOverTheYearsEnd_IsNotRunTwice()
    {
        // A zone of our own, whose clocks are put back by an hour at 00:30 on New Year's Day: the last half hour of the old year comes twice.
        var rule = TimeZoneInfo.AdjustmentRule.CreateAdjustmentRule(
            new DateTime(2020, 1, 1), new DateTime(2030, 12, 31), TimeSpan.FromHours(1),
            TimeZoneInfo.TransitionTime.CreateFixedDateRule(new DateTime(1, 1, 1, 12, 0, 0), 6, 1), TimeZoneInfo.TransitionTime.CreateFixedDateRule(new DateTime(1, 1, 1, 0, 30, 0), 1, 1));
        var zone = TimeZoneInfo.CreateCustomTimeZone("Test/NewYear", TimeSpan.Zero, null, null, null, [rule]);
        var expression = CronExpression.Parse("45 23 * * *");

        var first = expression.Next(At("2026-12-31T12:00Z"), zone);
        Assert.Equal(At("2026-12-31T22:45Z"), first);
        Assert.Equal(At("2027-01-01T23:45Z"), expression.Next(first!.Value, zone));
        Assert.Equal(At("2026-12-31T23:45Z"), CronExpression.Parse("45 * * * *").Next(At("2026-12-31T23:00Z"), zone));
    }

    private static void RequireDue(Trigger trigger, string after, params string[] expected)
    {
        var at = At(after);
        foreach (var text in expected)
        {
            Assert.Equal(At(text), trigger.Next(at));
            at = At(text);
        }
    }

    private static DateTimeOffset At(string text) => DateTimeOffset.ParseExact(text, "yyyy-MM-dd'T'HH:mmK", CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal);
}
