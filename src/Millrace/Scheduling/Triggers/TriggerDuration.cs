using System.Globalization;
using System.Text;

namespace Millrace.Scheduling.Triggers;

/// <summary>Intervals as people write them: <c>5m</c>, <c>1h30m</c>, <c>500ms</c>; the framework's form, <c>00:05:00</c>, is read too.</summary>
internal static class TriggerDuration
{
    public const string Allowed = "a number with a unit, such as 500ms, 30s, 5m, 1h30m or 7d";

    private static readonly (string Name, long Ticks)[] Units =
    [
        ("d", TimeSpan.TicksPerDay), ("h", TimeSpan.TicksPerHour), ("m", TimeSpan.TicksPerMinute), ("s", TimeSpan.TicksPerSecond), ("ms", TimeSpan.TicksPerMillisecond),
    ];

    /// <summary>Reads an interval.</summary>
    /// <param name="text">The text.</param>
    /// <param name="duration">What it says.</param>
    /// <param name="fault">Where it is wrong; its length where something is missing at the end.</param>
    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan duration, out int fault)
    {
        fault = 0;
        if (text.Contains(':'))
        {
            return TimeSpan.TryParseExact(text, "c", CultureInfo.InvariantCulture, out duration);
        }

        duration = default;
        var ticks = 0L;
        var rest = text;
        while (!rest.IsEmpty || text.IsEmpty)
        {
            fault = text.Length - rest.Length;
            var digits = LeadingDigits(rest);
            var unit = rest[digits..];
            unit = unit[..LeadingLetters(unit)];
            if (digits == 0 || !long.TryParse(rest[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                return false;
            }

            if (!TryFindUnit(unit, out var ticksPerUnit))
            {
                fault += digits;
                return false;
            }

            if (number > (TimeSpan.MaxValue.Ticks - ticks) / ticksPerUnit)
            {
                return false;
            }

            ticks += number * ticksPerUnit;
            rest = rest[(digits + unit.Length)..];
        }

        duration = new TimeSpan(ticks);
        return true;
    }

    /// <summary>The shortest text of whole milliseconds.</summary>
    public static string Format(TimeSpan duration)
    {
        var text = new StringBuilder();
        var ticks = duration.Ticks;
        foreach (var (name, ticksPerUnit) in Units)
        {
            if (ticks >= ticksPerUnit)
            {
                text.Append(CultureInfo.InvariantCulture, $"{ticks / ticksPerUnit}{name}");
                ticks %= ticksPerUnit;
            }
        }

        return text.ToString();
    }

    private static bool TryFindUnit(ReadOnlySpan<char> name, out long ticks)
    {
        ticks = 0;
        foreach (var unit in Units)
        {
            if (name.Equals(unit.Name, StringComparison.OrdinalIgnoreCase))
            {
                ticks = unit.Ticks;
            }
        }

        return ticks > 0;
    }

    private static int LeadingDigits(ReadOnlySpan<char> text)
    {
        var length = text.IndexOfAnyExceptInRange('0', '9');
        return length < 0 ? text.Length : length;
    }

    private static int LeadingLetters(ReadOnlySpan<char> text)
    {
        var length = 0;
        while (length < text.Length && char.IsAsciiLetter(text[length]))
        {
            length++;
        }

        return length;
    }
}
