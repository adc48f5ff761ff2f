using System.Text;
using Spectre.Console.Rendering;

namespace Millrace.App.Top;

/// <summary>Text in the cells of a terminal, where letters of some scripts take two and some none.</summary>
internal static class CellText
{
    public static int WidthOf(string text) => Ascii.IsValid(text) ? text.Length : new Segment(text).CellCount();

    /// <summary>The text in exactly so many cells: padded on the left or the right, or cut with "…".</summary>
    public static string Fit(string text, int width, bool alignRight = false)
    {
        var free = width - WidthOf(text);
        if (free >= 0)
        {
            var padding = new string(' ', free);
            return alignRight ? padding + text : text + padding;
        }

        return width <= 0 ? "" : Fit(Cut(text, width - 1) + "…", width, alignRight);
    }

    /// <summary>As much of the text as fits.</summary>
    public static string Cut(string text, int width)
    {
        var cut = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            width -= WidthOf(rune.ToString());
            if (width < 0)
            {
                break;
            }

            cut.Append(rune);
        }

        return cut.ToString();
    }
}
