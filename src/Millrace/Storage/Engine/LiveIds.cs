namespace Millrace.Storage.Engine;

/// <summary>The messages of one queue, dead letters included, whose sender supplied the id: by the hash of the id, oldest first. Guarded by the gate of its queue.</summary>
internal sealed class LiveIds
{
    private readonly Dictionary<UInt128, QueueEntry> _oldest = [];

    // Several live messages bear one id only after a dead letter's id was sent again; so the common case needs no list.
    private readonly Dictionary<UInt128, List<QueueEntry>> _younger = [];

    public int Count => _oldest.Count;

    public void Add(UInt128 id, QueueEntry entry)
    {
        if (_oldest.TryAdd(id, entry))
        {
            return;
        }

        if (!_younger.TryGetValue(id, out var younger))
        {
            _younger.Add(id, younger = []);
        }

        younger.Add(entry);
    }

    public void Remove(UInt128 id, QueueEntry entry)
    {
        _younger.TryGetValue(id, out var younger);
        if (!ReferenceEquals(_oldest[id], entry))
        {
            younger!.Remove(entry);
        }
        else if (younger is null)
        {
            _oldest.Remove(id);
        }
        else
        {
            _oldest[id] = younger[0];
            younger.RemoveAt(0);
        }

        if (younger is { Count: 0 })
        {
            _younger.Remove(id);
        }
    }

    /// <summary>The oldest message in <paramref name="section"/> with this id; null when there is none.</summary>
    public QueueEntry? Find(UInt128 id, QueueSection section)
    {
        if (!_oldest.TryGetValue(id, out var oldest))
        {
            return null;
        }

        return ReferenceEquals(oldest.Section, section) ? oldest
            : _younger.TryGetValue(id, out var younger) ? younger.Find(entry => ReferenceEquals(entry.Section, section))
            : null;
    }
}
