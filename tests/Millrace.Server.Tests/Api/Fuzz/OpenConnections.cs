using System.Diagnostics.Metrics;

namespace Millrace.Server.Tests.Api.Fuzz;

/// <summary>How many connections a server has, as it counts them itself.</summary>
internal sealed class OpenConnections : IDisposable
{
    private readonly MeterListener _listener = new();
    private long _count;

    public OpenConnections(int port)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument is { Name: "kestrel.active_connections", Meter.Name: "Microsoft.AspNetCore.Server.Kestrel" })
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, measurement, tags, _) =>
        {
            foreach (var (name, value) in tags)
            {
                if (name == "server.port" && value is int at && at == port)
                {
                    Interlocked.Add(ref _count, measurement);
                }
            }
        });
        _listener.Start();
    }

    public long Count => Interlocked.Read(ref _count);

    public void Dispose() => _listener.Dispose();
}
