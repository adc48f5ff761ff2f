using Millrace.Scheduling.Triggers;
using Xunit;

namespace Millrace.Scheduling.Tests.Triggers;

/// <summary>What is wrong with an expression is said with its place in the text.</summary>
public sealed class CronFaultTests
{
    [Theory]
    [InlineData("", 0, "empty")]
    [InlineData("   ", 3, "empty")]
    [InlineData("* * * *", 7, "4 fields")]
    [InlineData("5", 1, "1 field")]
    [InlineData("* * * * * * 2027", 12, "more than 6 fields")]
    [InlineData("60 * * * *", 0, "0-59")]
    [InlineData("* 24 * * *", 2, "0-23")]
    [InlineData("* * 0 * *", 4, "1-31")]
    [InlineData("* * 32 * *", 4, "1-31")]
    [InlineData("* * * 13 *", 6, "JAN-DEC")]
    [InlineData("* * * * 8", 8, "SUN-SAT")]
    [InlineData("60 * * * * *", 0, "second")]
    [InlineData("* * * MOO *", 6, "'MOO' is no month")]
    [InlineData("* * * JA *", 6, "'JA' is no month")]
    [InlineData("* * * JANUARY *", 9, "'U' was not expected")]
    [InlineData("* * * * MOND", 11, "'D' was not expected")]
    [InlineData("JAN * * * *", 0, "'JAN' is no minute")]
    [InlineData("1,,2 * * * *", 2, "missing")]
    [InlineData("1, * * * *", 2, "missing")]
    [InlineData(",1 * * * *", 0, "missing")]
    [InlineData("1- * * * *", 2, "missing")]
    [InlineData("1-x * * * *", 2, "'x' is no minute")]
    [InlineData("1-60 * * * *", 2, "60 is no minute")]
    [InlineData("-5 * * * *", 0, "'-' was not expected")]
    [InlineData("*/ * * * *", 2, "missing")]
    [InlineData("*/0 * * * *", 2, "1 to 59")]
    [InlineData("*/90 * * * *", 2, "every 90m")]
    [InlineData("0 */24 * * *", 4, "1 to 23")]
    [InlineData("*/5/5 * * * *", 3, "'/' was not expected")]
    [InlineData("** * * * *", 1, "'*' was not expected")]
    [InlineData("5-10-15 * * * *", 4, "'-' was not expected")]
    [InlineData("1;2 * * * *", 1, "';' was not expected")]
    [InlineData("99999999999999999999 * * * *", 0, "is no minute")]
    [InlineData("*/99999999999999999999 * * * *", 2, "1 to 59")]
    [InlineData("? * * * *", 0, "'?' may stand for")]
    [InlineData("* * ?,1 * *", 4, "'?' was not expected")]
    [InlineData("* * 1,? * *", 6, "'?' was not expected")]
    [InlineData("L * * * *", 0, "L may stand for days only")]
    [InlineData("* * L-0 * *", 6, "-1 to -30")]
    [InlineData("* * L-31 * *", 6, "-1 to -30")]
    [InlineData("* * LX * *", 5, "'X' was not expected")]
    [InlineData("* * 15WX * *", 7, "'X' was not expected")]
    [InlineData("* * W * *", 4, "no day-of-month")]
    [InlineData("15W * * * *", 2, "'W' was not expected")]
    [InlineData("* * * * L", 8, "5L")]
    [InlineData("* * 5L * *", 5, "'L' was not expected")]
    [InlineData("* * * * MON#", 12, "missing")]
    [InlineData("* * * * MON#0", 12, "1 to 5")]
    [InlineData("* * * * MON#6", 12, "1 to 5")]
    [InlineData("* * * * MON#2-3", 13, "'-' was not expected")]
    [InlineData("* * 1#2 * *", 5, "'#' was not expected")]
    [InlineData("0 0 30 2 *", 4, "no year has such a day")]
    [InlineData("0 0 31 4,6,9,11 *", 4, "no year has such a day")]
    [InlineData("0 0 0 30W FEB ?", 6, "no year has such a day")]
    [InlineData("0 0 L-29 2 *", 4, "no year has such a day")]
    [InlineData("0 0 */31 * MON#2", 4, "no year has such a day")]
    [InlineData("@fortnightly", 0, "@weekly")]
    [InlineData("@daily 5", 7, "nothing may follow")]
    [InlineData("@every 5m", 0, "interval")]
    [InlineData("* * * * \u0007", 8, "was not expected")]
    public void AMalformedExpression_IsRefused_WithThePlace(string expression, int position, string reason)
    {
        var refused = Assert.Throws<InvalidTriggerException>(() => CronExpression.Parse(expression));

        Assert.Equal(position, refused.Position);
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(refused.Message, char.IsControl);
        Assert.IsAssignableFrom<MillraceConfigurationException>(refused);
    }

    [Fact]
    public void HostileTexts_AreRefusedAtOnce_WithShortErrors()
    {
        string[] hostile =
        [
            new('*', 10_000_000),
            string.Join(',', Enumerable.Repeat("1", 100_000)) + " * * * *",
            new string(' ', 1_000_000) + "* * * * *",
            "* * * * " + new string('9', 500),
            new string('9', 900) + " * * * *",
            "* * * " + new string('J', 900) + " *",
            "@" + new string('a', 900),
            "* * * * " + string.Concat(Enumerable.Repeat("MON#1,", 150)),
        ];

        foreach (var text in hostile)
        {
            var refused = Assert.Throws<InvalidTriggerException>(() => Trigger.Parse(text));
            Assert.NotNull(refused.Position);
            Assert.True(refused.Message.Length < 500, refused.Message);
            Assert.Throws<InvalidTriggerException>(() => CronExpression.Parse(text));
            Assert.Throws<InvalidTriggerException>(() => Trigger.Cron("@daily", text));
        }
    }

    [Fact]
    public void RandomTexts_AreReadOrRefused_AndNothingElse()
    {
        var seed = TestScale.Seed();
        var random = new Random(seed);
        const string Alphabet = "0123456789*/-,?LW#@ JANMONFRIévery5ins\t\0";
        var read = 0;
        for (var i = 0; i < (TestScale.IsFull ? 1_000_000 : 20_000); i++)
        {
            // Half of them are expressions with a few characters changed.
            var text = (i % 2 == 0 ? "0 12-16/2 L-3,15W * MON#2" : new string(' ', random.Next(30))).ToCharArray();
            for (var changes = i % 2 == 0 ? random.Next(1, 4) : text.Length; changes > 0; changes--)
            {
                text[random.Next(text.Length)] = Alphabet[random.Next(Alphabet.Length)];
            }

            try
            {
                var trigger = Trigger.Parse(new string(text));
                Assert.Equal(trigger, Trigger.Parse(trigger.ToString()));
                Assert.NotNull(trigger.Next(DateTimeOffset.UnixEpoch));
                read++;
            }
            catch (InvalidTriggerException refused)
            {
                Assert.InRange(refused.Position ?? -1, 0, text.Length);
            }
        }

        Assert.True(read > 0, $"MILLRACE_SEED={seed}");
    }
}
