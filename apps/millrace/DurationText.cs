using System.Buffers;
using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Millrace.App;

/// <summary>Durations as people write them: <c>90</c> (seconds), <c>500ms</c>, <c>1h30m</c>, <c>7d</c>.</summary>
internal static class DurationText
{
    private const double SecondsPerDay = 86_400;

    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.");

    private static readonly (string Unit, double Seconds)[] Units = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", SecondsPerDay)];

    /// <summary>An option that takes a duration, which may not be negative.</summary>
    public static Option<TimeSpan?> Option(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "DURATION",
        CustomParser = Parse,
    };

    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan duration)
    {
        var seconds = 0.0;
        duration = default;
        if (text.IsEmpty)
        {
            return false;
        }

        while (!text.IsEmpty)
        {
            var digits = text.IndexOfAnyExcept(NumberCharacters);
            var number = digits < 0 ? text : text[..digits];
            if (!double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value))
            {
                return false;
            }

            text = text[number.Length..];
            var letters = text.IndexOfAny(NumberCharacters);
            var unit = letters < 0 ? text : text[..letters];
            text = text[unit.Length..];
            if (!TryFindUnit(unit, out var factor))
            {
                return false;
            }

            seconds += value * factor;
        }

        if (seconds > TimeSpan.MaxValue.TotalSeconds / 2)
        {
            return false;
        }

        duration = TimeSpan.FromSeconds(seconds);
        return true;
    }

    private static bool TryFindUnit(ReadOnlySpan<char> text, out double seconds)
    {
        seconds = text.IsEmpty ? 1 : 0;
        foreach (var unit in Units)
        {
            if (text.SequenceEqual(unit.Unit))
            {
                seconds = unit.Seconds;
            }
        }

        return seconds > 0;
    }

    private static TimeSpan? Parse(ArgumentResult result)
    {
        if (result.Tokens.Count == 0)
        {
            // The option stands alone, where it may: the command has a default for that.
            return null;
        }

        var text = result.Tokens[0].Value;
        if (TryParse(text, out var duration))
        {
            return duration;
        }

        var option = ((OptionResult)result.Parent!).IdentifierToken?.Value;
        result.AddError(text.StartsWith('-')
            ? $"{option} cannot be negative: '{text}'."
            : $"{option} needs a duration such as 90 (seconds), 500ms, 10m or 1h30m, not '{text}'.");
        return null;
    }
}
