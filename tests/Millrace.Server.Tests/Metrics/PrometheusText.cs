using System.Globalization;
using System.Text;

namespace Millrace.Server.Tests.Metrics;

/// <summary>
/// Reads the Prometheus text format 0.0.4, and throws for anything that it does not allow: samples without a type, families in pieces, a series twice,
/// escapes that do not exist, histograms whose buckets fall or do not end with all.
/// </summary>
internal sealed class PrometheusText
{
    private readonly Dictionary<string, double> _samples = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _types = new(StringComparer.Ordinal);
    private string _family = "";

    private PrometheusText()
    {
    }

    /// <summary>By name and labels in the order in which they came: <c>name{label=value}</c>, the value without escapes.</summary>
    public IReadOnlyDictionary<string, double> Samples => _samples;

    public IReadOnlyDictionary<string, string> Types => _types;

    public static PrometheusText Parse(string text)
    {
        var parsed = new PrometheusText();
        if (text.Length > 0 && text[^1] != '\n')
        {
            throw new FormatException("The last line does not end.");
        }

        foreach (var line in text.Split('\n')[..^1])
        {
            parsed.ParseLine(line);
        }

        parsed.CheckHistograms();
        return parsed;
    }

    private void ParseLine(string line)
    {
        if (line.StartsWith("# HELP ", StringComparison.Ordinal))
        {
            RequireName(line.Split(' ')[2]);
        }
        else if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
        {
            var words = line.Split(' ');
            RequireName(words[2]);
            Require(words is [_, _, _, "counter" or "gauge" or "histogram"] && _types.TryAdd(words[2], words[3]), line);
            _family = words[2];
        }
        else
        {
            ParseSample(line);
        }
    }

    private void ParseSample(string line)
    {
        var end = line.IndexOfAny(['{', ' ']);
        Require(end > 0, line);
        var name = line[..end];
        RequireName(name);
        var suffix = _types[_family] == "histogram" ? new[] { "_bucket", "_sum", "_count" } : [""];
        Require(suffix.Any(word => name == _family + word), $"not of the family {_family}: {line}");
        var key = new StringBuilder(name);
        var at = end;
        if (line[at] == '{')
        {
            at = ParseLabels(line, at + 1, key);
        }

        Require(line[at] == ' ', line);
        var value = line[(at + 1)..] switch
        {
            "+Inf" => double.PositiveInfinity,
            "-Inf" => double.NegativeInfinity,
            "NaN" => double.NaN,
            var number => double.Parse(number, NumberStyles.Float, CultureInfo.InvariantCulture),
        };
        Require(_types[_family] != "counter" || value >= 0, line);
        Require(_samples.TryAdd(key.ToString(), value), $"twice: {line}");
    }

    private static int ParseLabels(string line, int at, StringBuilder key)
    {
        key.Append('{');
        while (true)
        {
            var equals = line.IndexOf('=', at);
            Require(equals > at && line[equals + 1] == '"', line);
            RequireName(line[at..equals]);
            key.Append(line.AsSpan(at, equals - at)).Append('=');
            for (at = equals + 2; line[at] != '"'; at++)
            {
                if (line[at] == '\\')
                {
                    at++;
                    key.Append(line[at] switch { '\\' => '\\', '"' => '"', 'n' => '\n', _ => throw new FormatException(line) });
                }
                else
                {
                    key.Append(line[at]);
                }
            }

            at++;
            if (line[at] == '}')
            {
                key.Append('}');
                return at + 1;
            }

            Require(line[at] == ',', line);
            key.Append(',');
            at++;
        }
    }

    private void CheckHistograms()
    {
        foreach (var family in _types.Where(type => type.Value == "histogram").Select(type => type.Key))
        {
            var buckets = _samples.Where(sample => sample.Key.StartsWith(family + "_bucket{", StringComparison.Ordinal)).ToList();
            foreach (var series in buckets.GroupBy(bucket => bucket.Key[..bucket.Key.LastIndexOf("le=", StringComparison.Ordinal)]))
            {
                var counts = series.Select(bucket => bucket.Value).ToList();
                Require(counts.Order().SequenceEqual(counts), $"falling buckets: {series.Key}");
                Require(series.Last().Key.EndsWith("le=+Inf}", StringComparison.Ordinal), $"no last bucket: {series.Key}");
                var labels = series.Key[(family + "_bucket").Length..].TrimEnd(',');
                var count = family + "_count" + (labels == "{" ? "" : labels + "}");
                Require(_samples[count] == counts[^1], $"another count: {series.Key}");
            }
        }
    }

    private static void RequireName(string name) =>
        Require(name.Length > 0 && !char.IsAsciiDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'), $"no name: '{name}'");

    private static void Require(bool holds, string line)
    {
        if (!holds)
        {
            throw new FormatException(line);
        }
    }
}
