namespace Millrace.Scheduling.Triggers;

/// <summary>
/// When something is due: a pure function of instants, with no clock and no state. Immutable, safe to share, equal when the data is.
/// Made by the factories here, or read from text by <see cref="Parse"/>.
/// </summary>
/// <remarks>
/// Triggers of fixed local times (<see cref="Daily"/>, <see cref="Weekly(DayOfWeek, TimeOnly, string?)"/>, <see cref="Monthly"/>, and cron expressions without
/// <c>*</c> or steps in hours, minutes and seconds) run once for each of them, also when clocks change: a time that is skipped runs at the first instant after the gap,
/// one that is repeated at its first pass. Others (<see cref="Hourly"/>, <c>*/10 * * * *</c>) follow elapsed time: they run in both passes of a repeated hour, and nothing is made up for a skipped one.
/// See <see cref="CronExpression"/>.
/// </remarks>
public abstract class Trigger : IEquatable<Trigger>
{
    private const int MaxParts = 100;
    private const int MaxDepth = 16;

    private protected Trigger()
    {
    }

    /// <summary>Of how many triggers it is made, itself included.</summary>
    internal virtual int Parts => 1;

    /// <summary>How deep triggers lie in it, itself included.</summary>
    internal virtual int Depth => 1;

    /// <summary>A cron expression; see <see cref="CronExpression"/> for what may stand in it. <c>@every 5m</c> is taken too, and is <see cref="Every"/>.</summary>
    /// <param name="expression">Five fields, six with seconds first, or a macro.</param>
    /// <param name="zone">The IANA id of the time zone, such as <c>Europe/Berlin</c>; null is UTC.</param>
    /// <exception cref="InvalidTriggerException">The expression is not understood or can never be due, or there is no such zone.</exception>
    public static Trigger Cron(string expression, string? zone = null)
    {
        ArgumentNullException.ThrowIfNull(expression);
        return TriggerText.IsInterval(expression) ? Parse(expression, zone) : new CronTrigger(CronExpression.Parse(expression), ZoneTimeline.Of(zone));
    }

    /// <summary>
    /// A fixed rate: at <paramref name="anchor"/> and every <paramref name="interval"/> before and after it. When it begins to count is said by <see cref="Between"/>.
    /// </summary>
    /// <param name="interval">Whole milliseconds, 1 at least.</param>
    /// <param name="anchor">One of the instants; null is the Unix epoch, so that every node computes the same. Rounded up to the millisecond.</param>
    /// <exception cref="InvalidTriggerException">The interval is not positive or not of whole milliseconds.</exception>
    public static Trigger Every(TimeSpan interval, DateTimeOffset? anchor = null) => new IntervalTrigger(interval, anchor);

    /// <summary>One instant. Rounded up to the millisecond, so that it is never early.</summary>
    public static Trigger Once(DateTimeOffset at) => new OnceTrigger(at);

    /// <summary>Every hour, at a minute of it. Follows elapsed time when clocks change.</summary>
    /// <param name="minute">0 to 59.</param>
    /// <param name="zone">The IANA id of the time zone: some differ from others by parts of an hour. Null is UTC.</param>
    public static Trigger Hourly(int minute = 0, string? zone = null)
    {
        RequireBetween(minute, 0, 59, nameof(minute));
        return Cron(FormattableString.Invariant($"{minute} * * * *"), zone);
    }

    /// <summary>Every day at a local time.</summary>
    /// <param name="at">The time, in whole seconds.</param>
    /// <param name="zone">The IANA id of the time zone; null is UTC.</param>
    public static Trigger Daily(TimeOnly at, string? zone = null) => Cron($"{TimeOf(at)} * * *", zone);

    /// <summary>Every week, on one day at a local time.</summary>
    /// <param name="day">The day.</param>
    /// <param name="at">The time, in whole seconds.</param>
    /// <param name="zone">The IANA id of the time zone; null is UTC.</param>
    public static Trigger Weekly(DayOfWeek day, TimeOnly at, string? zone = null) => Weekly([day], at, zone);

    /// <summary>Every week, on several days at a local time.</summary>
    /// <param name="days">The days, one at least; their order does not matter.</param>
    /// <param name="at">The time, in whole seconds.</param>
    /// <param name="zone">The IANA id of the time zone; null is UTC.</param>
    public static Trigger Weekly(IReadOnlyCollection<DayOfWeek> days, TimeOnly at, string? zone = null)
    {
        ArgumentNullException.ThrowIfNull(days);
        if (days.Count == 0)
        {
            throw new InvalidTriggerException("A weekly trigger needs one weekday at least.");
        }

        foreach (var day in days)
        {
            RequireBetween((int)day, 0, 6, nameof(days));
        }

        return Cron($"{TimeOf(at)} * * {string.Join(',', days.Distinct().Order().Select(day => day.ToString()[..CronField.NameLetters]))}", zone);
    }

    /// <summary>Every month, on a day at a local time.</summary>
    /// <param name="day">1 to 31, and months without that day are skipped; or -1 for the last day of each month.</param>
    /// <param name="at">The time, in whole seconds.</param>
    /// <param name="zone">The IANA id of the time zone; null is UTC.</param>
    public static Trigger Monthly(int day, TimeOnly at, string? zone = null)
    {
        if (day != -1)
        {
            RequireBetween(day, 1, 31, nameof(day), " (or -1 for the last day)");
        }

        return Cron(FormattableString.Invariant($"{TimeOf(at)} {(day == -1 ? "L" : day)} * *"), zone);
    }

    /// <summary>Whenever one of several triggers is due; an instant that several have comes once.</summary>
    /// <exception cref="InvalidTriggerException">There is none, or there are more than 100.</exception>
    public static Trigger AnyOf(params Trigger[] triggers) => UnionTrigger.Of(triggers);

    /// <summary>
    /// Reads the text form: a cron expression (<c>0 0 * * *</c>, <c>@hourly</c>), an interval (<c>every 5m</c>, <c>every 1h30m from 2027-01-01T00:00:00Z</c>,
    /// <c>@every 5m</c>) or an instant (<c>at 2027-01-01T00:00:00Z</c>). A cron expression may be followed by its zone: <c>0 3 * * * in Europe/Berlin</c>.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="zone">
    /// The IANA id of the zone of a cron expression, and of an instant that is written without an offset. Refused with an interval, which has none, and with another
    /// zone in the text.
    /// </param>
    /// <exception cref="InvalidTriggerException">The text is not understood; the message says where, and what is allowed.</exception>
    public static Trigger Parse(string text, string? zone = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TriggerText.Parse(text, zone);
    }

    /// <summary>The first instant strictly after <paramref name="after"/>, in UTC and whole milliseconds. Null: there is none any more.</summary>
    public abstract DateTimeOffset? Next(DateTimeOffset after);

    /// <summary>
    /// This trigger, without what falls into the times of a calendar. What is excluded 10,000 times in a row (27 years of every day) counts as never due.
    /// </summary>
    public Trigger Except(ExclusionCalendar calendar) => ExcludingTrigger.Of(this, calendar);

    /// <summary>This trigger, within bounds.</summary>
    /// <param name="start">The first instant that counts; null: no bound.</param>
    /// <param name="end">The first instant that counts no more; null: no bound.</param>
    /// <exception cref="InvalidTriggerException">The end is not after the start.</exception>
    public Trigger Between(DateTimeOffset? start, DateTimeOffset? end) => BoundedTrigger.Of(this, start, end);

    /// <inheritdoc/>
    public abstract bool Equals(Trigger? other);

    /// <inheritdoc/>
    public sealed override bool Equals(object? obj) => Equals(obj as Trigger);

    /// <inheritdoc/>
    public abstract override int GetHashCode();

    /// <summary>The text form where there is one (cron expressions, intervals, instants), which <see cref="Parse"/> reads; a description of the others.</summary>
    public abstract override string ToString();

    /// <summary>Refuses what is made of too many triggers, so that asking for the next instant stays quick, and what is nested deeper than a reader of JSON goes.</summary>
    internal static void RequireFew(int parts, int depth = 1)
    {
        if (parts > MaxParts)
        {
            throw new InvalidTriggerException(FormattableString.Invariant($"A trigger may be made of {MaxParts} others at most, not of {parts}."));
        }

        if (depth > MaxDepth)
        {
            throw new InvalidTriggerException(FormattableString.Invariant($"Triggers may lie {MaxDepth} deep in each other, not {depth}."));
        }
    }

    /// <summary>An instant in UTC, up to the next whole millisecond.</summary>
    internal static DateTimeOffset RoundUp(DateTimeOffset at)
    {
        var beyond = at.UtcTicks % TimeSpan.TicksPerMillisecond;
        var ticks = beyond == 0 ? at.UtcTicks : at.UtcTicks - beyond + TimeSpan.TicksPerMillisecond;
        return new DateTimeOffset(Math.Min(ticks, DateTimeOffset.MaxValue.Ticks / TimeSpan.TicksPerMillisecond * TimeSpan.TicksPerMillisecond), TimeSpan.Zero);
    }

    /// <summary>The first fields of a cron expression: minute and hour, and seconds before them if there are any.</summary>
    private static string TimeOf(TimeOnly at)
    {
        if (at.Ticks % TimeSpan.TicksPerSecond != 0)
        {
            throw new InvalidTriggerException($"The local time {at:HH:mm:ss.FFFFFFF} must be of whole seconds.");
        }

        return at.Second == 0 ? FormattableString.Invariant($"{at.Minute} {at.Hour}") : FormattableString.Invariant($"{at.Second} {at.Minute} {at.Hour}");
    }

    private static void RequireBetween(int value, int minimum, int maximum, string name, string more = "")
    {
        if (value < minimum || value > maximum)
        {
            throw new InvalidTriggerException(FormattableString.Invariant($"The {name} of a trigger must be {minimum} to {maximum}{more}, not {value}."));
        }
    }
}
