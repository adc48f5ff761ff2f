using Millrace.Storage;

namespace Millrace.Scheduling.Schedules;

/// <summary>What a node holds of a schedule.</summary>
internal sealed class DueEntry(string name)
{
    internal int Position = -1;

    public string Name { get; } = name;

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

/// <summary>The schedules of a node by name and by the time at which they are next looked at. Not safe for concurrent use.</summary>
internal sealed class DueTable
{
    private readonly Dictionary<string, DueEntry> _byName = new(StringComparer.Ordinal);
    private readonly IndexedHeap<DueEntry, Position> _heap = new();

    public int Count => _byName.Count;

    /// <summary>When the first one is due, in ticks of UTC; <see cref="long.MaxValue"/> when none ever is.</summary>
    public long FirstDue => _heap.FirstKey;

    public IReadOnlyCollection<DueEntry> Entries => _byName.Values;

    public DueEntry? Find(string name) => _byName.GetValueOrDefault(name);

    public DueEntry GetOrAdd(string name)
    {
        if (!_byName.TryGetValue(name, out var entry))
        {
            _byName.Add(name, entry = new DueEntry(name));
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
        _byName.Remove(entry.Name);
    }

    public void EnsureCapacity(int count) => _byName.EnsureCapacity(count);

    private readonly struct Position : IHeapPosition<DueEntry>
    {
        public static ref int Of(DueEntry item) => ref item.Position;
    }
}
