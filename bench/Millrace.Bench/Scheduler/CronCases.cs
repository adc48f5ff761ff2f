using System.Diagnostics;
using Millrace.Scheduling.Triggers;

namespace Millrace.Bench.Scheduler;

/// <summary>The next occurrence of cron expressions, one after the other on one thread.</summary>
internal static class CronCases
{
    private const string Zone = "Europe/Berlin";
    private const int CommonCount = 2_000_000;
    private const int RareCount = 20_000;

    // The years that schedules go through, over and over.
    private static readonly DateTimeOffset Start = new(2027, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset End = Start.AddYears(10);

    private static readonly string[] Common =
        ["* * * * *", "*/5 * * * *", "0 * * * *", "0 3 * * *", "30 8 * * MON-FRI", "15,45 8-18 * * *", "0 0 1 * *", "*/10 * * * * *"];

    // All come once in 28 years or less: the fifth Monday of a February is its 29th day.
    private static readonly string[] Rare = ["0 0 * 2 MON#5", "0 12 29 2 *", "59 23 * 2 SUN#5"];

    /// <summary>Each from its last occurrence, in turns, as schedules go on; in UTC, and in a zone whose clocks change.</summary>
    public static Task<IReadOnlyList<Measurement>> NextAsync(BenchContext context)
    {
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var zoned = PerSecond(Common, Zone, CommonCount, context.CancellationToken);
        var utc = PerSecond(Common, null, CommonCount, context.CancellationToken);
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        return Task.FromResult<IReadOnlyList<Measurement>>(
        [
            new("per_s", zoned, "occurrences/s"),
            new("utc_per_s", utc, "occurrences/s"),
            new("alloc_bytes_per_occurrence", allocated / (2.0 * CommonCount), "bytes"),
        ]);
    }

    /// <summary>From instants all over a century, so that most of the search is over years in which nothing is due.</summary>
    public static Task<IReadOnlyList<Measurement>> RareAsync(BenchContext context)
    {
        var monday = Trigger.Cron("0 0 29 2 *", Zone)
            .Except(ExclusionCalendar.In(Zone).WithWeekdays(DayOfWeek.Tuesday, DayOfWeek.Wednesday, DayOfWeek.Thursday, DayOfWeek.Friday, DayOfWeek.Saturday, DayOfWeek.Sunday));
        return Task.FromResult<IReadOnlyList<Measurement>>(
        [
            new("us", MicrosecondsEach(Array.ConvertAll(Rare, expression => Trigger.Cron(expression, Zone)), context.CancellationToken), "us"),
            new("utc_us", MicrosecondsEach(Array.ConvertAll(Rare, expression => Trigger.Cron(expression)), context.CancellationToken), "us"),
            new("excluding_us", MicrosecondsEach([monday], context.CancellationToken), "us"),
        ]);
    }

    private static double PerSecond(string[] expressions, string? zone, int count, CancellationToken cancellationToken)
    {
        var triggers = Array.ConvertAll(expressions, expression => Trigger.Cron(expression, zone));
        var next = new DateTimeOffset[triggers.Length];
        Run(count / 4);
        var started = Stopwatch.GetTimestamp();
        Run(count);
        return count / Stopwatch.GetElapsedTime(started).TotalSeconds;

        void Run(int times)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Array.Fill(next, Start);
            for (var i = 0; i < times; i++)
            {
                var turn = i % triggers.Length;
                next[turn] = triggers[turn].Next(next[turn]) is { } due && due < End ? due : Start;
            }
        }
    }

    private static double MicrosecondsEach(Trigger[] triggers, CancellationToken cancellationToken)
    {
        Run(RareCount / 4);
        return Run(RareCount).TotalMicroseconds / RareCount;

        TimeSpan Run(int times)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var random = new Random(1);
            var started = Stopwatch.GetTimestamp();
            for (var i = 0; i < times; i++)
            {
                if (triggers[i % triggers.Length].Next(Start.AddDays(random.Next(36_525))) is null)
                {
                    throw new InvalidOperationException("A rare date was not found.");
                }
            }

            return Stopwatch.GetElapsedTime(started);
        }
    }
}
