using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Millrace.Server.Metrics;

/// <summary>What one instrument has measured, by its tags. Safe for concurrent use.</summary>
internal sealed class InstrumentSeries
{
    // A tag that takes ever new values must not fill the memory: what comes after these goes into one series with a mark.
    private const int MaxSeries = 2_000;

    private static readonly KeyValuePair<string, object?>[] Overflow = [new("otel.metric.overflow", "true")];
    private static readonly double[] DefaultBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

    private readonly ConcurrentDictionary<TagSet, Series> _series = new(TagSet.Comparer.Instance);
    private readonly ConcurrentDictionary<TagSet, Series>.AlternateLookup<ReadOnlySpan<KeyValuePair<string, object?>>> _byTags;
    private readonly InstrumentKind _kind;
    private readonly double[] _bounds;
    private readonly string _help;

    public InstrumentSeries(Instrument instrument)
    {
        _byTags = _series.GetAlternateLookup<ReadOnlySpan<KeyValuePair<string, object?>>>();
        _kind = KindOf(instrument);
        _bounds = (instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries?.ToArray() ?? DefaultBounds;
        _help = instrument.Description ?? "";
        Name = NameOf(instrument, _kind);
    }

    /// <summary>The name of the family.</summary>
    public string Name { get; }

    public void Measure(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (!_byTags.TryGetValue(tags, out var series))
        {
            series = _series.Count < MaxSeries
                ? _series.GetOrAdd(TagSet.Comparer.Instance.Create(tags), static (_, buckets) => new Series(buckets), BucketCount)
                : _series.GetOrAdd(TagSet.Comparer.Instance.Create(Overflow), static (_, buckets) => new Series(buckets), BucketCount);
        }

        lock (series)
        {
            switch (_kind)
            {
                case InstrumentKind.Counter or InstrumentKind.UpDownCounter:
                    series.Sum += value;
                    break;
                case InstrumentKind.Histogram:
                    series.Sum += value;
                    series.Buckets[BucketOf(value)]++;
                    break;
                default:
                    series.Sum = value;
                    break;
            }
        }
    }

    /// <summary>Forgets what was observed last, before it is observed anew: a series that is not observed any more is over.</summary>
    public void BeginObservation()
    {
        if (_kind is InstrumentKind.ObservedCounter or InstrumentKind.Gauge)
        {
            _series.Clear();
        }
    }

    public void WriteTo(PrometheusWriter writer)
    {
        if (_series.IsEmpty)
        {
            return;
        }

        writer.Family(Name, _kind switch { InstrumentKind.Histogram => "histogram", InstrumentKind.Counter or InstrumentKind.ObservedCounter => "counter", _ => "gauge" }, _help);
        foreach (var (tags, series) in _series)
        {
            lock (series)
            {
                if (_kind == InstrumentKind.Histogram)
                {
                    WriteHistogram(writer, tags, series);
                }
                else
                {
                    writer.Sample(Name, tags.Labels, series.Sum);
                }
            }
        }
    }

    private int BucketCount => _kind == InstrumentKind.Histogram ? _bounds.Length + 1 : 0;

    private int BucketOf(double value)
    {
        var index = Array.BinarySearch(_bounds, value);
        return index < 0 ? ~index : index;
    }

    private void WriteHistogram(PrometheusWriter writer, TagSet tags, Series series)
    {
        var count = 0L;
        for (var i = 0; i <= _bounds.Length; i++)
        {
            count += series.Buckets[i];
            var bound = i < _bounds.Length ? _bounds[i] : double.PositiveInfinity;
            writer.Sample(Name + "_bucket", [.. tags.Labels, ("le", PrometheusWriter.Format(bound))], count);
        }

        writer.Sample(Name + "_sum", tags.Labels, series.Sum);
        writer.Sample(Name + "_count", tags.Labels, count);
    }

    private static InstrumentKind KindOf(Instrument instrument)
    {
        var type = instrument.GetType().GetGenericTypeDefinition();
        return type == typeof(Counter<>) ? InstrumentKind.Counter
            : type == typeof(UpDownCounter<>) ? InstrumentKind.UpDownCounter
            : type == typeof(Histogram<>) ? InstrumentKind.Histogram
            : type == typeof(ObservableCounter<>) ? InstrumentKind.ObservedCounter
            : InstrumentKind.Gauge;
    }

    // As OpenTelemetry's rules for Prometheus say: the unit stands in the name, and a counter ends with _total.
    private static string NameOf(Instrument instrument, InstrumentKind kind)
    {
        var name = PrometheusWriter.NameOf(instrument.Name);
        var unit = instrument.Unit switch
        {
            "s" => "_seconds",
            "ms" => "_milliseconds",
            "By" => "_bytes",
            _ => "",
        };
        name = name.EndsWith(unit, StringComparison.Ordinal) ? name : name + unit;
        return kind is InstrumentKind.Counter or InstrumentKind.ObservedCounter ? name + "_total" : name;
    }

    private sealed class Series(int buckets)
    {
        public readonly long[] Buckets = new long[buckets];
        public double Sum;
    }
}
