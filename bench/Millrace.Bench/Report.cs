using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Millrace.Bench;

/// <summary>Writes results as they come.</summary>
internal abstract class Report(string area, TextWriter output)
{
    protected string Area { get; } = area;

    protected TextWriter Output { get; } = output;

    public static Report Create(BenchFormat format, string area, TextWriter output) => format switch
    {
        BenchFormat.Json => new JsonReport(area, output),
        BenchFormat.Markdown => new MarkdownReport(area, output),
        _ => new TableReport(area, output),
    };

    public virtual void Begin(int runs)
    {
    }

    public abstract void Add(string name, IReadOnlyList<Measurement> measured);

    public virtual void End()
    {
    }

    protected static string Format(double value) => value switch
    {
        >= 1000 => value.ToString("N0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("N1", CultureInfo.InvariantCulture),
        _ => value.ToString("N2", CultureInfo.InvariantCulture),
    };

    private sealed class JsonReport(string area, TextWriter output) : Report(area, output)
    {
        // The lines go to scripts, not into HTML: names such as Channel<T> stay readable.
        private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

        public override void Add(string name, IReadOnlyList<Measurement> measured)
        {
            foreach (var figure in measured)
            {
                using var buffer = new MemoryStream();
                using (var json = new Utf8JsonWriter(buffer, Options))
                {
                    json.WriteStartObject();
                    json.WriteString("area", Area);
                    json.WriteString("case", name);
                    json.WriteString("metric", figure.Metric);
                    json.WriteNumber("value", Math.Round(figure.Value, 3));
                    json.WriteString("unit", figure.Unit);
                    json.WriteString("baseline", figure.Baseline);
                    if (figure.Ratio is { } ratio)
                    {
                        json.WriteNumber("ratio", Math.Round(ratio, 4));
                    }
                    else
                    {
                        json.WriteNull("ratio");
                    }

                    json.WriteEndObject();
                }

                Output.WriteLine(Encoding.UTF8.GetString(buffer.ToArray()));
                Output.Flush();
            }
        }
    }

    /// <summary>A line a case with the usual figures in columns, and what is particular to the case below it.</summary>
    private sealed class TableReport(string area, TextWriter output) : Report(area, output)
    {
        private static readonly (string Metric, string Heading)[] Columns =
        [
            ("per_s", "per s"),
            ("p50_us", "p50 us"),
            ("p99_us", "p99 us"),
            ("p999_us", "p99.9 us"),
            ("alloc_bytes_per_message", "B/message"),
            ("peak_rss_mb", "peak MB"),
        ];

        public override void Begin(int runs)
        {
            Output.WriteLine($"{Area}: medians of {runs}; {string.Join("; ", Machine.Facts().Select(fact => fact.Value))}");
            Output.WriteLine(Line("", Array.ConvertAll(Columns, column => column.Heading)));
        }

        public override void Add(string name, IReadOnlyList<Measurement> measured)
        {
            Output.WriteLine(Line(name, Array.ConvertAll(Columns, column => measured.FirstOrDefault(figure => figure.Metric == column.Metric) is { } figure ? Format(figure.Value) : "")));
            foreach (var figure in measured.Where(figure => figure.Baseline is not null || !Array.Exists(Columns, column => column.Metric == figure.Metric)))
            {
                var ratio = figure.Ratio is { } value ? $" = {Format(value)} x {figure.Baseline}" : "";
                Output.WriteLine($"    {figure.Metric} {Format(figure.Value)} {figure.Unit}{ratio}");
            }
        }

        private static string Line(string name, string[] cells) => $"{name,-26}{string.Concat(cells.Select(cell => cell.PadLeft(12)))}";
    }

    private sealed class MarkdownReport(string area, TextWriter output) : Report(area, output)
    {
        public override void Begin(int runs)
        {
            Output.WriteLine($"# {Area}\n");
            foreach (var (fact, value) in Machine.Facts())
            {
                Output.WriteLine($"- {fact}: {value}");
            }

            Output.WriteLine($"- medians of {runs}\n\n| case | metric | value | unit | ratio | baseline |\n|---|---|---:|---|---:|---|");
        }

        public override void Add(string name, IReadOnlyList<Measurement> measured)
        {
            foreach (var figure in measured)
            {
                Output.WriteLine($"| {name} | {figure.Metric} | {Format(figure.Value)} | {figure.Unit} | {(figure.Ratio is { } ratio ? Format(ratio) : "")} | {figure.Baseline} |");
            }
        }
    }
}
