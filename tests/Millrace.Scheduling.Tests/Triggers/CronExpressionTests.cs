using System.Globalization;
using Millrace.Scheduling.Triggers;
using Xunit;

namespace Millrace.Scheduling.Tests.Triggers;

/// <summary>What each part of the cron dialect means, in UTC. The first of January 2027 is a Friday.</summary>
public sealed class CronExpressionTests
{
    private const string Start = "2026-12-31 23:59:59";

    [Theory]
    [InlineData("* * * * *", "2027-01-01 00:00:00", "2027-01-01 00:01:00")]
    [InlineData("* * * * * *", "2027-01-01 00:00:00", "2027-01-01 00:00:01")]
    [InlineData("15 30 4 * * *", "2027-01-01 04:30:15", "2027-01-02 04:30:15")]
    [InlineData("5,10 4 * * *", "2027-01-01 04:05:00", "2027-01-01 04:10:00", "2027-01-02 04:05:00")]
    [InlineData("10-12 4 * * *", "2027-01-01 04:10:00", "2027-01-01 04:11:00", "2027-01-01 04:12:00", "2027-01-02 04:10:00")]
    [InlineData("0 22-2 * * *", "2027-01-01 00:00:00", "2027-01-01 01:00:00", "2027-01-01 02:00:00", "2027-01-01 22:00:00", "2027-01-01 23:00:00", "2027-01-02 00:00:00")]
    [InlineData("0 22-2/2 * * *", "2027-01-01 00:00:00", "2027-01-01 02:00:00", "2027-01-01 22:00:00", "2027-01-02 00:00:00")]
    [InlineData("*/20 4 * * *", "2027-01-01 04:00:00", "2027-01-01 04:20:00", "2027-01-01 04:40:00", "2027-01-02 04:00:00")]
    [InlineData("10-40/15 4 * * *", "2027-01-01 04:10:00", "2027-01-01 04:25:00", "2027-01-01 04:40:00", "2027-01-02 04:10:00")]
    [InlineData("7/25 4 * * *", "2027-01-01 04:07:00", "2027-01-01 04:32:00", "2027-01-01 04:57:00", "2027-01-02 04:07:00")]
    [InlineData("0 0 1 MAR,jul *", "2027-03-01 00:00:00", "2027-07-01 00:00:00", "2028-03-01 00:00:00")]
    [InlineData("0 0 1 NOV-FEB/2 *", "2027-01-01 00:00:00", "2027-11-01 00:00:00", "2028-01-01 00:00:00")]
    [InlineData("0 0 31 * *", "2027-01-31 00:00:00", "2027-03-31 00:00:00", "2027-05-31 00:00:00")]
    [InlineData("0 0 L * *", "2027-01-31 00:00:00", "2027-02-28 00:00:00", "2027-03-31 00:00:00")]
    [InlineData("0 0 L-3 * *", "2027-01-28 00:00:00", "2027-02-25 00:00:00")]
    [InlineData("0 0 L-30 * *", "2027-01-01 00:00:00", "2027-03-01 00:00:00", "2027-05-01 00:00:00")]
    [InlineData("0 0 L,15 * *", "2027-01-15 00:00:00", "2027-01-31 00:00:00", "2027-02-15 00:00:00")]
    [InlineData("0 0 16W * *", "2027-01-15 00:00:00", "2027-02-16 00:00:00", "2027-03-16 00:00:00", "2027-04-16 00:00:00", "2027-05-17 00:00:00")]
    [InlineData("0 0 1W 5 *", "2027-05-03 00:00:00")]
    [InlineData("0 0 31W 1,10 *", "2027-01-29 00:00:00", "2027-10-29 00:00:00")]
    [InlineData("0 0 31W 4,5 *", "2027-05-31 00:00:00", "2028-05-31 00:00:00")]
    [InlineData("0 0 LW * *", "2027-01-29 00:00:00", "2027-02-26 00:00:00", "2027-03-31 00:00:00")]
    [InlineData("0 0 l-1w * *", "2027-01-29 00:00:00", "2027-02-26 00:00:00", "2027-03-30 00:00:00")]
    [InlineData("0 0 * * 5", "2027-01-01 00:00:00", "2027-01-08 00:00:00")]
    [InlineData("0 0 * * 0", "2027-01-03 00:00:00", "2027-01-10 00:00:00")]
    [InlineData("0 0 * * 7", "2027-01-03 00:00:00", "2027-01-10 00:00:00")]
    [InlineData("0 0 * * 7-7", "2027-01-03 00:00:00", "2027-01-10 00:00:00")]
    [InlineData("0 0 * * 5-7", "2027-01-01 00:00:00", "2027-01-02 00:00:00", "2027-01-03 00:00:00", "2027-01-08 00:00:00")]
    [InlineData("0 0 * * 7-2", "2027-01-03 00:00:00", "2027-01-04 00:00:00", "2027-01-05 00:00:00", "2027-01-10 00:00:00")]
    [InlineData("0 0 * * 0-7", "2027-01-01 00:00:00", "2027-01-02 00:00:00", "2027-01-03 00:00:00", "2027-01-04 00:00:00")]
    [InlineData("0 0 * * FRI-MON", "2027-01-01 00:00:00", "2027-01-02 00:00:00", "2027-01-03 00:00:00", "2027-01-04 00:00:00", "2027-01-08 00:00:00")]
    [InlineData("0 0 * * */2", "2027-01-02 00:00:00", "2027-01-03 00:00:00", "2027-01-05 00:00:00", "2027-01-07 00:00:00", "2027-01-09 00:00:00")]
    [InlineData("0 0 * * 7/3", "2027-01-02 00:00:00", "2027-01-03 00:00:00", "2027-01-06 00:00:00")]
    [InlineData("0 0 * * 5L", "2027-01-29 00:00:00", "2027-02-26 00:00:00", "2027-03-26 00:00:00")]
    [InlineData("0 0 * * FRIL,MON#1", "2027-01-04 00:00:00", "2027-01-29 00:00:00", "2027-02-01 00:00:00")]
    [InlineData("0 0 * * 7L", "2027-01-31 00:00:00", "2027-02-28 00:00:00")]
    [InlineData("0 0 * * MON#2", "2027-01-11 00:00:00", "2027-02-08 00:00:00")]
    [InlineData("0 0 * * 7#1,sun#5", "2027-01-03 00:00:00", "2027-01-31 00:00:00", "2027-02-07 00:00:00", "2027-03-07 00:00:00")]
    [InlineData("0 0 ? * FRI", "2027-01-01 00:00:00", "2027-01-08 00:00:00")]
    [InlineData("0 0 13 * ?", "2027-01-13 00:00:00", "2027-02-13 00:00:00")]
    [InlineData("0 0 13 * FRI", "2027-01-01 00:00:00", "2027-01-08 00:00:00", "2027-01-13 00:00:00", "2027-01-15 00:00:00")]
    [InlineData("0 0 L * MON#1", "2027-01-04 00:00:00", "2027-01-31 00:00:00", "2027-02-01 00:00:00")]
    [InlineData("0 0 */2 * FRI", "2027-01-01 00:00:00", "2027-01-15 00:00:00", "2027-01-29 00:00:00")]
    [InlineData("0 0 30 2 MON", "2027-02-01 00:00:00", "2027-02-08 00:00:00")]
    [InlineData("0 0 29 2 *", "2028-02-29 00:00:00", "2032-02-29 00:00:00")]
    [InlineData("0 0 * 2 MON#5", "2044-02-29 00:00:00", "2072-02-29 00:00:00", "2112-02-29 00:00:00")]
    [InlineData("@yearly", "2027-01-01 00:00:00", "2028-01-01 00:00:00")]
    [InlineData("@annually", "2027-01-01 00:00:00", "2028-01-01 00:00:00")]
    [InlineData("@monthly", "2027-01-01 00:00:00", "2027-02-01 00:00:00")]
    [InlineData("@weekly", "2027-01-03 00:00:00", "2027-01-10 00:00:00")]
    [InlineData("@daily", "2027-01-01 00:00:00", "2027-01-02 00:00:00")]
    [InlineData("@Midnight", "2027-01-01 00:00:00", "2027-01-02 00:00:00")]
    [InlineData(" @hourly ", "2027-01-01 00:00:00", "2027-01-01 01:00:00")]
    public void AnExpression_IsDueWhenItsFieldsSay(string expression, params string[] expected)
    {
        var parsed = CronExpression.Parse(expression);
        var after = Utc(Start);
        foreach (var text in expected)
        {
            Assert.Equal(Utc(text), parsed.Next(after, TimeZoneInfo.Utc));
            after = Utc(text);
        }
    }

    [Fact]
    public void Next_IsStrictlyAfter_InUtc_WhateverTheOffsetAsked()
    {
        var expression = CronExpression.Parse("0 12 * * *");

        var next = expression.Next(new DateTimeOffset(2027, 1, 1, 21, 0, 0, TimeSpan.FromHours(9)), TimeZoneInfo.Utc);

        Assert.Equal(new DateTimeOffset(2027, 1, 2, 12, 0, 0, TimeSpan.Zero), next);
        Assert.Equal(TimeSpan.Zero, next!.Value.Offset);
        Assert.Equal(new DateTimeOffset(2027, 1, 1, 12, 0, 0, TimeSpan.Zero), expression.Next(new DateTimeOffset(2027, 1, 1, 12, 0, 0, TimeSpan.Zero).AddTicks(-1), TimeZoneInfo.Utc));
    }

    [Fact]
    public void Next_AtTheEndsOfTheCalendar_IsFoundOrThereIsNone()
    {
        var expression = CronExpression.Parse("0 0 * * *");
        foreach (var id in new[] { "UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia" })
        {
            var zone = TimeZoneInfo.FindSystemTimeZoneById(id);
            Assert.NotNull(expression.Next(DateTimeOffset.MinValue, zone));
            Assert.Null(expression.Next(DateTimeOffset.MaxValue, zone));
            Assert.NotNull(expression.Next(DateTimeOffset.MaxValue.AddDays(-3), zone));
        }
    }

    [Fact]
    public void Next_AllocatesNothing()
    {
        var trigger = Trigger.Cron("15,45 2-18 * * MON-FRI", "Europe/Berlin");
        var after = new DateTimeOffset(2027, 1, 1, 0, 0, 0, TimeSpan.Zero);
        RunYear();

        var before = GC.GetAllocatedBytesForCurrentThread();
        RunYear();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void RunYear()
        {
            for (var at = after; at.Year == after.Year; at = trigger.Next(at)!.Value)
            {
            }
        }
    }

    [Theory]
    [InlineData("0 0 * * mon-fri", "0  0\t* * MON-FRI ")]
    [InlineData("0 0 ? * 1", "0 0 * * 1")]
    [InlineData("@daily", "0 0 * * *")]
    public void Expressions_OfTheSameText_AreEqual(string left, string right)
    {
        Assert.Equal(CronExpression.Parse(left), CronExpression.Parse(right));
        Assert.Equal(CronExpression.Parse(left).GetHashCode(), CronExpression.Parse(right).GetHashCode());
        Assert.Equal(CronExpression.Parse(left).ToString(), CronExpression.Parse(right).ToString());
        Assert.NotEqual(CronExpression.Parse(left), CronExpression.Parse("1 0 * * *"));
    }

    private static DateTimeOffset Utc(string text) => DateTimeOffset.ParseExact(text, "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
}
