using System.Globalization;

namespace Millrace.Scheduling.Schedules;

/// <summary>The keys under which the documents of schedules stand, and the ids of occurrences. No name has a '!', so no user's key is among them, and none is ambiguous.</summary>
internal static class ScheduleKeys
{
    public const string DefinitionPrefix = "!schedule!";
    public const string CursorPrefix = "!cursor!";

    /// <summary>Names the latest changes of definitions: what nodes wait for.</summary>
    public const string Changes = "!schedules";

    // Before the version, and before what makes an occurrence that somebody asked for unique.
    private const char Separator = '@';
    private const char AskedFor = '~';

    public static string OfDefinition(string schedule) => DefinitionPrefix + schedule;

    public static string OfCursor(string schedule) => CursorPrefix + schedule;

    /// <summary>Throws unless <paramref name="name"/> can be a schedule's.</summary>
    /// <exception cref="InvalidNameException">It cannot; says why.</exception>
    public static void RequireName(string name)
    {
        ResourceName.Require(name, "schedule");
        ResourceName.RequireText(name, "schedule", ScheduleDefinition.MaxNameBytes);
        if (name.Contains(Separator))
        {
            throw new InvalidNameException("schedule", name, "it has a '@', which ids of occurrences need");
        }
    }

    /// <summary>The id of an occurrence: <c>NAME@VERSION@DUE</c>, due in milliseconds since 1970, and a part of its own for one that somebody asked for.</summary>
    public static string OfOccurrence(string schedule, long version, DateTimeOffset due, string? askedFor = null) =>
        string.Create(CultureInfo.InvariantCulture, $"{schedule}{Separator}{version}{Separator}{due.ToUnixTimeMilliseconds()}{(askedFor is null ? "" : AskedFor + askedFor)}");

    /// <summary>The version in the id of an occurrence.</summary>
    public static long VersionOf(string id)
    {
        var end = id.LastIndexOf(Separator);
        return end > 0 && long.TryParse(id.AsSpan(0, end)[(id.LastIndexOf(Separator, end - 1) + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : 0;
    }

    /// <summary>Whether an id is that of an occurrence that somebody asked for.</summary>
    public static bool IsAskedFor(string id) => id.AsSpan(id.LastIndexOf(Separator) + 1).Contains(AskedFor);
}
