namespace Millrace.Scheduling.Triggers;

/// <summary>A field of a cron expression: what may stand in it.</summary>
/// <param name="Name">Its name in errors.</param>
/// <param name="Minimum">The least value.</param>
/// <param name="Maximum">The greatest value; of weekdays 7, which is Sunday as 0 is.</param>
/// <param name="Size">How many values there are, after which a range wraps around.</param>
/// <param name="Names">Names of three letters, from <paramref name="Minimum"/> on; empty where there are none.</param>
internal sealed record CronField(string Name, int Minimum, int Maximum, int Size, string Names = "")
{
    public const int NameLetters = 3;

    public static readonly CronField Second = new("second", 0, 59, 60);
    public static readonly CronField Minute = new("minute", 0, 59, 60);
    public static readonly CronField Hour = new("hour", 0, 23, 24);
    public static readonly CronField Day = new("day-of-month", 1, 31, 31);
    public static readonly CronField Month = new("month", 1, 12, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC");
    public static readonly CronField Weekday = new("weekday", 0, 7, 7, "SUNMONTUEWEDTHUFRISAT");

    /// <summary>The six fields in the order in which they are written; an expression of five begins with the second of them.</summary>
    public static readonly CronField[] InOrder = [Second, Minute, Hour, Day, Month, Weekday];

    /// <summary>What may be written, for errors.</summary>
    public string Allowed => this switch
    {
        _ when this == Day => "1-31, L, L-3, 15W, LW",
        _ when this == Month => "1-12 or JAN-DEC",
        _ when this == Weekday => "0-7 or SUN-SAT (0 and 7 are Sunday), 5L, MON#2",
        _ => $"{Minimum}-{Maximum}",
    };

    /// <summary>The value that a name of three letters stands for; -1 if it is none.</summary>
    public int ValueOf(ReadOnlySpan<char> name)
    {
        for (var i = 0; i < Names.Length; i += NameLetters)
        {
            if (name.Equals(Names.AsSpan(i, NameLetters), StringComparison.OrdinalIgnoreCase))
            {
                return Minimum + (i / NameLetters);
            }
        }

        return -1;
    }
}
