namespace Millrace.Storage.InMemory;

/// <summary>A record as memory keeps it: its key and body stand one after the other in an array that it shares with others of its append.</summary>
/// <param name="Content">The array.</param>
/// <param name="Start">Where the key begins.</param>
/// <param name="KeyLength">The bytes of the key; 0 without one.</param>
/// <param name="BodyLength">The bytes of the body, which follows the key.</param>
/// <param name="Headers">The headers; null without any.</param>
/// <param name="TimestampTicks">The timestamp in ticks of UTC.</param>
internal readonly record struct KeptRecord(byte[] Content, int Start, int KeyLength, int BodyLength, MessageHeaders? Headers, long TimestampTicks)
{
    public DateTimeOffset Timestamp => new(TimestampTicks, TimeSpan.Zero);

    public StreamRecord At(long offset) => new()
    {
        Offset = offset,
        Key = KeyLength == 0 ? default : Content.AsMemory(Start, KeyLength),
        Body = BodyLength == 0 ? default : Content.AsMemory(Start + KeyLength, BodyLength),
        Headers = Headers,
        Timestamp = Timestamp,
    };
}

/// <summary>
/// Records in their order: added at the end, removed at the start. They stand in blocks, so that a long list is never copied and none of it is in the heap of large objects. Not safe for
/// concurrent use.
/// </summary>
internal sealed class KeptRecords
{
    private const int BlockLength = 1024;
    private const int FirstLength = 16;

    // All but the last are of full length.
    private readonly List<KeptRecord[]> _blocks = [];
    private int _removed;

    public int Count { get; private set; }

    public ref readonly KeptRecord this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count);
            var (block, place) = Math.DivRem((uint)(_removed + index), BlockLength);
            return ref _blocks[(int)block][place];
        }
    }

    public void Add(in KeptRecord record)
    {
        var (block, place) = Math.DivRem((uint)(_removed + Count), BlockLength);
        if (block == _blocks.Count)
        {
            // The first one grows: there may be many streams of few records.
            _blocks.Add(new KeptRecord[block == 0 ? FirstLength : BlockLength]);
        }
        else if (place == _blocks[(int)block].Length)
        {
            var last = _blocks[(int)block];
            Array.Resize(ref last, last.Length * 2);
            _blocks[(int)block] = last;
        }

        _blocks[(int)block][place] = record;
        Count++;
    }

    public void RemoveFirst()
    {
        ArgumentOutOfRangeException.ThrowIfZero(Count);
        _blocks[0][_removed] = default;
        Count--;
        if (++_removed == BlockLength)
        {
            _blocks.RemoveAt(0);
            _removed = 0;
        }
    }
}
