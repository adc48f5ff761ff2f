using System.Globalization;

namespace Millrace.Scheduling.Triggers;

/// <summary>What an exclusion calendar has, as text: <c>2027-12-24/2027-12-26</c>, <c>12-25</c>, <c>SAT</c>, <c>22:00-06:00</c>.</summary>
internal static class CalendarText
{
    public const string DatesAllowed = "a date such as 2027-12-24, or two with '/' between";
    public const string AnnualAllowed = "a month and a day such as 12-25";
    public const string WeekdaysAllowed = "SUN, MON, TUE, WED, THU, FRI or SAT";
    public const string TimesAllowed = "two times of day such as 22:00-06:00";

    private const string DateFormat = "yyyy-MM-dd";
    private const int SecondsPerHour = 3600;
    private static readonly string[] TimeFormats = ["HH:mm", "HH:mm:ss"];

    public static string FormatDates((int First, int Last) dates)
    {
        var first = DateOnly.FromDayNumber(dates.First).ToString(DateFormat, CultureInfo.InvariantCulture);
        return dates.First == dates.Last ? first : $"{first}/{DateOnly.FromDayNumber(dates.Last).ToString(DateFormat, CultureInfo.InvariantCulture)}";
    }

    public static string FormatAnnual(int annual) => string.Create(CultureInfo.InvariantCulture, $"{annual / 100:00}-{annual % 100:00}");

    public static string FormatTimes((int From, int To) times) => $"{FormatTime(times.From)}-{FormatTime(times.To)}";

    public static IEnumerable<string> WeekdaysOf(byte weekdays)
    {
        for (var day = 0; day < 7; day++)
        {
            if ((weekdays >> day & 1) != 0)
            {
                yield return CronField.Weekday.Names.Substring(day * CronField.NameLetters, CronField.NameLetters);
            }
        }
    }

    public static ExclusionCalendar? AddDates(ExclusionCalendar calendar, string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        return TryParseDate(slash < 0 ? text : text[..slash], out var first) && TryParseDate(slash < 0 ? text : text[(slash + 1)..], out var last)
            ? calendar.WithDateRange(first, last)
            : null;
    }

    public static ExclusionCalendar? AddAnnual(ExclusionCalendar calendar, string text) =>
        TryParseDate($"2000-{text}", out var date) ? calendar.WithAnnual(date.Month, date.Day) : null;

    public static ExclusionCalendar? AddWeekday(ExclusionCalendar calendar, string text)
    {
        for (var day = DayOfWeek.Sunday; day <= DayOfWeek.Saturday; day++)
        {
            var name = day.ToString();
            if (text.Equals(name, StringComparison.OrdinalIgnoreCase) || text.AsSpan().Equals(name.AsSpan(0, CronField.NameLetters), StringComparison.OrdinalIgnoreCase))
            {
                return calendar.WithWeekdays(day);
            }
        }

        return null;
    }

    public static ExclusionCalendar? AddTimes(ExclusionCalendar calendar, string text)
    {
        var dash = text.IndexOf('-', StringComparison.Ordinal);
        return dash >= 0 && TryParseTime(text[..dash], out var from) && TryParseTime(text[(dash + 1)..] is "24:00" ? "00:00" : text[(dash + 1)..], out var to)
            ? calendar.WithTimes(from, to)
            : null;
    }

    private static bool TryParseDate(string text, out DateOnly date) =>
        DateOnly.TryParseExact(text, DateFormat, CultureInfo.InvariantCulture, DateTimeStyles.None, out date);

    private static bool TryParseTime(string text, out TimeOnly time) =>
        TimeOnly.TryParseExact(text, TimeFormats, CultureInfo.InvariantCulture, DateTimeStyles.None, out time);

    private static string FormatTime(int second) => second % 60 == 0
        ? string.Create(CultureInfo.InvariantCulture, $"{second / SecondsPerHour:00}:{second / 60 % 60:00}")
        : string.Create(CultureInfo.InvariantCulture, $"{second / SecondsPerHour:00}:{second / 60 % 60:00}:{second % 60:00}");
}
