using System.Collections.Immutable;
using System.Globalization;

namespace Millrace.Scheduling.Triggers;

/// <summary>
/// Times at which a trigger is not due although it would be: whole dates, ranges of dates, dates of every year, weekdays, times of day, all in one zone.
/// Immutable, safe to share, equal when it excludes the same. The <c>With…</c> members return a changed copy:
/// <c>ExclusionCalendar.In("Europe/Berlin").WithWeekdays(DayOfWeek.Saturday, DayOfWeek.Sunday).WithAnnual(12, 25)</c>.
/// </summary>
public sealed class ExclusionCalendar : IEquatable<ExclusionCalendar>
{
    /// <summary>How many stretches of dates, or of times of day, a calendar may have.</summary>
    public const int MaxStretches = 1000;

    internal const int SecondsPerDay = 86_400;
    private const int AllWeekdays = 0x7f;

    // A leap year, in which every date that there is can be checked.
    private const int AnyLeapYear = 2000;

    // Days that are looked at one by one before the trigger is asked again.
    private const int DaysAhead = 400;

    private ExclusionCalendar(ZoneTimeline zone) => Zone = zone;

    private ExclusionCalendar(ExclusionCalendar other) =>
        (Zone, Dates, Times, Annual, Weekdays) = (other.Zone, other.Dates, other.Times, other.Annual, other.Weekdays);

    /// <summary>The zone in which dates and times are meant.</summary>
    internal ZoneTimeline Zone { get; }

    /// <summary>Days by number, the last one included; in order, none touching the next.</summary>
    internal ImmutableArray<(int First, int Last)> Dates { get; private init; } = [];

    /// <summary>Seconds of the day, the last one not included; in order, none touching the next.</summary>
    internal ImmutableArray<(int From, int To)> Times { get; private init; } = [];

    /// <summary>Dates of every year, as month × 100 + day, in order.</summary>
    internal ImmutableArray<int> Annual { get; private init; } = [];

    /// <summary>Bits 0 (Sunday) to 6.</summary>
    internal byte Weekdays { get; private init; }

    internal bool IsEmpty => Dates.IsEmpty && Times.IsEmpty && Annual.IsEmpty && Weekdays == 0;

    /// <summary>A calendar that excludes nothing yet.</summary>
    /// <param name="zone">The IANA id of the zone in which its dates and times are; null is UTC.</param>
    /// <exception cref="InvalidTriggerException">There is no such zone.</exception>
    public static ExclusionCalendar In(string? zone = null) => new(ZoneTimeline.Of(zone));

    /// <summary>This calendar, with whole dates excluded too.</summary>
    public ExclusionCalendar WithDates(params DateOnly[] dates)
    {
        ArgumentNullException.ThrowIfNull(dates);
        return new ExclusionCalendar(this) { Dates = Merge(Dates.Concat(dates.Select(date => (date.DayNumber, date.DayNumber))), gap: 1) };
    }

    /// <summary>This calendar, with all dates from one to another excluded too, both included.</summary>
    /// <exception cref="InvalidTriggerException">The last date is before the first.</exception>
    public ExclusionCalendar WithDateRange(DateOnly first, DateOnly last) => last < first
        ? throw new InvalidTriggerException(
            FormattableString.Invariant($"The dates from {first:yyyy-MM-dd} to {last:yyyy-MM-dd} are none: the last must not be before the first."))
        : new ExclusionCalendar(this) { Dates = Merge(Dates.Append((first.DayNumber, last.DayNumber)), gap: 1) };

    /// <summary>This calendar, with a date of every year excluded too, such as 12, 25 for the 25th of December.</summary>
    /// <exception cref="InvalidTriggerException">There is no such date.</exception>
    public ExclusionCalendar WithAnnual(int month, int day) =>
        month is >= 1 and <= 12 && day >= 1 && day <= DateTime.DaysInMonth(AnyLeapYear, month)
            ? new ExclusionCalendar(this) { Annual = [.. Annual.Append((month * 100) + day).Distinct().Order()] }
            : throw new InvalidTriggerException(FormattableString.Invariant($"No year has a day {day} of month {month}."));

    /// <summary>This calendar, with weekdays excluded too; six of them at most.</summary>
    /// <exception cref="InvalidTriggerException">All seven would be excluded.</exception>
    public ExclusionCalendar WithWeekdays(params DayOfWeek[] weekdays)
    {
        ArgumentNullException.ThrowIfNull(weekdays);
        var all = weekdays.Aggregate((int)Weekdays, (set, day) => set | 1 << (int)day);
        return (all & AllWeekdays) != all
            ? throw new InvalidTriggerException("A weekday is one of Sunday to Saturday.")
            : all == AllWeekdays
                ? throw new InvalidTriggerException("A calendar cannot exclude all seven weekdays: nothing would ever be due.")
                : new ExclusionCalendar(this) { Weekdays = (byte)all };
    }

    /// <summary>This calendar, with a time of every day excluded too.</summary>
    /// <param name="from">The first time that is excluded, in whole seconds.</param>
    /// <param name="to">The first time that is not any more; before <paramref name="from"/>: on the next day. 00:00 is the end of the day.</param>
    /// <exception cref="InvalidTriggerException">The times are equal or not in whole seconds, or the whole day would be excluded.</exception>
    public ExclusionCalendar WithTimes(TimeOnly from, TimeOnly to)
    {
        if (from == to || from.Ticks % TimeSpan.TicksPerSecond != 0 || to.Ticks % TimeSpan.TicksPerSecond != 0)
        {
            throw new InvalidTriggerException(FormattableString.Invariant($"The times from {from:HH:mm:ss.FFF} to {to:HH:mm:ss.FFF} must differ and be of whole seconds."));
        }

        var (start, end) = ((int)(from.Ticks / TimeSpan.TicksPerSecond), (int)(to.Ticks / TimeSpan.TicksPerSecond));
        (int, int)[] added = start < end ? [(start, end)] : end == 0 ? [(start, SecondsPerDay)] : [(start, SecondsPerDay), (0, end)];
        var times = Merge(Times.Concat(added), gap: 0);
        return times is [(0, SecondsPerDay)]
            ? throw new InvalidTriggerException("A calendar cannot exclude all times of the day: nothing would ever be due.")
            : new ExclusionCalendar(this) { Times = times };
    }

    /// <inheritdoc/>
    public bool Equals(ExclusionCalendar? other) =>
        other is not null
        && ReferenceEquals(Zone, other.Zone)
        && Weekdays == other.Weekdays
        && Dates.AsSpan().SequenceEqual(other.Dates.AsSpan())
        && Times.AsSpan().SequenceEqual(other.Times.AsSpan())
        && Annual.AsSpan().SequenceEqual(other.Annual.AsSpan());

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ExclusionCalendar);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Zone.Id, Weekdays, Dates.Length, Dates.FirstOrDefault(), Times.Length, Times.FirstOrDefault(), Annual.Length);

    /// <summary>What is excluded, in words.</summary>
    public override string ToString()
    {
        var parts = new List<string>();
        parts.AddRange(CalendarText.WeekdaysOf(Weekdays));
        parts.AddRange(Annual.Select(CalendarText.FormatAnnual));
        parts.AddRange(Dates.Select(CalendarText.FormatDates));
        parts.AddRange(Times.Select(CalendarText.FormatTimes));
        return string.Join(", ", parts) + (Zone.Id is { } id ? $" in {id}" : "");
    }

    /// <summary>
    /// Null if an instant is not excluded; otherwise the ticks, in UTC, of a later one before which all are. It may be excluded itself, and may be beyond the last
    /// instant there is.
    /// </summary>
    internal long? ExcludedUntil(DateTimeOffset instant)
    {
        var interval = Zone.At(instant.UtcTicks / TimeSpan.TicksPerSecond);
        var local = Math.Max(0, (instant.UtcTicks / TimeSpan.TicksPerSecond) + interval.Offset);
        var (day, second) = ((int)(local / SecondsPerDay), (int)(local % SecondsPerDay));
        var next = NextDay(day);
        var until = next > day ? (long)next * SecondsPerDay : EndOfTime(second) is { } end ? ((long)day * SecondsPerDay) + end : -1;

        // When clocks change in between it is asked again from there.
        return until < 0 ? null : Math.Min(until - interval.Offset, interval.End) * TimeSpan.TicksPerSecond;
    }

    /// <summary>The first of some days from a day on that is not excluded; the day itself if it is not.</summary>
    private int NextDay(int day)
    {
        for (var ahead = 0; ahead < DaysAhead && day <= DateOnly.MaxValue.DayNumber; ahead++)
        {
            if (LastOfDates(day) is { } last)
            {
                day = last + 1;
            }
            else if ((Weekdays >> ((day + 1) % 7) & 1) != 0 || IsAnnual(day))
            {
                day++;
            }
            else
            {
                break;
            }
        }

        return day;
    }

    private int? LastOfDates(int day)
    {
        var (low, high) = (0, Dates.Length - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            if (Dates[middle].Last < day)
            {
                low = middle + 1;
            }
            else if (Dates[middle].First > day)
            {
                high = middle - 1;
            }
            else
            {
                return Dates[middle].Last;
            }
        }

        return null;
    }

    private bool IsAnnual(int day)
    {
        if (Annual.IsEmpty)
        {
            return false;
        }

        DateOnly.FromDayNumber(day).Deconstruct(out _, out var month, out var dayOfMonth);
        return Annual.AsSpan().BinarySearch((month * 100) + dayOfMonth) >= 0;
    }

    private int? EndOfTime(int second)
    {
        foreach (var (from, to) in Times)
        {
            if (second >= from && second < to)
            {
                return to;
            }
        }

        return null;
    }

    /// <summary>Stretches in order, those that overlap or touch made one.</summary>
    private static ImmutableArray<(int First, int Last)> Merge(IEnumerable<(int First, int Last)> stretches, int gap)
    {
        var merged = new List<(int First, int Last)>();
        foreach (var (first, last) in stretches.Order())
        {
            if (merged.Count > 0 && first <= merged[^1].Last + gap)
            {
                merged[^1] = (merged[^1].First, Math.Max(merged[^1].Last, last));
            }
            else
            {
                merged.Add((first, last));
            }
        }

        return merged.Count <= MaxStretches
            ? [.. merged]
            : throw new InvalidTriggerException(
                string.Create(CultureInfo.InvariantCulture, $"A calendar may exclude {MaxStretches} stretches of dates or times, not {merged.Count}."));
    }
}
