using System.Diagnostics;

namespace Millrace.Storage.Engine;

/// <summary>
/// The order of the cold messages of one level: slots by rising sequence, in chunks that are freed as the front is taken. Guarded by the gate of its queue.
/// </summary>
internal sealed class ColdRun
{
    private const int ChunkSize = 4096;
    private const int Taken = -1;

    private readonly List<Place[]> _chunks = [];
    private int _first;
    private int _end;

    /// <summary>Cold messages in the run.</summary>
    public int Count { get; private set; }

    /// <summary>The sequence of the last message that was added; <see cref="long.MinValue"/> when the run is empty.</summary>
    public long LastSequence { get; private set; } = long.MinValue;

    public void Append(long sequence, int slot)
    {
        Debug.Assert(sequence > LastSequence, "A run is in the order of sequences.");
        if (_end == _chunks.Count * ChunkSize)
        {
            _chunks.Add(new Place[ChunkSize]);
        }

        _chunks[_end / ChunkSize][_end % ChunkSize] = new Place(sequence, slot);
        _end++;
        Count++;
        LastSequence = sequence;
    }

    /// <summary>Takes the first message out.</summary>
    /// <returns>False when the run is empty.</returns>
    public bool TryTakeFirst(out long sequence, out int slot)
    {
        while (_first < _end)
        {
            var place = At(_first++);
            if (_first == ChunkSize)
            {
                _chunks.RemoveAt(0);
                _first -= ChunkSize;
                _end -= ChunkSize;
            }

            if (place.Slot != Taken)
            {
                Count--;
                EndIfEmpty();
                (sequence, slot) = (place.Sequence, place.Slot);
                return true;
            }
        }

        EndIfEmpty();
        (sequence, slot) = (0, Taken);
        return false;
    }

    /// <summary>Takes the message of a sequence out of the middle.</summary>
    /// <returns>Its slot.</returns>
    public int Take(long sequence)
    {
        var index = IndexOf(sequence);
        ref var place = ref _chunks[index / ChunkSize][index % ChunkSize];
        Debug.Assert(place.Sequence == sequence && place.Slot != Taken, "A cold message stands in its run.");
        var slot = place.Slot;
        place = place with { Slot = Taken };
        Count--;
        EndIfEmpty();
        return slot;
    }

    /// <summary>The messages from the first one on whose sequence is above <paramref name="after"/>.</summary>
    public IEnumerable<(long Sequence, int Slot)> After(long after)
    {
        for (var index = after == long.MaxValue ? _end : IndexOf(after + 1); index < _end; index++)
        {
            var place = At(index);
            if (place.Slot != Taken)
            {
                yield return (place.Sequence, place.Slot);
            }
        }
    }

    private Place At(int index) => _chunks[index / ChunkSize][index % ChunkSize];

    /// <summary>The index of the first place whose sequence is not below <paramref name="sequence"/>.</summary>
    private int IndexOf(long sequence)
    {
        var (low, high) = (_first, _end);
        while (low < high)
        {
            var middle = low + ((high - low) / 2);
            if (At(middle).Sequence < sequence)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    private void EndIfEmpty()
    {
        if (Count == 0)
        {
            _chunks.Clear();
            (_first, _end) = (0, 0);
            LastSequence = long.MinValue;
        }
    }

    private readonly record struct Place(long Sequence, int Slot);
}
