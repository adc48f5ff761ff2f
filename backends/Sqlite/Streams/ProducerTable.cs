using System.Buffers.Binary;
using Millrace.Sqlite.Engine;
using Millrace.Storage;

namespace Millrace.Sqlite.Streams;

/// <summary>
/// The sequences of idempotent producers (law S8): for each, where its latest appends are. Beyond <see cref="MaxProducers"/> of a partition, the one that appended longest
/// ago is forgotten.
/// </summary>
internal sealed class ProducerTable
{
    /// <summary>The most producers that a partition remembers.</summary>
    public const int MaxProducers = 10_000;

    // Of so many appends of a producer the offset is known when they are repeated.
    private const int AppendsKept = 5;
    private const int EntryBytes = 3 * sizeof(long);

    private readonly Statement _find;
    private readonly Statement _put;
    private readonly Statement _oldest;
    private readonly Statement _delete;
    private readonly Statement _deleteAll;

    public ProducerTable(Connection connection, string t)
    {
        _find = connection.Prepare($"SELECT latest FROM {t}producer WHERE partition = ?1 AND name = ?2");
        _put = connection.Prepare($"INSERT OR REPLACE INTO {t}producer (partition, name, used, latest) VALUES (?1, ?2, ?3, ?4)");
        _oldest = connection.Prepare($"SELECT name FROM {t}producer WHERE partition = ?1 ORDER BY used LIMIT 1");
        _delete = connection.Prepare($"DELETE FROM {t}producer WHERE partition = ?1 AND name = ?2");
        _deleteAll = connection.Prepare($"DELETE FROM {t}producer WHERE partition = ?1");
    }

    /// <summary>What is known of a producer: its latest appends, oldest first; null when it is not known.</summary>
    public byte[]? Find(long partition, string name)
    {
        if (!_find.Bind(1, partition).Bind(2, name).Step())
        {
            return null;
        }

        var latest = _find.Blob(0).ToArray();
        _find.Reset();
        return latest.Length is > 0 and <= AppendsKept * EntryBytes && latest.Length % EntryBytes == 0
            ? latest
            : throw new StorageCorruptException($"What is stored of the producer '{name}' cannot be read.");
    }

    /// <summary>Whether an append repeats what is stored.</summary>
    /// <param name="latest">What is known of its producer.</param>
    /// <param name="request">The append.</param>
    /// <returns>Its result if it does; null when it is new.</returns>
    /// <exception cref="InvalidMessageException">It repeats some sequences and adds others.</exception>
    public static AppendResult? FindRepeat(ReadOnlySpan<byte> latest, in AppendRequest request)
    {
        var (lastFirst, lastCount, _) = Entry(latest[^EntryBytes..]);
        var last = lastFirst + lastCount - 1;
        if (request.FirstSequence > last)
        {
            return null;
        }

        var end = request.FirstSequence + request.Records.Length - 1;
        if (end > last)
        {
            throw new InvalidMessageException(
                $"The append was refused: it has the sequences {request.FirstSequence} to {end} of producer '{request.ProducerId}', of which those up to {last} are stored already. "
                + "Repeat an append as it was, or go on after the last sequence.");
        }

        for (; !latest.IsEmpty; latest = latest[EntryBytes..])
        {
            var (first, count, offset) = Entry(latest);
            if (request.FirstSequence >= first && request.FirstSequence < first + count)
            {
                return new AppendResult(offset + (request.FirstSequence - first), true);
            }
        }

        return new AppendResult(-1, true);
    }

    /// <summary>Notes an append that is stored.</summary>
    public void Note(long partition, in AppendRequest request, ReadOnlySpan<byte> latest, long firstOffset)
    {
        var kept = latest.Length == AppendsKept * EntryBytes ? latest[EntryBytes..] : latest;
        Span<byte> entries = stackalloc byte[kept.Length + EntryBytes];
        kept.CopyTo(entries);
        var entry = entries[kept.Length..];
        BinaryPrimitives.WriteInt64LittleEndian(entry, request.FirstSequence);
        BinaryPrimitives.WriteInt64LittleEndian(entry[sizeof(long)..], request.Records.Length);
        BinaryPrimitives.WriteInt64LittleEndian(entry[(2 * sizeof(long))..], firstOffset);
        _put.Bind(1, partition).Bind(2, request.ProducerId).Bind(3, firstOffset).Bind(4, entries).Run();
    }

    /// <summary>Forgets the producer that appended longest ago.</summary>
    public void ForgetOldest(long partition)
    {
        if (_oldest.Bind(1, partition).Step())
        {
            var name = _oldest.Text(0);
            _oldest.Reset();
            _delete.Bind(1, partition).Bind(2, name).Run();
        }
    }

    public void DeleteAll(long partition) => _deleteAll.Bind(1, partition).Run();

    private static (long First, long Count, long Offset) Entry(ReadOnlySpan<byte> entry) => (
        BinaryPrimitives.ReadInt64LittleEndian(entry),
        BinaryPrimitives.ReadInt64LittleEndian(entry[sizeof(long)..]),
        BinaryPrimitives.ReadInt64LittleEndian(entry[(2 * sizeof(long))..]));
}
