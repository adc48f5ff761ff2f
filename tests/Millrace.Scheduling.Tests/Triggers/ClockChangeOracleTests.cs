using System.Globalization;
using Millrace.Scheduling.Triggers;
using Xunit;

namespace Millrace.Scheduling.Tests.Triggers;

/// <summary>
/// The rules for clocks that change, against a walk over every second of the days around the changes of many zones in 30 years: all of them with
/// MILLRACE_FULL=1, one of each zone otherwise. MILLRACE_SEED replays.
/// </summary>
public sealed class ClockChangeOracleTests
{
    private const int SecondsPerDay = 86_400;
    private const int Before = 26 * 3600;
    private const int After = 26 * 3600;
    private const int SampleOfEachZone = 1;
    private const int RandomExpressions = 6;

    private static readonly DateTime First = new(1996, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    private static readonly DateTime Last = new(2027, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    // What runs at fixed times, and what follows elapsed time, at and around the hours at which clocks change somewhere.
    private static readonly string[] Expressions =
    [
        "* * * * * *", "* * * * *", "*/10 * * * *", "0 * * * *", "30 * * * *", "0 */2 * * *", "*/7 */3 * * *", "15 30 */5 * * *", "*/10 2 * * *", "0-50/10 1-3 * * *",
        "30 0 * * *", "0 0 * * *", "59 23 * * *", "30 1 * * *", "0 2 * * *", "30 2 * * *", "15,45 1,2,3 * * *", "59 59 2 * * *", "0 3 * * *", "0 1-4 * * *", "0 12 * * *",
        "30 2 * * SUN", "30 2 28-31 3,10 *", "0 0 1 * MON",
    ];

    public static TheoryData<string> Zones =>
    [
        "Europe/Berlin", "Europe/Dublin", "Europe/Istanbul", "America/New_York", "America/St_Johns", "America/Havana", "America/Caracas", "America/Sao_Paulo", "America/Asuncion",
        "Africa/Casablanca", "Africa/Cairo", "Asia/Tehran", "Asia/Gaza", "Asia/Pyongyang", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham", "Antarctica/Troll", "Asia/Kathmandu",
    ];

    [Theory]
    [MemberData(nameof(Zones))]
    public void Triggers_AroundEveryChange_AreDueAsTheWalkOverSecondsSays(string id)
    {
        var seed = TestScale.Seed();
        var random = new Random(seed);
        var zone = TimeZoneInfo.FindSystemTimeZoneById(id);
        var changes = ChangesOf(zone);
        if (!TestScale.IsFull)
        {
            changes = [.. changes.OrderBy(_ => random.Next()).Take(SampleOfEachZone)];
        }

        var compared = 0L;
        foreach (var change in changes)
        {
            var walk = new SecondWalk(zone, change - Before - SecondsPerDay, change - Before, change + After);
            foreach (var expression in Expressions.Concat(Enumerable.Range(0, RandomExpressions).Select(_ => RandomExpression(random))))
            {
                compared += Compare(expression, id, walk, seed);
            }
        }

        TestScale.Report(string.Create(CultureInfo.InvariantCulture, $"{id}: {changes.Count} changes, {compared} instants"));
        Assert.True(changes.Count == 0 || compared > 0);
    }

    private static int Compare(string expression, string zone, SecondWalk walk, int seed)
    {
        var trigger = Trigger.Cron(expression, zone);
        var after = At(walk.From).AddTicks(-1);
        var expected = walk.InstantsOf(expression);
        foreach (var second in expected)
        {
            // From anywhere between, the same comes next.
            var between = after + ((At(second) - after) / 2);
            RequireNext(after, At(second));
            RequireNext(between, At(second));
            after = At(second);
        }

        var beyond = trigger.Next(after);
        Assert.True(beyond is null || beyond >= At(walk.To), $"'{expression}' in {zone} after {after:O}: {beyond:O}, the walk says none before {At(walk.To):O} (MILLRACE_SEED={seed})");
        return expected.Count;

        void RequireNext(DateTimeOffset from, DateTimeOffset due)
        {
            var next = trigger.Next(from);
            if (next != due)
            {
                Assert.Fail($"'{expression}' in {zone} after {from:O}: {next:O}, the walk says {due:O} (MILLRACE_SEED={seed})");
            }
        }
    }

    private static DateTimeOffset At(long second) => new(second * TimeSpan.TicksPerSecond, TimeSpan.Zero);

    /// <summary>The first seconds with another offset, found by looking at every hour.</summary>
    private static List<long> ChangesOf(TimeZoneInfo zone)
    {
        var changes = new List<long>();
        var first = First.Ticks / TimeSpan.TicksPerSecond;
        var offset = OffsetAt(zone, first);
        for (var hour = first; hour < Last.Ticks / TimeSpan.TicksPerSecond; hour += 3600)
        {
            if (OffsetAt(zone, hour) == offset)
            {
                continue;
            }

            var second = hour - 3600;
            while (OffsetAt(zone, second) == offset)
            {
                second++;
            }

            changes.Add(second);
            offset = OffsetAt(zone, second);
        }

        return changes;
    }

    private static long OffsetAt(TimeZoneInfo zone, long second) =>
        zone.GetUtcOffset(new DateTime(second * TimeSpan.TicksPerSecond, DateTimeKind.Utc)).Ticks / TimeSpan.TicksPerSecond;

    private static string RandomExpression(Random random)
    {
        // Mostly in the small hours, where clocks change.
        var hour = random.Next(4) switch
        {
            0 => "*",
            1 => $"*/{random.Next(1, 8)}",
            2 => $"{random.Next(0, 5)}-{random.Next(0, 5)}",
            _ => $"{random.Next(0, 4)},{random.Next(0, 24)}",
        };
        var minute = random.Next(4) switch
        {
            0 => "*",
            1 => $"{random.Next(0, 60)}/{random.Next(1, 60)}",
            2 => $"{random.Next(0, 60)}-{random.Next(0, 60)}/{random.Next(1, 30)}",
            _ => $"{random.Next(0, 60)},{random.Next(0, 60)}",
        };
        var second = random.Next(3) == 0 ? $"{random.Next(0, 60)},{random.Next(0, 60)} " : "";
        return $"{second}{minute} {hour} {(random.Next(3) == 0 ? $"{random.Next(1, 20)}-31" : "*")} * {(random.Next(3) == 0 ? $"{random.Next(0, 7)},{random.Next(0, 7)}" : "*")}";
    }

    /// <summary>The local times of every second of some days, and what an expression makes of them by looking at each.</summary>
    private sealed class SecondWalk
    {
        private readonly long[] _locals;
        private readonly long _start;

        /// <param name="zone">The zone.</param>
        /// <param name="start">Where the walk begins, to see what clocks have shown before.</param>
        /// <param name="from">Where instants begin to count.</param>
        /// <param name="to">Where it ends.</param>
        public SecondWalk(TimeZoneInfo zone, long start, long from, long to)
        {
            (_start, From, To) = (start, from, to);
            _locals = new long[to - start];
            for (var i = 0; i < _locals.Length; i++)
            {
                _locals[i] = start + i + OffsetAt(zone, start + i);
            }
        }

        public long From { get; }

        public long To { get; }

        public List<long> InstantsOf(string expression)
        {
            var fields = expression.Split(' ');
            fields = fields.Length == 5 ? ["0", .. fields] : fields;
            var followsElapsedTime = string.Concat(fields[..3]).AsSpan().IndexOfAny('*', '/') >= 0;
            bool[] seconds = [.. Enumerable.Range(0, 60).Select(value => Names(fields[0], value, 0, 59))];
            bool[] minutes = [.. Enumerable.Range(0, 60).Select(value => Names(fields[1], value, 0, 59))];
            bool[] hours = [.. Enumerable.Range(0, 24).Select(value => Names(fields[2], value, 0, 23))];

            var days = new Dictionary<long, bool>();
            var instants = new List<long>();
            var reached = _locals[0];
            for (var i = 0; i < _locals.Length; i++)
            {
                var local = _locals[i];
                var isDue = IsDue(local);
                if (!followsElapsedTime)
                {
                    isDue &= local >= reached;
                    for (var skipped = reached; skipped < local && !isDue; skipped++)
                    {
                        isDue = IsDue(skipped);
                    }
                }

                reached = Math.Max(reached, local + 1);
                if (isDue && _start + i >= From)
                {
                    instants.Add(_start + i);
                }
            }

            return instants;

            bool IsDue(long local)
            {
                if (!seconds[local % 60] || !minutes[local / 60 % 60] || !hours[local / 3600 % 24])
                {
                    return false;
                }

                var day = local / SecondsPerDay;
                return days.TryGetValue(day, out var known) ? known : days[day] = IsDay(fields, DateOnly.FromDayNumber((int)day));
            }
        }

        private static bool IsDay(string[] fields, DateOnly date)
        {
            var (day, weekday) = (Names(fields[3], date.Day, 1, 31), Names(fields[5], (int)date.DayOfWeek, 0, 6, Array.ConvertAll(Enum.GetNames<DayOfWeek>(), name => name[..3].ToUpperInvariant())));
            return Names(fields[4], date.Month, 1, 12) && (fields[3].StartsWith('*') || fields[5].StartsWith('*') ? day && weekday : day || weekday);
        }

        private static bool Names(string field, int value, int minimum, int maximum, string[]? names = null)
        {
            var isNamed = false;
            foreach (var item in field.Split(','))
            {
                var (range, step) = item.Split('/') is [var left, var right] ? (left, int.Parse(right, CultureInfo.InvariantCulture)) : (item, 0);
                var (from, to) = range == "*" ? (minimum, maximum)
                    : range.Split('-') is [var first, var last] ? (Number(first), Number(last))
                    : step > 0 ? (Number(range), maximum) : (Number(range), Number(range));
                var isIn = from <= to ? value >= from && value <= to : value >= from || value <= to;
                var distance = value >= from ? value - from : value + maximum - minimum + 1 - from;
                isNamed |= isIn && (step == 0 || distance % step == 0);
            }

            return isNamed;

            int Number(string text) => int.TryParse(text, CultureInfo.InvariantCulture, out var number) ? number : Array.IndexOf(names!, text);
        }
    }
}
