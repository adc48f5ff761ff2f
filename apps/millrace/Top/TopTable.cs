using System.Globalization;
using Millrace.App.Output;

namespace Millrace.App.Top;

/// <summary>How a reading looks: plain, in columns or as JSON.</summary>
internal static class TopTable
{
    /// <summary>The columns' names, the queue's first.</summary>
    public static readonly string[] Headers = ["QUEUE", "READY", "SCHEDULED", "LEASED", "DEAD", "IN/S", "OUT/S", "OLDEST"];

    public static string[] CellsOf(TopRow row) =>
    [
        row.Queue,
        MessageText.Count(row.Stats.Ready),
        MessageText.Count(row.Stats.Scheduled),
        MessageText.Count(row.Stats.Leased),
        MessageText.Count(row.Stats.Dead),
        Rate(row.InPerSecond),
        Rate(row.OutPerSecond),
        MessageText.Duration(row.Stats.OldestReadyAge),
    ];

    /// <summary>A rate for people; "-" when it is not known.</summary>
    public static string Rate(double? perSecond) => perSecond switch
    {
        null => "-",
        < 99.95 => perSecond.Value.ToString("0.0", CultureInfo.InvariantCulture),
        _ => perSecond.Value.ToString("N0", CultureInfo.InvariantCulture),
    };

    /// <summary>The sum of what is known; null when nothing is.</summary>
    public static double? Sum(IEnumerable<double?> rates)
    {
        double? sum = null;
        foreach (var rate in rates)
        {
            sum = rate is null ? sum : (sum ?? 0) + rate;
        }

        return sum;
    }

    /// <summary>What a reading leaves out; null when it leaves out nothing.</summary>
    /// <param name="reading">The reading.</param>
    /// <param name="shown">How many of its queues are shown.</param>
    public static string? Note(TopReading reading, int shown) => (reading.IsCut, reading.Rows.Count - shown) switch
    {
        (false, 0) => null,
        (false, var hidden) => $"{MessageText.Count(hidden)} more queues are not shown.",
        (true, 0) => $"Only the first {MessageText.Count(shown)} queues by name are read; --prefix reads others.",
        (true, _) => $"Of the first {MessageText.Count(reading.Rows.Count)} queues by name {MessageText.Count(shown)} are shown; others are not read, choose them by --prefix.",
    };

    /// <summary>Prints a reading, and says below the table what is left out.</summary>
    public static void Write(OutputWriter output, TopReading reading, TopRequest request)
    {
        var rows = reading.SortedBy(request.Sort);
        var shown = Math.Min(rows.Count, request.Limit ?? int.MaxValue);
        if (output.IsJson)
        {
            foreach (var row in rows.Take(shown))
            {
                WriteJson(output, reading.At, row);
            }

            return;
        }

        var columns = new Columns(Headers);
        foreach (var row in rows.Take(shown))
        {
            columns.Add(CellsOf(row));
        }

        columns.WriteTo(output);
        if (Note(reading, shown) is { } note)
        {
            output.WriteLine(note);
        }
    }

    private static void WriteJson(OutputWriter output, DateTimeOffset at, TopRow row) => output.WriteObject(json =>
    {
        json.WriteString("at", at);
        json.WriteString("queue", row.Queue);
        json.WriteNumber("ready", row.Stats.Ready);
        json.WriteNumber("scheduled", row.Stats.Scheduled);
        json.WriteNumber("leased", row.Stats.Leased);
        json.WriteNumber("dead", row.Stats.Dead);
        WriteNumber("enqueuedPerSecond", row.InPerSecond, 3);
        WriteNumber("completedPerSecond", row.OutPerSecond, 3);
        WriteNumber("oldestReadyAgeMs", row.Stats.OldestReadyAge?.TotalMilliseconds, 0);

        void WriteNumber(string name, double? value, int digits)
        {
            if (value is null)
            {
                json.WriteNull(name);
            }
            else
            {
                json.WriteNumber(name, Math.Round(value.Value, digits));
            }
        }
    });
}
