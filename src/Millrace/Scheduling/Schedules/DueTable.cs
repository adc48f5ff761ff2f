using Millrace.Storage;

namespace Millrace.Scheduling.Schedules;

/// <summary>What a node holds of a schedule.</summary>
internal sealed class DueEntry(string key)
{
    internal int Position = -1;

    /// <summary>The key of its definition: where the store is in memory, the same object as there.</summary>
    public string Key { get; } = key;

    public string Name => Key[ScheduleKeys.DefinitionPrefix.Length..];

    /// <summary>The revision of its definition that was read last.</summary>
    public long Revision { get; set; }

    /// <summary>Whether another node was faster the last time: this one then looks a little later, and only finds that it need not do anything.</summary>
    public bool IsFollower { get; set; }

    /// <summary>Whether it is looked at because it was changed, not because it is due.</summary>
    public bool IsNoticed { get; set; }

    /// <summary>Whether it is being fired: then whoever does it also says when it is next due.</summary>
    public bool IsBusy { get; set; }

    /// <summary>Since when it has been due without having been fired, in ticks of UTC, once it was taken; kept while firing it fails.</summary>
    public long? DueSince { get; set; }

    /// <summary>Whether it was changed while it was being fired.</summary>
    public bool IsChanged { get; set; }
}

/// <summary>The schedules of a node by the key of their definition and by the time at which they are next looked at. Not safe for concurrent use.</summary>
internal sealed class DueTable
{
    private readonly Dictionary<string, DueEntry> _byKey = new(StringComparer.Ordinal);
    private readonly IndexedHeap<DueEntry, Position> _heap = new();

    public int Count => _byKey.Count;

    /// <summary>When the first one is due, in ticks of UTC; <see cref="long.MaxValue"/> when none ever is.</summary>
    public long FirstDue => _heap.FirstKey;

    public IReadOnlyCollection<DueEntry> Entries => _byKey.Values;

    public DueEntry? Find(string key) => _byKey.GetValueOrDefault(key);

    public DueEntry GetOrAdd(string key)
    {
        if (!_byKey.TryGetValue(key, out var entry))
        {
            _byKey.Add(key, entry = new DueEntry(key));
        }

        return entry;
    }

    /// <summary>Says when a schedule is next looked at; null: not until it is changed.</summary>
    public void Set(DueEntry entry, DateTimeOffset? due)
    {
        if (due is { } time)
        {
            _heap.Set(entry, time.UtcTicks, 0);
        }
        else if (entry.Position >= 0)
        {
            _heap.Remove(entry);
        }
    }

    /// <summary>Takes a schedule out of the heap that is due by now; null when none is. It stays known.</summary>
    public DueEntry? TakeDue(DateTimeOffset now)
    {
        if (_heap.FirstKey > now.UtcTicks || _heap.First is not { } entry)
        {
            return null;
        }

        _heap.Remove(entry);
        return entry;
    }

    public void Remove(DueEntry entry)
    {
        Set(entry, null);
        _byKey.Remove(entry.Key);
    }

    private readonly struct Position : IHeapPosition<DueEntry>
    {
        public static ref int Of(DueEntry item) => ref item.Position;
    }
}
