namespace Millrace.Storage.Engine;

/// <summary>
/// Where engines write down what they change, so that it outlives the process: an append-only log of frames of changes (see <see cref="ChangeKind"/>). All members are safe for
/// concurrent use. <see cref="Append"/>, <see cref="NoteStored"/> and <see cref="NoteRemoved"/> are called under the gates of queues, so they take no gate of an engine and complete
/// nobody.
/// </summary>
internal interface IEngineJournal
{
    /// <summary>Sees to it that so many bytes of changes can be appended, before an engine changes anything.</summary>
    /// <param name="bytes">At most so many.</param>
    /// <param name="isEssential">Whether the operation makes room (settling, removing), and may use what is set aside for that.</param>
    /// <returns>What was set aside: to be given to <see cref="Append"/> or <see cref="Release"/>.</returns>
    /// <exception cref="BackendUnavailableException">The disk is full, or the journal has failed.</exception>
    JournalRoom Reserve(long bytes, bool isEssential);

    /// <summary>Gives back what was not needed.</summary>
    void Release(JournalRoom room);

    /// <summary>Adds a frame in memory.</summary>
    /// <returns>Where its first byte stands.</returns>
    long Append(JournalRoom room, ReadOnlySpan<byte> frame);

    /// <summary>Hands everything before <paramref name="end"/> to the operating system: it survives the end of the process.</summary>
    void WriteThrough(long end);

    /// <summary>Whether everything before <paramref name="end"/> is as durable as the store promises.</summary>
    bool IsDurable(long end);

    /// <summary>Returns when everything before <paramref name="end"/> is as durable as the store promises.</summary>
    ValueTask FlushAsync(long end);

    /// <summary>Reads what stands in the journal, flushed or not.</summary>
    void Read(long position, Span<byte> into);

    /// <summary>Up to where what follows a position can be read with it at once.</summary>
    long ReadableTo(long position);

    /// <summary>A message's record is needed from now on.</summary>
    void NoteStored(long location, int recordBytes);

    /// <summary>A message's record is needed no more.</summary>
    void NoteRemoved(long location, int recordBytes);
}

/// <summary>Room in a journal that an operation has set aside.</summary>
/// <param name="Bytes">How much; 0 for none.</param>
/// <param name="Slot">The journal's.</param>
/// <param name="Version">The journal's.</param>
internal readonly record struct JournalRoom(long Bytes, int Slot, int Version);
