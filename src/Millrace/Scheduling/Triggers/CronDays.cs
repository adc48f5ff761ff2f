using System.Numerics;

namespace Millrace.Scheduling.Triggers;

/// <summary>The days that a cron expression names, as sets of bits, which fall together into one set when year and month are known.</summary>
internal record struct CronDays
{
    /// <summary>Bits 1 to 12.</summary>
    public ushort Months;

    /// <summary>Bits 1 to 31.</summary>
    public uint Days;

    /// <summary>Bit n: n days before the last of the month (<c>L</c>, <c>L-3</c>).</summary>
    public uint FromLast;

    /// <summary>Bits 1 to 31: the weekday nearest to that day (<c>15W</c>).</summary>
    public uint Nearest;

    /// <summary>Bit n: the weekday nearest to n days before the last (<c>LW</c>, <c>L-3W</c>).</summary>
    public uint NearestFromLast;

    /// <summary>Bits 0 (Sunday) to 6.</summary>
    public byte Weekdays;

    /// <summary>Bits 0 to 6: the last of them in the month (<c>5L</c>).</summary>
    public byte LastWeekdays;

    /// <summary>Bit 7 (n - 1) + weekday: the n-th of them in the month (<c>MON#2</c>).</summary>
    public ulong NthWeekdays;

    /// <summary>
    /// Whether a day counts that either of the two fields names. As Unix cron has it: if both are restricted, which a field that begins with <c>*</c> is not;
    /// otherwise both must name it.
    /// </summary>
    public bool IsEither;

    private const int Saturday = 6;

    /// <summary>The days of a month, bits 1 to 31.</summary>
    public readonly uint In(int year, int month)
    {
        if ((Months >> month & 1) == 0)
        {
            return 0;
        }

        var length = DateTime.DaysInMonth(year, month);

        // The first of January of the year 1, day 0, was a Monday.
        var first = (new DateOnly(year, month, 1).DayNumber + 1) % 7;
        var all = (uint)((1UL << (length + 1)) - 2);
        var days = DaysOf(length, first) & all;
        var weekdays = WeekdaysOf(length, first) & all;
        return IsEither ? days | weekdays : days & weekdays;
    }

    /// <summary>Whether there is a month at all, in the 400 years after which the calendar repeats itself, that has one of the days.</summary>
    public readonly bool Exist()
    {
        for (var year = 2000; year < 2400; year++)
        {
            for (var month = 1; month <= 12; month++)
            {
                if (In(year, month) != 0)
                {
                    return true;
                }
            }
        }

        return false;
    }

    private readonly uint DaysOf(int length, int first)
    {
        var days = Days;
        for (var offsets = FromLast; offsets != 0; offsets &= offsets - 1)
        {
            days |= BitAt(length - BitOperations.TrailingZeroCount(offsets));
        }

        for (var offsets = NearestFromLast; offsets != 0; offsets &= offsets - 1)
        {
            days |= NearestTo(length - BitOperations.TrailingZeroCount(offsets), length, first);
        }

        for (var nearest = Nearest; nearest != 0; nearest &= nearest - 1)
        {
            days |= NearestTo(BitOperations.TrailingZeroCount(nearest), length, first);
        }

        return days;
    }

    private readonly uint WeekdaysOf(int length, int first)
    {
        // Seven bits that begin with the month's first day, laid five times one after the other.
        var week = Turn(Weekdays, first);
        var days = week * 0b1_0000001_0000001_0000001_0000001UL;
        for (var shift = 0; NthWeekdays >> shift != 0; shift += 7)
        {
            days |= Turn((byte)(NthWeekdays >> shift & 0x7f), first) << shift;
        }

        days |= Turn(LastWeekdays, (first + length) % 7) << (length - 7);
        return (uint)(days << 1);
    }

    /// <summary>The set of weekdays with bit 0 for the weekday <paramref name="first"/>.</summary>
    private static ulong Turn(byte weekdays, int first) => (((ulong)weekdays << 7 | weekdays) >> first) & 0x7f;

    /// <summary>Monday to Friday, in the same month: Saturday moves to the day before, Sunday to the day after, and at an end of the month the other way.</summary>
    private static uint NearestTo(int day, int length, int first)
    {
        if (day < 1 || day > length)
        {
            return 0;
        }

        var weekday = (first + day - 1) % 7;
        return BitAt(weekday switch
        {
            Saturday => day > 1 ? day - 1 : day + 2,
            0 => day < length ? day + 1 : day - 2,
            _ => day,
        });
    }

    private static uint BitAt(int day) => day < 1 ? 0 : 1U << day;
}
