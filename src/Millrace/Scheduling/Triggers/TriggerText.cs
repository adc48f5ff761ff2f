using System.Globalization;

namespace Millrace.Scheduling.Triggers;

/// <summary>
/// The text form of triggers:
/// <code>
/// trigger = cron [ "in" zone ] | ( "every" | "@every" ) duration [ "from" instant ] | "at" instant
/// </code>
/// </summary>
internal static class TriggerText
{
    private const int MaxCharacters = CronExpression.MaxCharacters + 100;
    private const string MacroOfInterval = "@every";
    private const string InstantAllowed = "an instant such as 2027-01-01T00:00:00Z";

    private static readonly string[] InstantFormats = ["yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", "yyyy-MM-dd'T'HH:mmK"];

    public static bool IsInterval(string text) => FirstWord(text) is var (start, end) && text.AsSpan()[start..end].Equals(MacroOfInterval, StringComparison.OrdinalIgnoreCase);

    public static Trigger Parse(string text, string? zone)
    {
        if (text.Length > MaxCharacters)
        {
            throw InvalidTriggerException.In(text, MaxCharacters, FormattableString.Invariant($"it has {text.Length} characters, and may have {MaxCharacters}"));
        }

        var (start, end) = FirstWord(text);
        var word = text.AsSpan()[start..end];
        if (word.Equals("every", StringComparison.OrdinalIgnoreCase) || word.Equals(MacroOfInterval, StringComparison.OrdinalIgnoreCase))
        {
            return zone is null
                ? ParseInterval(text, end)
                : throw InvalidTriggerException.In(text, start, $"an interval has no time zone ('{InvalidTriggerException.Shown(zone)}'); it is the same everywhere");
        }

        return word.Equals("at", StringComparison.OrdinalIgnoreCase) ? ParseOnce(text, end, zone) : ParseCron(text, zone);
    }

    /// <summary>An instant of whole milliseconds, in UTC.</summary>
    public static string Format(DateTimeOffset instant) => instant.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFF'Z'", CultureInfo.InvariantCulture);

    /// <summary>Reads an instant that says how it lies to UTC, or a local time where a zone is given.</summary>
    public static bool TryParseInstant(ReadOnlySpan<char> text, ZoneTimeline? zone, out DateTimeOffset instant)
    {
        if (!DateTime.TryParseExact(text, InstantFormats, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out var parsed))
        {
            instant = default;
            return false;
        }

        if (parsed.Kind != DateTimeKind.Unspecified)
        {
            // What has an offset would come back in the zone of this machine; the instant itself is the same wherever it is read.
            return DateTimeOffset.TryParseExact(text, InstantFormats, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal, out instant);
        }

        var (second, fraction) = Math.DivRem(parsed.Ticks, TimeSpan.TicksPerSecond);
        instant = zone is null ? default : new DateTimeOffset((zone.InstantOf(second) * TimeSpan.TicksPerSecond) + fraction, TimeSpan.Zero);
        return zone is not null;
    }

    private static Trigger ParseInterval(string text, int at)
    {
        var (start, end) = NextWord(text, at);
        if (!TriggerDuration.TryParse(text.AsSpan()[start..end], out var interval, out var fault))
        {
            throw InvalidTriggerException.In(
                text, start + fault, $"an interval is {TriggerDuration.Allowed}, not '{InvalidTriggerException.Shown(text.AsSpan()[start..end])}'");
        }

        if (interval <= TimeSpan.Zero)
        {
            throw InvalidTriggerException.In(text, start, "an interval is 1 ms at least");
        }

        DateTimeOffset? anchor = null;
        var (fromStart, fromEnd) = NextWord(text, end);
        if (text.AsSpan()[fromStart..fromEnd].Equals("from", StringComparison.OrdinalIgnoreCase))
        {
            (anchor, end) = ParseInstant(text, fromEnd, null);
        }

        RequireEnd(text, end);
        return Trigger.Every(interval, anchor);
    }

    private static Trigger ParseOnce(string text, int at, string? zone)
    {
        var (instant, end) = ParseInstant(text, at, zone);
        RequireEnd(text, end);
        return Trigger.Once(instant);
    }

    private static (DateTimeOffset Instant, int End) ParseInstant(string text, int at, string? zone)
    {
        var (start, end) = NextWord(text, at);
        var timeline = zone is null ? null : ZoneTimeline.Of(zone);
        return TryParseInstant(text.AsSpan()[start..end], timeline, out var instant)
            ? (instant, end)
            : throw InvalidTriggerException.In(text, start, $"there must be {InstantAllowed}, with 'Z' or an offset such as '+01:00' at its end");
    }

    private static CronTrigger ParseCron(string text, string? zone)
    {
        var length = text.Length;
        for (var (start, end) = FirstWord(text); start < text.Length; (start, end) = NextWord(text, end))
        {
            if (text.AsSpan()[start..end].Equals("in", StringComparison.OrdinalIgnoreCase))
            {
                length = start;
                var (idStart, idEnd) = NextWord(text, end);
                var id = text[idStart..idEnd];
                RequireEnd(text, idEnd);
                if (id.Length == 0)
                {
                    throw InvalidTriggerException.In(text, text.Length, "the time zone after 'in' is missing");
                }

                if (!ZoneTimeline.TryFind(id, out var found))
                {
                    throw InvalidTriggerException.In(text, idStart, ZoneTimeline.NotFound(id));
                }

                if (zone is not null && !ReferenceEquals(ZoneTimeline.Of(zone), found))
                {
                    throw InvalidTriggerException.In(text, idStart, $"the zone is said to be '{InvalidTriggerException.Shown(zone)}' elsewhere");
                }

                return new CronTrigger(CronParser.Parse(text, length), found);
            }
        }

        return new CronTrigger(CronParser.Parse(text, length), ZoneTimeline.Of(zone));
    }

    private static void RequireEnd(string text, int at)
    {
        var (start, end) = NextWord(text, at);
        if (start < end)
        {
            throw InvalidTriggerException.In(text, start, $"'{InvalidTriggerException.Shown(text.AsSpan()[start..end])}' was not expected");
        }
    }

    private static (int Start, int End) FirstWord(string text) => NextWord(text, 0);

    /// <summary>The next word from an index on; empty, at the end of the text, if there is none.</summary>
    private static (int Start, int End) NextWord(string text, int at)
    {
        while (at < text.Length && char.IsWhiteSpace(text[at]))
        {
            at++;
        }

        var start = at;
        while (at < text.Length && !char.IsWhiteSpace(text[at]))
        {
            at++;
        }

        return (start, at);
    }
}
