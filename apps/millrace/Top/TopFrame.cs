using Millrace.App.Output;

namespace Millrace.App.Top;

/// <summary>A reading as the lines of a screen: never more of them, and none wider, than there is room for.</summary>
internal static class TopFrame
{
    private const int LinesAbove = 4;
    private const int ColumnGap = 2;
    private const int ShortestName = 12;
    private const string Plain = "\e[0m";
    private const string Inverse = "\e[7m";
    private const string Bold = "\e[1m";

    /// <summary>How many queues have room on a screen.</summary>
    public static int RoomFor(int height) => Math.Max(0, height - LinesAbove);

    /// <summary>Makes the lines.</summary>
    /// <param name="reading">The last reading that there is.</param>
    /// <param name="request">What to show.</param>
    /// <param name="store">The name of the backend.</param>
    /// <param name="trouble">Why there is no newer reading; null: all is well.</param>
    /// <param name="size">The screen's.</param>
    public static IReadOnlyList<string> Compose(TopReading reading, TopRequest request, string store, string? trouble, ScreenSize size)
    {
        var sorted = reading.SortedBy(request.Sort);
        var wanted = Math.Min(sorted.Count, request.Limit ?? int.MaxValue);
        var room = RoomFor(size.Height);
        var shown = Math.Min(wanted, room);
        var note = TopTable.Note(reading, shown);
        if (note is not null && shown == room && shown > 0)
        {
            // The note takes the line of a queue.
            shown--;
            note = TopTable.Note(reading, shown);
        }

        var lines = new List<string>
        {
            Bold + Fit($"millrace top: {store}, by {request.Sort.ToString().ToLowerInvariant()}, {MessageText.Time(reading.At)}; q quits") + Plain,
            Fit(Totals(reading)),
            trouble is null ? Fit("") : Inverse + Fit(trouble) + Plain,
        };
        AddTable(lines, sorted.Take(shown), size.Width);
        if (note is not null)
        {
            lines.Add(Fit(note));
        }

        return lines.Count <= size.Height ? lines : lines[..size.Height];

        string Fit(string text) => CellText.Fit(text, size.Width);
    }

    private static string Totals(TopReading reading)
    {
        var rows = reading.Rows;
        return $"{MessageText.Count(rows.Count)} queues, {MessageText.Count(rows.Sum(row => row.Stats.Ready))} ready, "
            + $"{MessageText.Count(rows.Sum(row => row.Stats.Scheduled))} scheduled, "
            + $"{MessageText.Count(rows.Sum(row => row.Stats.Leased))} leased, {MessageText.Count(rows.Sum(row => row.Stats.Dead))} dead, "
            + $"{TopTable.Rate(TopTable.Sum(rows.Select(row => row.InPerSecond)))} in/s, {TopTable.Rate(TopTable.Sum(rows.Select(row => row.OutPerSecond)))} out/s";
    }

    // Numbers keep their width while names give way; what still does not fit is cut on the right.
    private static void AddTable(List<string> lines, IEnumerable<TopRow> rows, int width)
    {
        var cells = rows.Select(TopTable.CellsOf).Prepend(TopTable.Headers).ToList();
        var widths = new int[TopTable.Headers.Length];
        foreach (var row in cells)
        {
            for (var i = 0; i < row.Length; i++)
            {
                widths[i] = Math.Max(widths[i], CellText.WidthOf(row[i]));
            }
        }

        var numbers = widths.Skip(1).Sum(column => column + ColumnGap);
        widths[0] = Math.Min(widths[0], Math.Max(ShortestName, width - numbers));
        var isHeader = true;
        foreach (var row in cells)
        {
            var line = CellText.Fit(row[0], widths[0]);
            for (var i = 1; i < row.Length; i++)
            {
                line += new string(' ', ColumnGap) + CellText.Fit(row[i], widths[i], alignRight: true);
            }

            line = CellText.Cut(line, width);
            line += new string(' ', Math.Max(0, width - CellText.WidthOf(line)));
            lines.Add(isHeader ? Inverse + line + Plain : line);
            isHeader = false;
        }
    }
}

/// <summary>The size of a screen in cells.</summary>
internal readonly record struct ScreenSize(int Width, int Height);
