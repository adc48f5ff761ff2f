using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Millrace.Scheduling.Triggers;

/// <summary>
/// The offsets of a time zone as intervals, found when they are first asked for and kept: asking <see cref="TimeZoneInfo"/> each time costs more than the search
/// itself. One for each zone in the process, so that triggers hold a reference only. Safe for concurrent use.
/// </summary>
internal sealed class ZoneTimeline
{
    /// <summary>The last second of the calendar.</summary>
    public const long LastSecond = (3_155_378_976_000_000_000 / TimeSpan.TicksPerSecond) - 1;

    /// <summary>No offset is further from UTC.</summary>
    public const long LargestOffset = 14 * 3600;

    private const int MaxIdCharacters = 64;
    private const long SecondsPerDay = 86_400;

    // Shorter than any stretch between two changes of a zone since standard time was introduced.
    private const long ProbeStep = SecondsPerDay / 2;

    // Years that are kept; a schedule looks at this one and the next, a rare date at some more.
    private const int MaxYears = 512;

    private static readonly ConcurrentDictionary<string, ZoneTimeline> ById = new(StringComparer.Ordinal);
    private static readonly ConditionalWeakTable<TimeZoneInfo, ZoneTimeline> ByZone = [];

    private readonly ConcurrentDictionary<int, ZoneInterval[]> _years = new();
    private readonly TimeZoneInfo _zone;
    private ZoneInterval _last;

    private ZoneTimeline(TimeZoneInfo zone)
    {
        _zone = zone;
        var isFixed = zone.GetAdjustmentRules().Length == 0;
        var offset = (long)zone.BaseUtcOffset.TotalSeconds;
        _last = isFixed ? new ZoneInterval(0, LastSecond + 1, offset, offset) : new ZoneInterval(0, 0, 0, 0);
    }

    /// <summary>UTC.</summary>
    public static ZoneTimeline Utc { get; } = Of(TimeZoneInfo.Utc);

    /// <summary>The zone's id; null for UTC.</summary>
    public string? Id => ReferenceEquals(this, Utc) ? null : _zone.Id;

    /// <summary>The intervals of a zone.</summary>
    public static ZoneTimeline Of(TimeZoneInfo zone) =>
        ByZone.TryGetValue(zone, out var known) ? known : ByZone.GetValue(zone, static zone => new ZoneTimeline(zone));

    /// <summary>The zone of an IANA id; UTC for null.</summary>
    /// <exception cref="InvalidTriggerException">There is no such zone.</exception>
    public static ZoneTimeline Of(string? id) =>
        id is null ? Utc
        : TryFind(id, out var found) ? found
        : throw new InvalidTriggerException($"A time zone is not valid: {NotFound(id)}.");

    /// <summary>The zone of an IANA id, if there is one on this machine.</summary>
    public static bool TryFind(string id, [NotNullWhen(true)] out ZoneTimeline? found)
    {
        if (id is "UTC" or "Etc/UTC")
        {
            found = Utc;
        }
        else if (!ById.TryGetValue(id, out found))
        {
            // Ids are names of files on most systems, so nothing but an id may reach the look-up.
            found = IsWellFormed(id) && TimeZoneInfo.TryFindSystemTimeZoneById(id, out var zone) ? ById.GetOrAdd(id, Of(zone)) : null;
        }

        return found is not null;
    }

    /// <summary>What is said of an id that no zone has.</summary>
    public static string NotFound(string id) =>
        $"there is no time zone '{InvalidTriggerException.Shown(id)}' on this machine; use an IANA id, spelt as in 'Europe/Berlin' or 'UTC' (on Linux the package tzdata has them)";

    /// <summary>The interval in which a second of UTC lies.</summary>
    public ZoneInterval At(long second)
    {
        var last = _last;
        return second >= last.Start && second < last.End ? last : Find(second);
    }

    /// <summary>The instant of a local time. One that was skipped: the first instant after the gap; one that comes twice: the first.</summary>
    public long InstantOf(long local)
    {
        var interval = At(Math.Max(0, local - LargestOffset));
        while (local - interval.Offset >= interval.End && interval.End <= LastSecond)
        {
            interval = At(interval.End);
        }

        return Math.Clamp(local - interval.Offset, interval.Start, LastSecond);
    }

    private static bool IsWellFormed(string id)
    {
        if (id.Length is 0 or > MaxIdCharacters || !char.IsAsciiLetterUpper(id[0]))
        {
            return false;
        }

        foreach (var c in id)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('/' or '_' or '-' or '+'))
            {
                return false;
            }
        }

        return true;
    }

    private ZoneInterval Find(long second)
    {
        var year = new DateTime(second * TimeSpan.TicksPerSecond).Year;
        if (!_years.TryGetValue(year, out var intervals))
        {
            if (_years.Count >= MaxYears)
            {
                _years.Clear();
            }

            intervals = _years.GetOrAdd(year, IntervalsOf(year));
        }

        var i = 0;
        while (second >= intervals[i].End)
        {
            i++;
        }

        return _last = intervals[i];
    }

    /// <summary>The intervals of a year, cut at its ends.</summary>
    private ZoneInterval[] IntervalsOf(int year)
    {
        var yearStart = new DateTime(year, 1, 1).Ticks / TimeSpan.TicksPerSecond;
        var yearEnd = yearStart + ((DateTime.IsLeapYear(year) ? 366 : 365) * SecondsPerDay);
        var intervals = new List<ZoneInterval>();

        // A change in the days before may have put clocks back into this year. None is by more than a day and a bit.
        var start = Math.Max(0, yearStart - (3 * SecondsPerDay));
        var offset = OffsetAt(start);
        var reached = start + offset;
        while (start < yearEnd)
        {
            var end = EndOf(start, yearEnd, offset);
            if (end > yearStart)
            {
                var cut = Math.Max(start, yearStart);
                intervals.Add(new ZoneInterval(cut, end, offset, start < yearStart ? Math.Max(reached, cut + offset) : reached));
            }

            reached = Math.Max(reached, end + offset);
            (start, offset) = (end, end < yearEnd ? OffsetAt(end) : offset);
        }

        return [.. intervals];
    }

    /// <summary>The first second after <paramref name="start"/> that has another offset; <paramref name="limit"/> if none before it has.</summary>
    private long EndOf(long start, long limit, long offset)
    {
        var low = start;
        while (low < limit - 1)
        {
            var high = Math.Min(low + ProbeStep, limit - 1);
            if (OffsetAt(high) != offset)
            {
                return ChangeBetween(low, high, offset);
            }

            low = high;
        }

        return limit;
    }

    /// <summary>The first second that has another offset than <paramref name="low"/> has.</summary>
    private long ChangeBetween(long low, long high, long offset)
    {
        while (high - low > 1)
        {
            var middle = low + ((high - low) / 2);
            (low, high) = OffsetAt(middle) == offset ? (middle, high) : (low, middle);
        }

        return high;
    }

    private long OffsetAt(long second) =>
        _zone.GetUtcOffset(new DateTime(second * TimeSpan.TicksPerSecond, DateTimeKind.Utc)).Ticks / TimeSpan.TicksPerSecond;
}
