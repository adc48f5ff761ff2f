using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Millrace.Diagnostics;

namespace Millrace.Server.Metrics;

/// <summary>
/// Gathers what the framework measures of this server (requests, connections), the runtime of the process, and Millrace of messages. Safe for concurrent use.
/// </summary>
internal sealed class NodeMetrics : IDisposable
{
    private static readonly string[] ServerMeters = ["Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel"];
    private static readonly string[] ProcessMeters = ["System.Runtime", MillraceDiagnostics.MeterName];

    private readonly ConcurrentDictionary<Instrument, InstrumentSeries> _instruments = [];
    private readonly Lock _scrape = new();
    private readonly MeterListener _listener = new();

    /// <summary>Listens from now on.</summary>
    /// <param name="meters">Makes the meters of this server; those of another one in the same process are not ours.</param>
    public NodeMetrics(IMeterFactory meters)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            var meter = instrument.Meter;
            if (ProcessMeters.Contains(meter.Name) || (ServerMeters.Contains(meter.Name) && ReferenceEquals(meter.Scope, meters)))
            {
                listener.EnableMeasurementEvents(instrument, _instruments.GetOrAdd(instrument, static key => new InstrumentSeries(key)));
            }
        };
        _listener.SetMeasurementEventCallback<int>(static (_, value, tags, state) => Series(state).Measure(value, tags));
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, state) => Series(state).Measure(value, tags));
        _listener.SetMeasurementEventCallback<float>(static (_, value, tags, state) => Series(state).Measure(value, tags));
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, state) => Series(state).Measure(value, tags));
        _listener.Start();
    }

    public void WriteTo(PrometheusWriter writer)
    {
        // One at a time: an observation replaces the one before it.
        lock (_scrape)
        {
            foreach (var series in _instruments.Values)
            {
                series.BeginObservation();
            }

            _listener.RecordObservableInstruments();
            foreach (var series in _instruments.Values.OrderBy(series => series.Name, StringComparer.Ordinal))
            {
                series.WriteTo(writer);
            }
        }
    }

    public void Dispose() => _listener.Dispose();

    private static InstrumentSeries Series(object? state) => (InstrumentSeries)state!;
}
