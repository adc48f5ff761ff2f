using Millrace.Diagnostics;

namespace Millrace.Storage.FileLog;

/// <summary>The damage that a store has met since it was opened, for health and metrics: each place once, and the first ones in words. Safe for concurrent use.</summary>
internal sealed class DamageNotes
{
    private const int MaxPlaces = 10_000;

    private readonly Lock _gate = new();
    private readonly HashSet<string> _places = new(StringComparer.Ordinal);
    private string? _first;

    // A count that nobody has added to is told as well.
    public DamageNotes() => _ = StorageTelemetry.IsMeasured;

    /// <summary>Notes damage.</summary>
    /// <param name="place">Where it is, so that it is counted once.</param>
    /// <param name="what">What it is, for people.</param>
    public void Note(string place, string what)
    {
        lock (_gate)
        {
            if (_places.Count >= MaxPlaces || !_places.Add(place))
            {
                return;
            }

            _first ??= what;
        }

        StorageTelemetry.CountDamage();
    }

    /// <summary>What people should look at; null when nothing is damaged.</summary>
    public string? Describe()
    {
        lock (_gate)
        {
            return _places.Count switch
            {
                0 => null,
                1 => $"Stored data is damaged: {_first}. The log has more.",
                var count => $"Stored data is damaged in {count} places, the first of them: {_first}. The log has all.",
            };
        }
    }
}
