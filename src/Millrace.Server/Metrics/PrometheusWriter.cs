using System.Buffers;
using System.Globalization;
using System.Text;

namespace Millrace.Server.Metrics;

/// <summary>
/// Writes the Prometheus text format 0.0.4: families of samples, <c>name{label="value"} number</c>, one a line. Samples of a family must follow its header.
/// Not safe for concurrent use.
/// </summary>
internal sealed class PrometheusWriter(IBufferWriter<byte> output)
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>Begins a family.</summary>
    /// <param name="name">Its name; see <see cref="NameOf"/>.</param>
    /// <param name="type"><c>counter</c>, <c>gauge</c> or <c>histogram</c>.</param>
    /// <param name="help">One sentence; may be empty.</param>
    public void Family(string name, string type, string help)
    {
        if (help.Length > 0)
        {
            Write($"# HELP {name} {EscapeHelp(help)}\n");
        }

        Write($"# TYPE {name} {type}\n");
    }

    /// <summary>Writes a sample.</summary>
    public void Sample(string name, ReadOnlySpan<(string Name, string Value)> labels, double value)
    {
        Write(name);
        if (labels.Length > 0)
        {
            for (var i = 0; i < labels.Length; i++)
            {
                Write(i == 0 ? "{" : ",");
                Write(labels[i].Name);
                Write("=\"");
                Write(EscapeLabel(labels[i].Value));
                Write("\"");
            }

            Write("}");
        }

        Write(" ");
        Write(Format(value));
        Write("\n");
    }

    /// <summary>A family of one sample.</summary>
    public void Single(string name, string type, string help, double value)
    {
        Family(name, type, help);
        Sample(name, [], value);
    }

    /// <summary>A name that the format allows: letters, digits and '_', not beginning with a digit.</summary>
    public static string NameOf(string text)
    {
        var name = string.Create(text.Length, text, static (span, source) =>
        {
            for (var i = 0; i < source.Length; i++)
            {
                span[i] = char.IsAsciiLetterOrDigit(source[i]) ? source[i] : '_';
            }
        });
        return name.Length == 0 || char.IsAsciiDigit(name[0]) ? "_" + name : name;
    }

    /// <summary>A number as the format spells it.</summary>
    public static string Format(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        double.NaN => "NaN",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };

    private static string EscapeHelp(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private static string EscapeLabel(string text) => EscapeHelp(text).Replace("\"", "\\\"", StringComparison.Ordinal);

    private void Write(string text) => Encoding.UTF8.GetBytes(text, output);
}
