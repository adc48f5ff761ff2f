namespace Millrace.Server.Metrics;

/// <summary>What the measurements of an instrument mean.</summary>
internal enum InstrumentKind
{
    /// <summary>Amounts to add up, which never fall.</summary>
    Counter,

    /// <summary>Amounts to add up, which may fall.</summary>
    UpDownCounter,

    /// <summary>Totals that never fall.</summary>
    ObservedCounter,

    /// <summary>Values as they are now.</summary>
    Gauge,

    /// <summary>Values to sort into buckets.</summary>
    Histogram,
}
