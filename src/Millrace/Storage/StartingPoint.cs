using System.Globalization;
using Millrace.Streams;

namespace Millrace.Storage;

/// <summary>Where to begin in a partition, as people write it: <c>first</c>, <c>last</c> (the last record), <c>next</c> (only what comes), an offset, or a time. Immutable.</summary>
internal readonly record struct StartingPoint
{
    /// <summary>What may be written.</summary>
    public const string Forms = "first, last, next, an offset such as 120, or a time such as 2026-01-31T08:30:00Z";

    private enum PointKind
    {
        First,
        Last,
        Next,
        Offset,
        Time,
    }

    private PointKind Kind { get; init; }

    private long Offset { get; init; }

    private DateTimeOffset Time { get; init; }

    public static StartingPoint First { get; } = new() { Kind = PointKind.First };

    public static StartingPoint Last { get; } = new() { Kind = PointKind.Last };

    public static StartingPoint Next { get; } = new() { Kind = PointKind.Next };

    public static StartingPoint At(long offset) => new() { Kind = PointKind.Offset, Offset = offset };

    public static bool TryParse(string text, out StartingPoint point)
    {
        point = text switch
        {
            "first" => First,
            "last" => Last,
            "next" => Next,
            _ when long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var offset) && offset < long.MaxValue => At(offset),
            _ when DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) => new() { Kind = PointKind.Time, Time = time },
            _ => new() { Offset = -1 },
        };
        return point.Offset >= 0;
    }

    /// <summary>Where a consumer begins that begins there; null for <c>last</c>, which means another offset in each partition.</summary>
    public StreamStart? ToStart() => Kind switch
    {
        PointKind.First => StreamStart.Earliest,
        PointKind.Next => StreamStart.Latest,
        PointKind.Offset => StreamStart.At(Offset),
        PointKind.Time => StreamStart.At(Time),
        _ => null,
    };

    /// <summary>The offset that it means in a partition now. An offset stands for itself, whether it can be read or not.</summary>
    public async ValueTask<long> ResolveAsync(IStreamPartition partition, CancellationToken cancellationToken)
    {
        if (Kind == PointKind.Offset)
        {
            return Offset;
        }

        if (Kind == PointKind.Time)
        {
            return await partition.FindOffsetAsync(Time, cancellationToken).ConfigureAwait(false);
        }

        var stats = await partition.GetStatsAsync(cancellationToken).ConfigureAwait(false);
        return Kind switch
        {
            PointKind.First => stats.EarliestOffset,
            PointKind.Last => Math.Max(stats.EarliestOffset, stats.EndOffset - 1),
            _ => stats.EndOffset,
        };
    }
}
