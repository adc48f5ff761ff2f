using System.Buffers;
using System.Diagnostics.Metrics;
using System.Text;
using Millrace.Server.Metrics;
using Xunit;

namespace Millrace.Server.Tests.Metrics;

public sealed class PrometheusWriterTests
{
    [Theory]
    [InlineData("plain")]
    [InlineData("a\"b")]
    [InlineData("back\\slash")]
    [InlineData("two\nlines")]
    [InlineData("\\n is no line")]
    [InlineData("},x=\"")]
    [InlineData("ünïcödé ✓")]
    [InlineData("")]
    public void Label_WithAnyText_ReadsBack(string value)
    {
        var text = Write(writer =>
        {
            writer.Family("m", "gauge", "Help with \\ and \n in it.");
            writer.Sample("m", [("label", value), ("other", "x")], 1);
        });

        Assert.Equal([$"m{{label={value},other=x}}"], PrometheusText.Parse(text).Samples.Keys);
    }

    [Fact]
    public void Label_WithHalfACharacter_IsStillText()
    {
        var bytes = new ArrayBufferWriter<byte>();
        new PrometheusWriter(bytes).Sample("m", [("label", "\ud800")], 1);

        Assert.Equal("m{label=\"\uFFFD\"} 1\n", new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes.WrittenSpan));
    }

    [Theory]
    [InlineData(0.1, "0.1")]
    [InlineData(1e300, "1E+300")]
    [InlineData(double.PositiveInfinity, "+Inf")]
    [InlineData(double.NegativeInfinity, "-Inf")]
    [InlineData(double.NaN, "NaN")]
    public void Number_IsSpeltAsTheFormatSays(double value, string expected) => Assert.Equal(expected, PrometheusWriter.Format(value));

    [Fact]
    public void Instruments_BecomeFamilies_WithUnitsAndKinds()
    {
        using var meter = new Meter("test");
        var duration = meter.CreateHistogram("a.duration", "s", "How long.", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 1] });
        var counter = meter.CreateCounter<long>("a.count");
        var level = meter.CreateUpDownCounter<long>("a.level", "By");
        InstrumentSeries[] series = [new(duration), new(counter), new(level)];
        series[0].Measure(0.1, [new("kind", "x")]);
        series[0].Measure(5, [new("kind", "x")]);
        series[1].Measure(2, []);
        series[1].Measure(3, []);
        series[2].Measure(7, []);
        series[2].Measure(-4, []);

        var parsed = PrometheusText.Parse(Write(writer => Array.ForEach(series, one => one.WriteTo(writer))));

        Assert.Equal(1, parsed.Samples["a_duration_seconds_bucket{kind=x,le=0.1}"]);
        Assert.Equal(1, parsed.Samples["a_duration_seconds_bucket{kind=x,le=1}"]);
        Assert.Equal(2, parsed.Samples["a_duration_seconds_bucket{kind=x,le=+Inf}"]);
        Assert.Equal(5.1, parsed.Samples["a_duration_seconds_sum{kind=x}"]);
        Assert.Equal(5, parsed.Samples["a_count_total"]);
        Assert.Equal(3, parsed.Samples["a_level_bytes"]);
        Assert.Equal("gauge", parsed.Types["a_level_bytes"]);
    }

    [Fact]
    public void ATagWithEverNewValues_DoesNotFillTheMemory()
    {
        using var meter = new Meter("test");
        var series = new InstrumentSeries(meter.CreateCounter<long>("a"));
        for (var i = 0; i < 5_000; i++)
        {
            series.Measure(1, [new("id", i)]);
        }

        var samples = PrometheusText.Parse(Write(series.WriteTo)).Samples;

        Assert.InRange(samples.Count, 2_000, 2_001);
        Assert.Equal(5_000, samples.Values.Sum());
        Assert.True(samples["a_total{otel_metric_overflow=true}"] >= 3_000 - 1);
    }

    private static string Write(Action<PrometheusWriter> write)
    {
        var bytes = new ArrayBufferWriter<byte>();
        write(new PrometheusWriter(bytes));
        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }
}
