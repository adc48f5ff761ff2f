using System.Globalization;

namespace Millrace.Scheduling.Triggers;

/// <summary>
/// Reads cron expressions:
/// <code>
/// expression = macro | [second] minute hour day month weekday
/// field      = item { "," item }
/// item       = ( "*" | value [ "-" value ] ) [ "/" step ] | "?"
/// day item   = "L" [ "-" number ] [ "W" ] | number "W"
/// weekday    = value "L" | value "#" number
/// </code>
/// </summary>
internal struct CronParser
{
    private const int FewestFields = 5;
    private const int MostFields = 6;
    private const int LastWeek = 5;

    private readonly string _text;
    private int _at;
    private int _end;
    private CronField _field;
    private CronDays _days;
    private bool _isRepeating;

    private CronParser(string text)
    {
        _text = text;
        _field = CronField.Second;
    }

    /// <summary>Reads the expression that stands in the first <paramref name="length"/> characters of a text.</summary>
    public static CronExpression Parse(string text, int length)
    {
        if (length > CronExpression.MaxCharacters)
        {
            throw InvalidTriggerException.In(
                text, CronExpression.MaxCharacters, $"it has {length} characters, and a cron expression may have {CronExpression.MaxCharacters}");
        }

        Span<Range> ranges = stackalloc Range[MostFields + 1];
        var count = Split(text.AsSpan(0, length), ranges);
        if (count == 0)
        {
            throw InvalidTriggerException.In(text, length, "it is empty; write five fields (minute hour day month weekday), six with seconds first, or a macro such as @daily");
        }

        if (text[ranges[0].Start] == '@')
        {
            return Parse(Expand(text, ranges[..count]));
        }

        if (count is not (FewestFields or MostFields))
        {
            var position = count < FewestFields ? length : ranges[count - 1].Start.Value;
            throw InvalidTriggerException.In(
                text,
                position,
                $"it has {(count < FewestFields ? Plural(count) : "more than 6 fields")}; there must be five (minute hour day month weekday), or six with seconds first");
        }

        return new CronParser(text).ParseFields(ranges[..count]);
    }

    private static CronExpression Parse(string text) => Parse(text, text.Length);

    private static string Plural(int count) => count == 1 ? "1 field" : string.Create(CultureInfo.InvariantCulture, $"{count} fields");

    /// <summary>The words of a text, as many as there is room for.</summary>
    private static int Split(ReadOnlySpan<char> text, Span<Range> words)
    {
        var count = 0;
        for (var i = 0; i < text.Length && count < words.Length;)
        {
            if (text[i] is ' ' or '\t')
            {
                i++;
                continue;
            }

            var start = i;
            while (i < text.Length && text[i] is not (' ' or '\t'))
            {
                i++;
            }

            words[count++] = start..i;
        }

        return count;
    }

    private static string Expand(string text, ReadOnlySpan<Range> words)
    {
        var macro = text[words[0]];
        var start = words[0].Start.Value;
        var expanded = macro.ToUpperInvariant() switch
        {
            "@YEARLY" or "@ANNUALLY" => "0 0 1 1 *",
            "@MONTHLY" => "0 0 1 * *",
            "@WEEKLY" => "0 0 * * 0",
            "@DAILY" or "@MIDNIGHT" => "0 0 * * *",
            "@HOURLY" => "0 * * * *",
            "@EVERY" => throw InvalidTriggerException.In(text, start, "@every is an interval, not a cron expression: write it where any trigger may stand, as 'every 5m'"),
            _ => throw InvalidTriggerException.In(
                text,
                start,
                $"there is no macro '{InvalidTriggerException.Shown(macro)}'; there are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and @every"),
        };
        return words.Length == 1 ? expanded : throw InvalidTriggerException.In(text, words[1].Start.Value, $"nothing may follow {macro}");
    }

    private CronExpression ParseFields(ReadOnlySpan<Range> ranges)
    {
        var missing = MostFields - ranges.Length;
        Span<ulong> sets = stackalloc ulong[MostFields];
        sets[0] = 1;
        var followsElapsedTime = false;
        var restricted = 0;
        for (var i = missing; i < MostFields; i++)
        {
            _field = CronField.InOrder[i];
            (_at, _end) = (ranges[i - missing].Start.Value, ranges[i - missing].End.Value);
            var isDay = _field == CronField.Day || _field == CronField.Weekday;
            restricted += isDay && _text[_at] is not ('*' or '?') ? 1 : 0;
            _isRepeating = false;
            sets[i] = ParseField(mayBeAny: isDay);
            followsElapsedTime |= _isRepeating && i <= Array.IndexOf(CronField.InOrder, CronField.Hour);
        }

        _days.Days = (uint)sets[3];
        _days.Months = (ushort)sets[4];
        _days.Weekdays = (byte)sets[5];
        _days.IsEither = restricted == 2;
        if (!_days.Exist())
        {
            throw InvalidTriggerException.In(
                _text,
                ranges[3 - missing].Start.Value,
                $"no year has such a day ('{_text[ranges[3 - missing]]}' of month '{_text[ranges[4 - missing]]}'), so that it would never be due");
        }

        return new CronExpression(Normalize(ranges), sets[0], sets[1], (uint)sets[2], _days, followsElapsedTime);
    }

    private readonly string Normalize(ReadOnlySpan<Range> ranges)
    {
        Span<char> text = stackalloc char[CronExpression.MaxCharacters];
        var length = 0;
        foreach (var range in ranges)
        {
            if (length > 0)
            {
                text[length++] = ' ';
            }

            foreach (var c in _text.AsSpan()[range])
            {
                text[length++] = c == '?' ? '*' : char.ToUpperInvariant(c);
            }
        }

        return text[..length].ToString();
    }

    private ulong ParseField(bool mayBeAny)
    {
        if (_end - _at == 1 && _text[_at] == '?')
        {
            return mayBeAny ? All() : throw Fault(_at, $"'?' may stand for the day of the month or the weekday only, not for the {_field.Name}");
        }

        var set = ParseItem();
        while (_at < _end)
        {
            if (_text[_at] != ',')
            {
                throw Unexpected();
            }

            _at++;
            set |= ParseItem();
        }

        return set;
    }

    private readonly ulong All()
    {
        var first = _field.Minimum;
        return ((1UL << _field.Size) - 1) << first;
    }

    /// <summary>Reads one element of a list: the plain values it names are returned, others noted among the days.</summary>
    private ulong ParseItem()
    {
        if (_at == _end || _text[_at] == ',')
        {
            throw Fault(_at, $"a value is missing in the {_field.Name} field, which takes {_field.Allowed}");
        }

        if (Takes('*'))
        {
            _isRepeating = true;
            return Takes('/') ? Steps(_field.Minimum, _field.Minimum + _field.Size - 1, Step()) : All();
        }

        if (_text[_at] is 'L' or 'l')
        {
            ParseLast();
            return 0;
        }

        var first = Value();
        if (_field == CronField.Day && TakesLetter('W'))
        {
            _days.Nearest |= 1U << first;
            return 0;
        }

        if (_field == CronField.Weekday && ParseWeekdayOf(first % _field.Size))
        {
            return 0;
        }

        var last = first;
        var isRange = Takes('-');
        if (isRange)
        {
            last = Value();
        }

        if (!Takes('/'))
        {
            return Between(first, last, 1);
        }

        _isRepeating = true;
        var step = Step();
        return isRange
            ? Between(first, last, step)
            : Steps(_field == CronField.Weekday ? first % _field.Size : first, _field.Minimum + _field.Size - 1, step);
    }

    /// <summary>The values of a range, around its end if need be.</summary>
    private readonly ulong Between(int first, int last, int step)
    {
        if (_field == CronField.Weekday && first == _field.Maximum)
        {
            (first, last) = (0, last == first ? 0 : last);
        }

        return Steps(first, last < first ? last + _field.Size : last, step);
    }

    private readonly ulong Steps(int first, int last, int step)
    {
        var set = 0UL;
        for (var value = first; value <= last; value += step)
        {
            set |= 1UL << (value < _field.Minimum + _field.Size ? value : value - _field.Size);
        }

        return set;
    }

    /// <summary><c>L</c>, <c>L-3</c>, <c>LW</c>, <c>L-3W</c>.</summary>
    private void ParseLast()
    {
        var start = _at++;
        if (_field == CronField.Weekday)
        {
            throw Fault(start, "L alone is no weekday; write SAT for Saturday, or 5L for the last Friday of the month");
        }

        if (_field != CronField.Day)
        {
            throw Fault(start, $"L may stand for days only; the {_field.Name} field takes {_field.Allowed}");
        }

        var before = 0;
        if (Takes('-'))
        {
            var number = _at;
            before = Number();
            if (before is < 1 or > 30)
            {
                throw Fault(number, "L may be followed by -1 to -30, days before the last of the month");
            }
        }

        if (TakesLetter('W'))
        {
            _days.NearestFromLast |= 1U << before;
        }
        else
        {
            _days.FromLast |= 1U << before;
        }
    }

    /// <summary><c>5L</c>, <c>MON#2</c>.</summary>
    private bool ParseWeekdayOf(int weekday)
    {
        if (TakesLetter('L'))
        {
            _days.LastWeekdays |= (byte)(1 << weekday);
            return true;
        }

        if (!Takes('#'))
        {
            return false;
        }

        var start = _at;
        var nth = Number();
        if (nth is < 1 or > LastWeek)
        {
            throw Fault(start, "# is followed by 1 to 5, for the first to the fifth such weekday of the month");
        }

        _days.NthWeekdays |= 1UL << ((7 * (nth - 1)) + weekday);
        return true;
    }

    private int Value()
    {
        var start = _at;
        if (start < _end && char.IsAsciiLetter(_text[start]))
        {
            var name = _text.AsSpan(start, Math.Min(CronField.NameLetters, _end - start));
            var named = _field.ValueOf(name);
            _at += name.Length;
            return named >= 0
                ? named
                : throw Fault(start, $"'{InvalidTriggerException.Shown(_text.AsSpan()[start.._end])}' is no {_field.Name}, which takes {_field.Allowed}");
        }

        var value = Number();
        return value >= _field.Minimum && value <= _field.Maximum
            ? value
            : throw Fault(start, $"{InvalidTriggerException.Shown(_text.AsSpan()[start.._at])} is no {_field.Name}, which takes {_field.Allowed}");
    }

    private int Step()
    {
        var start = _at;
        var step = Number();
        if (step >= 1 && step <= _field.Maximum)
        {
            return step;
        }

        var shown = InvalidTriggerException.Shown(_text.AsSpan()[start.._at]);
        var hint = step == 0 ? "" : "; for an interval that is longer than the field write 'every 90m' instead of a cron expression";
        throw Fault(start, $"a step of {shown} is not possible in the {_field.Name} field, where it may be 1 to {_field.Maximum}{hint}");
    }

    /// <summary>Digits; numbers that no field could hold are <see cref="int.MaxValue"/>.</summary>
    private int Number()
    {
        var start = _at;
        while (_at < _end && char.IsAsciiDigit(_text[_at]))
        {
            _at++;
        }

        if (_at == start)
        {
            throw _at < _end ? Unexpected() : Fault(_at, $"a number is missing in the {_field.Name} field, which takes {_field.Allowed}");
        }

        return int.TryParse(_text.AsSpan()[start.._at], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : int.MaxValue;
    }

    private bool Takes(char expected)
    {
        if (_at < _end && _text[_at] == expected)
        {
            _at++;
            return true;
        }

        return false;
    }

    private bool TakesLetter(char expected) => Takes(expected) || Takes(char.ToLowerInvariant(expected));

    private readonly InvalidTriggerException Unexpected() =>
        Fault(
            _at,
            $"'{InvalidTriggerException.Shown(_text.AsSpan(_at, 1))}' was not expected in the {_field.Name} field, which takes {_field.Allowed}, with '*', '-', '/' and ','");

    private readonly InvalidTriggerException Fault(int position, string reason) => InvalidTriggerException.In(_text, position, reason);
}
