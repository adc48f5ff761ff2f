using System.Numerics;

namespace Millrace.Scheduling.Triggers;

/// <summary>
/// A cron expression: five fields (minute, hour, day of month, month, weekday) as in Unix cron, or six with seconds first. Immutable, safe to share; equal when
/// the text is, but for case, space, macros and <c>?</c>.
/// </summary>
/// <remarks>
/// <para>
/// In every field: <c>*</c>, values, ranges (<c>10-20</c>), ranges that wrap around (<c>22-2</c>, <c>FRI-MON</c>), steps (<c>*/5</c>, <c>10-40/5</c>, and
/// <c>7/10</c> for 7 to the end), and lists of those. Months are 1-12 or JAN-DEC, weekdays 0-7 or SUN-SAT, where 0 and 7 are Sunday. Case does not count.
/// Days of the month may also be <c>L</c> (the last), <c>L-3</c> (three before it), <c>15W</c> (the nearest day from Monday to Friday within the month),
/// <c>LW</c> and <c>L-3W</c>; weekdays <c>5L</c> (the last Friday) and <c>MON#2</c> (the second Monday). <c>?</c> is <c>*</c>, in these two fields only.
/// Instead of fields: <c>@yearly</c>, <c>@annually</c>, <c>@monthly</c>, <c>@weekly</c>, <c>@daily</c>, <c>@midnight</c>, <c>@hourly</c>.
/// </para>
/// <para>
/// <b>Both day fields.</b> As in Unix cron, when day of month and weekday are both restricted a day counts that <em>either</em> names: <c>0 0 13 * FRI</c> is every
/// 13th and every Friday. A field that begins with <c>*</c> is not restricted; then both must name the day. (Quartz asks for <c>?</c> in one of them instead.)
/// </para>
/// <para>
/// <b>When clocks change.</b> Where <c>*</c> or a step (<c>/</c>) stands in hours, minutes or seconds, the expression follows elapsed time: it runs in both passes of
/// a repeated hour, and nothing is made up for a skipped one. All others name fixed times: one that is skipped runs once, at the first instant after the gap (several
/// skipped ones together once), and one that is repeated runs at its first pass only.
/// </para>
/// </remarks>
public sealed class CronExpression : IEquatable<CronExpression>
{
    /// <summary>The longest expression, in characters.</summary>
    public const int MaxCharacters = 1000;

    private const long SecondsPerDay = 86_400;
    private const int SecondsPerHour = 3600;
    private const int SecondsPerMinute = 60;

    // After so many years the calendar repeats itself, weekdays included.
    private const int CalendarYears = 400;

    private readonly ulong _seconds;
    private readonly ulong _minutes;
    private readonly uint _hours;
    private readonly CronDays _days;
    private readonly bool _followsElapsedTime;
    private readonly string _text;

    internal CronExpression(string text, ulong seconds, ulong minutes, uint hours, CronDays days, bool followsElapsedTime) =>
        (_text, _seconds, _minutes, _hours, _days, _followsElapsedTime) = (text, seconds, minutes, hours, days, followsElapsedTime);

    /// <summary>Reads an expression.</summary>
    /// <exception cref="InvalidTriggerException">
    /// It is not understood, or names days that no year has, such as the 30th of February; the message says where, and what is allowed.
    /// </exception>
    public static CronExpression Parse(string expression)
    {
        ArgumentNullException.ThrowIfNull(expression);
        return CronParser.Parse(expression, expression.Length);
    }

    /// <summary>The first instant after <paramref name="after"/> at which the expression is due, in UTC. Null: none before the year 10000.</summary>
    /// <param name="after">Anything later counts, this instant itself does not.</param>
    /// <param name="zone">Where the expression's local times are.</param>
    public DateTimeOffset? Next(DateTimeOffset after, TimeZoneInfo zone)
    {
        ArgumentNullException.ThrowIfNull(zone);
        return Next(after, ZoneTimeline.Of(zone));
    }

    /// <inheritdoc/>
    public bool Equals(CronExpression? other) => other is not null && string.Equals(_text, other._text, StringComparison.Ordinal);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as CronExpression);

    /// <inheritdoc/>
    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);

    /// <summary>The fields, in capitals, with a space between.</summary>
    public override string ToString() => _text;

    internal DateTimeOffset? Next(DateTimeOffset after, ZoneTimeline zone)
    {
        var next = Next((after.UtcTicks / TimeSpan.TicksPerSecond) + 1, zone);
        return next < 0 ? null : new DateTimeOffset(next * TimeSpan.TicksPerSecond, TimeSpan.Zero);
    }

    /// <summary>The first second at or after <paramref name="first"/>, both in UTC; negative if there is none.</summary>
    private long Next(long first, ZoneTimeline zone)
    {
        // Clocks that are put back show local times again that came after this instant already, so all changes up to here are looked at one by one.
        var farEnough = first + (2 * ZoneTimeline.LargestOffset);
        while (first <= ZoneTimeline.LastSecond)
        {
            var interval = zone.At(first);
            var local = NextLocal(LowerBound(interval, first));
            if (local < 0)
            {
                return -1;
            }

            var next = local - interval.Offset;
            if (next < interval.End)
            {
                return _followsElapsedTime ? next : Math.Max(next, interval.Start);
            }

            first = interval.End < farEnough ? interval.End : Math.Max(interval.End, local - ZoneTimeline.LargestOffset);
        }

        return -1;
    }

    /// <summary>The first local second that may still come.</summary>
    private long LowerBound(ZoneInterval interval, long first)
    {
        var local = first + interval.Offset;
        if (_followsElapsedTime)
        {
            return local;
        }

        // At the very start of an interval come the times that a gap before it has skipped.
        return first == interval.Start ? interval.Reached : Math.Max(local, interval.Reached);
    }

    /// <summary>The first local second at or after <paramref name="from"/> that the fields name; negative if there is none.</summary>
    private long NextLocal(long from)
    {
        from = Math.Max(from, 0);
        if (from > ZoneTimeline.LastSecond)
        {
            return -1;
        }

        var day = from / SecondsPerDay;
        DateOnly.FromDayNumber((int)day).Deconstruct(out var year, out var month, out var dayOfMonth);
        var days = _days.In(year, month) >> dayOfMonth;
        if ((days & 1) != 0)
        {
            var time = NextTime((int)(from % SecondsPerDay));
            if (time >= 0)
            {
                return (day * SecondsPerDay) + time;
            }
        }

        days >>= 1;
        if (days != 0)
        {
            return ((day + 1 + BitOperations.TrailingZeroCount(days)) * SecondsPerDay) + FirstTime();
        }

        return NextMonth(year, month);
    }

    /// <summary>The first second that the fields name after a month; negative if there is none.</summary>
    private long NextMonth(int year, int month)
    {
        var last = Math.Min(DateTime.MaxValue.Year, year + CalendarYears);
        while (true)
        {
            var later = (uint)_days.Months >> (month + 1);
            if (later != 0)
            {
                month += 1 + BitOperations.TrailingZeroCount(later);
            }
            else if (year++ < last)
            {
                month = BitOperations.TrailingZeroCount((uint)_days.Months);
            }
            else
            {
                return -1;
            }

            var days = _days.In(year, month);
            if (days != 0)
            {
                return (new DateOnly(year, month, BitOperations.TrailingZeroCount(days)).DayNumber * SecondsPerDay) + FirstTime();
            }
        }
    }

    private int FirstTime() =>
        (BitOperations.TrailingZeroCount(_hours) * SecondsPerHour)
        + (BitOperations.TrailingZeroCount(_minutes) * SecondsPerMinute)
        + BitOperations.TrailingZeroCount(_seconds);

    /// <summary>The first second of a day at or after <paramref name="from"/>; negative if there is none.</summary>
    private int NextTime(int from)
    {
        var (hour, minute, second) = (from / SecondsPerHour, from / SecondsPerMinute % 60, from % SecondsPerMinute);
        if ((_hours >> hour & 1) != 0)
        {
            var minutes = _minutes >> minute;
            var seconds = _seconds >> second;
            if ((minutes & 1) != 0 && seconds != 0)
            {
                return from + BitOperations.TrailingZeroCount(seconds);
            }

            minutes >>= 1;
            if (minutes != 0)
            {
                return (hour * SecondsPerHour) + ((minute + 1 + BitOperations.TrailingZeroCount(minutes)) * SecondsPerMinute) + BitOperations.TrailingZeroCount(_seconds);
            }
        }

        var hours = _hours >> (hour + 1);
        return hours == 0
            ? -1
            : ((hour + 1 + BitOperations.TrailingZeroCount(hours)) * SecondsPerHour)
                + (BitOperations.TrailingZeroCount(_minutes) * SecondsPerMinute)
                + BitOperations.TrailingZeroCount(_seconds);
    }
}
