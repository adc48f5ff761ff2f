namespace Millrace.Storage.Engine;

/// <summary>
/// The messages of one queue, dead letters included, whose sender supplied the id: slots by the hash of the id, oldest first. Guarded by the gate of its queue.
/// </summary>
internal sealed class LiveIds
{
    private readonly Dictionary<UInt128, int> _oldest = [];

    // Several live messages bear one id only after a dead letter's id was sent again; so the common case needs no list.
    private readonly Dictionary<UInt128, List<int>> _younger = [];

    public int Count => _oldest.Count;

    public void Add(UInt128 id, int slot)
    {
        if (_oldest.TryAdd(id, slot))
        {
            return;
        }

        if (!_younger.TryGetValue(id, out var younger))
        {
            _younger.Add(id, younger = []);
        }

        younger.Add(slot);
    }

    public void Remove(UInt128 id, int slot)
    {
        _younger.TryGetValue(id, out var younger);
        if (!_oldest.TryGetValue(id, out var oldest))
        {
            return;
        }

        if (oldest != slot)
        {
            younger?.Remove(slot);
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

    /// <summary>The id of the message in a slot, found by looking through all of them.</summary>
    public UInt128 HashOf(int slot)
    {
        foreach (var (id, known) in ToArray())
        {
            if (known == slot)
            {
                return id;
            }
        }

        return default;
    }

    /// <summary>Every id with a slot of it, oldest first for one id.</summary>
    public (UInt128 Id, int Slot)[] ToArray()
    {
        var ids = new List<(UInt128, int)>(_oldest.Count);
        foreach (var (id, slot) in _oldest)
        {
            ids.Add((id, slot));
        }

        foreach (var (id, slots) in _younger)
        {
            foreach (var slot in slots)
            {
                ids.Add((id, slot));
            }
        }

        return [.. ids];
    }

    /// <summary>The slots of the messages with this id, oldest first.</summary>
    public LiveIdSlots Find(UInt128 id)
    {
        if (!_oldest.TryGetValue(id, out var oldest))
        {
            return default;
        }

        return new LiveIdSlots(oldest, _younger.GetValueOrDefault(id));
    }
}

/// <summary>The slots of messages that bear one id.</summary>
internal readonly struct LiveIdSlots(int oldest, List<int>? younger)
{
    private readonly bool _isAny = true;

    public int Count => _isAny ? 1 + (younger?.Count ?? 0) : 0;

    public int this[int index] => index == 0 ? oldest : younger![index - 1];
}
