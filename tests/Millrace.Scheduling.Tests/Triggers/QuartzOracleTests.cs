using System.Globalization;
using Millrace.Scheduling.Triggers;
using Xunit;
using QuartzExpression = Quartz.CronExpression;

namespace Millrace.Scheduling.Tests.Triggers;

/// <summary>
/// Cron expressions against those of Quartz, in UTC, where the dialects agree: 100,000 with MILLRACE_FULL=1, some thousands otherwise. MILLRACE_SEED replays.
/// </summary>
/// <remarks>
/// They differ in this, which the generator avoids or translates:
/// weekdays are 1-7 from Sunday in Quartz, and 0-7 with Sunday at both ends here;
/// <c>L</c> alone as a weekday is Saturday in Quartz, and refused here;
/// <c>#</c> and <c>5L</c> stand alone in Quartz, and in lists here;
/// <c>30W</c> in a month that has no such day is the weekday nearest to its last in Quartz, and skipped here as 30 is;
/// a day field that begins with <c>*/</c> beside a restricted one: either in Quartz, both here (as in Unix cron);
/// a step after a range of named months (<c>JAN-JUN/2</c>) is not heeded by Quartz;
/// an expression that never comes is accepted by Quartz, and refused here;
/// Quartz has a field for years, and <c>H</c>; here five fields are enough;
/// Quartz looks no further than about a hundred years ahead;
/// when clocks change, Quartz has other rules.
/// </remarks>
public sealed class QuartzOracleTests
{
    private const int Instants = 4;
    private static readonly DateTimeOffset First = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    // Of the years that Quartz looks at.
    private static readonly DateTimeOffset Last = new(2090, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void RandomExpressions_AreDueWhenQuartzSaysSo()
    {
        var seed = TestScale.Seed();
        var random = new Random(seed);
        var (count, refused) = (TestScale.IsFull ? 100_000 : 5_000, 0);
        for (var i = 0; i < count; i++)
        {
            var (ours, theirs) = RandomExpression(random);
            var quartz = new QuartzExpression(theirs, TimeZoneInfo.Utc);
            var from = First.AddSeconds(random.NextInt64((long)(Last - First).TotalSeconds));
            CronExpression expression;
            try
            {
                expression = CronExpression.Parse(ours);
            }
            catch (InvalidTriggerException exception)
            {
                Assert.True(quartz.GetNextValidTimeAfter(from) is null, $"'{ours}' was refused, and '{theirs}' has a time (MILLRACE_SEED={seed}): {exception.Message}");
                refused++;
                continue;
            }

            for (var instant = 0; instant < Instants && from < Last; instant++)
            {
                var expected = quartz.GetNextValidTimeAfter(from);
                var actual = expression.Next(from, TimeZoneInfo.Utc);
                if (expected is null && actual > Last)
                {
                    break;
                }

                if (expected != actual)
                {
                    Assert.Fail($"'{ours}' after {from:O}: {actual:O}, and '{theirs}' {expected:O} (MILLRACE_SEED={seed}, expression {i})");
                }

                from = actual!.Value;
            }
        }

        TestScale.Report(string.Create(CultureInfo.InvariantCulture, $"{count} expressions, of which {refused} are never due"));
        Assert.True(refused < count / 20);
    }

    private static (string Ours, string Theirs) RandomExpression(Random random)
    {
        var times = $"{Field(random, 0, 59)} {Field(random, 0, 59)} {Field(random, 0, 23)}";
        var month = random.Next(3) == 0 ? Field(random, 1, 12, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC") : "*";
        var (days, weekdays, theirWeekdays) = random.Next(4) switch
        {
            0 => ("*", "?", "?"),
            1 => (DaysOfMonth(random), "?", "?"),
            2 => Join("?", Weekdays(random)),
            _ => Join(Unstarred(random, 1, 31), UnstarredWeekdays(random)),
        };
        return ($"{times} {days} {month} {weekdays}", $"{times} {days} {month} {theirWeekdays}");
    }

    private static (string Days, string Ours, string Theirs) Join(string days, (string Ours, string Theirs) weekdays) => (days, weekdays.Ours, weekdays.Theirs);

    private static string DaysOfMonth(Random random) => random.Next(8) switch
    {
        0 => "L",
        1 => "LW",
        2 => $"L-{random.Next(1, 28)}",
        3 => $"L-{random.Next(1, 28)}W",
        4 => $"{random.Next(1, 29)}W",
        5 => $"{random.Next(1, 29)}W,{random.Next(1, 29)}W,{random.Next(1, 32)}",
        6 => $"L,{random.Next(1, 32)}",
        _ => Field(random, 1, 31),
    };

    private static (string Ours, string Theirs) Weekdays(Random random)
    {
        var day = random.Next(0, 7);
        return random.Next(4) switch
        {
            0 => ($"{day}L", $"{day + 1}L"),
            1 => ($"{Name(day)}#{random.Next(1, 6)}", "") switch { var (ours, _) => (ours, ours) },
            2 => random.Next(2, 7) switch { var step => ($"*/{step}", $"*/{step}") },
            _ => UnstarredWeekdays(random),
        };
    }

    private static (string Ours, string Theirs) UnstarredWeekdays(Random random)
    {
        List<string> ours = [], theirs = [];
        for (var i = random.Next(1, 4); i > 0; i--)
        {
            var (from, to, step) = (random.Next(0, 7), random.Next(0, 7), random.Next(1, 4));
            switch (random.Next(5))
            {
                case 0:
                    ours.Add($"{from}-{to}");
                    theirs.Add($"{from + 1}-{to + 1}");
                    break;
                case 1:
                    ours.Add($"{Name(from)}-{Name(to)}/{step}");
                    theirs.Add($"{Name(from)}-{Name(to)}/{step}");
                    break;
                case 2:
                    ours.Add($"{from}/{step}");
                    theirs.Add($"{from + 1}/{step}");
                    break;
                case 3:
                    ours.Add(Name(from).ToLowerInvariant());
                    theirs.Add(Name(from));
                    break;
                default:
                    // Sunday is 7 as well as 0.
                    ours.Add($"{(from == 0 ? 7 : from)}");
                    theirs.Add($"{from + 1}");
                    break;
            }
        }

        return (string.Join(',', ours), string.Join(',', theirs));
    }

    private static string Name(int day) => ((DayOfWeek)day).ToString()[..3].ToUpperInvariant();

    private static string Field(Random random, int minimum, int maximum, string? names = null) => random.Next(5) switch
    {
        0 => "*",
        1 => $"*/{random.Next(1, maximum + 1)}",
        _ => Unstarred(random, minimum, maximum, names),
    };

    private static string Unstarred(Random random, int minimum, int maximum, string? names = null)
    {
        var items = new string[random.Next(3) == 0 ? random.Next(1, 6) : 1];
        for (var i = 0; i < items.Length; i++)
        {
            var step = random.Next(1, maximum + 1);
            var isNamed = names is not null && random.Next(2) == 0;
            items[i] = random.Next(5) switch
            {
                0 => $"{Value(isNamed)}-{Value(isNamed)}",
                1 => $"{Value(false)}-{Value(false)}/{step}",
                2 => $"{Value(false)}/{step}",
                _ => Value(isNamed),
            };
        }

        return string.Join(',', items);

        string Value(bool isNamed)
        {
            var value = random.Next(minimum, maximum + 1);
            return isNamed ? names!.Split(' ')[value - minimum] : value.ToString(CultureInfo.InvariantCulture);
        }
    }
}
