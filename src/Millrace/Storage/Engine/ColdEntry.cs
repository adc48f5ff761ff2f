namespace Millrace.Storage.Engine;

/// <summary>
/// What is kept in memory of a ready message that waits far from the head of its queue: enough to find its record in the journal and to make an entry of it again. Such a
/// message has no key, expires never, and was never leased. With its place in a <see cref="ColdRun"/> it takes 40 bytes.
/// </summary>
internal readonly struct ColdEntry
{
    private const byte Used = 1;
    private const byte SenderId = 2;

    private readonly long _location;
    private readonly int _recordBytes;
    private readonly int _bodyBytes;
    private readonly uint _sequence;
    private readonly byte _priority;
    private readonly byte _flags;

    public ColdEntry(long location, int recordBytes, int bodyBytes, long sequence, byte priority, bool hasSenderId)
    {
        _location = location;
        _recordBytes = recordBytes;
        _bodyBytes = bodyBytes;
        _sequence = (uint)sequence;
        _priority = priority;
        _flags = (byte)(Used | (hasSenderId ? SenderId : 0));
    }

    public bool IsUsed => (_flags & Used) != 0;

    public long Location => _location;

    public int RecordBytes => _recordBytes;

    public int BodyBytes => _bodyBytes;

    public byte Priority => _priority;

    public bool HasSenderId => (_flags & SenderId) != 0;

    public static ColdEntry Of(QueueEntry entry) =>
        new(entry.Location, entry.RecordBytes, entry.BodyBytes, entry.Sequence, entry.Priority, entry.HasSenderId);

    /// <summary>Its sequence, of which only the low half is kept: the one that is not above <paramref name="last"/>, the last of its run.</summary>
    public long SequenceUpTo(long last) => last - ((uint)last - _sequence);

    /// <summary>The same message, whose record now stands elsewhere.</summary>
    public ColdEntry At(long location, int recordBytes) => new(location, recordBytes, _bodyBytes, _sequence, _priority, HasSenderId);

    /// <summary>Gives an entry everything but its sequence, which the run has.</summary>
    public void CopyTo(QueueEntry entry)
    {
        entry.Location = _location;
        entry.RecordBytes = _recordBytes;
        entry.BodyBytes = _bodyBytes;
        entry.Priority = _priority;
        entry.HasSenderId = HasSenderId;
    }
}
