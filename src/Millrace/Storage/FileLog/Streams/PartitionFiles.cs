using System.Buffers.Binary;
using System.Text;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog.Streams;

/// <summary>The small files beside a partition's log: where it begins for readers, and what its producers have appended to segments that need not be read again.</summary>
/// <remarks>
/// <code>
/// start     = "MRSTART\0" version:u16 0:u16 0:u32 offset:i64 check:u32
/// producers = "MRPROD\0\0" version:u16 0:u16 count:u32 position:i64 (length:u16 utf8 firstSequence:i64 count:u32 firstOffset:i64)* check:u32
/// </code>
/// The check is the CRC of everything before it.
/// </remarks>
internal sealed class PartitionFiles(IFileSystem files, string folder)
{
    private const ushort Version = 1;
    private const int HeadBytes = 24;
    private const int MaxEntryBytes = sizeof(ushort) + ResourceName.MaxBytes + sizeof(long) + sizeof(uint) + sizeof(long);
    private const long MaxFileBytes = HeadBytes + ((long)MaxEntryBytes * ProducerSequences.MaxProducers * ProducerSequences.AppendsKept) + sizeof(uint);
    private const string StartName = "start";
    private const string ProducersName = "producers";

    private static ReadOnlySpan<byte> StartMagic => "MRSTART\0"u8;

    private static ReadOnlySpan<byte> ProducersMagic => "MRPROD\0\0"u8;

    /// <summary>The first offset that may be read, as it was last saved; null when it is missing or damaged.</summary>
    public long? LoadStart() =>
        Load(StartName, StartMagic) is { Length: HeadBytes } content ? BinaryPrimitives.ReadInt64LittleEndian(content.AsSpan(16)) : null;

    /// <summary>Saves the first offset that may be read, durably.</summary>
    public void SaveStart(long offset)
    {
        var content = new byte[HeadBytes + sizeof(uint)];
        BinaryPrimitives.WriteInt64LittleEndian(content.AsSpan(16), offset);
        Save(StartName, StartMagic, content);
    }

    /// <summary>Reads what was saved of the producers.</summary>
    /// <param name="into">Gets their appends, in the order in which they are to be noted.</param>
    /// <returns>The position up to which their appends are known; 0 when nothing is saved, or it is damaged.</returns>
    public long LoadProducers(List<ProducerAppend> into)
    {
        if (Load(ProducersName, ProducersMagic) is not { Length: >= HeadBytes } content)
        {
            return 0;
        }

        var count = BinaryPrimitives.ReadUInt32LittleEndian(content.AsSpan(12));
        var position = BinaryPrimitives.ReadInt64LittleEndian(content.AsSpan(16));
        var entry = content.AsSpan(HeadBytes);
        for (var i = 0U; i < count; i++)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(entry);
            var id = Encoding.UTF8.GetString(entry.Slice(sizeof(ushort), length));
            entry = entry[(sizeof(ushort) + length)..];
            into.Add(new ProducerAppend(
                id,
                BinaryPrimitives.ReadInt64LittleEndian(entry),
                BinaryPrimitives.ReadInt32LittleEndian(entry[8..]),
                BinaryPrimitives.ReadInt64LittleEndian(entry[12..])));
            entry = entry[20..];
        }

        return position;
    }

    /// <summary>Saves what is known of the producers, durably.</summary>
    /// <param name="producers">Their appends, as <see cref="ProducerSequences.List"/> has them.</param>
    /// <param name="position">Up to where in the log they are known.</param>
    public void SaveProducers(IReadOnlyCollection<ProducerAppend> producers, long position)
    {
        var content = new byte[HeadBytes + (producers.Count * MaxEntryBytes) + sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(12), (uint)producers.Count);
        BinaryPrimitives.WriteInt64LittleEndian(content.AsSpan(16), position);
        var at = HeadBytes;
        foreach (var (id, sequence, count, offset) in producers)
        {
            var length = Encoding.UTF8.GetBytes(id, content.AsSpan(at + sizeof(ushort)));
            BinaryPrimitives.WriteUInt16LittleEndian(content.AsSpan(at), (ushort)length);
            at += sizeof(ushort) + length;
            BinaryPrimitives.WriteInt64LittleEndian(content.AsSpan(at), sequence);
            BinaryPrimitives.WriteInt32LittleEndian(content.AsSpan(at + 8), count);
            BinaryPrimitives.WriteInt64LittleEndian(content.AsSpan(at + 12), offset);
            at += 20;
        }

        Save(ProducersName, ProducersMagic, content.AsSpan(0, at + sizeof(uint)));
    }

    private void Save(string name, ReadOnlySpan<byte> magic, Span<byte> content)
    {
        magic.CopyTo(content);
        BinaryPrimitives.WriteUInt16LittleEndian(content[8..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(content[^sizeof(uint)..], Crc32C.Of(content[..^sizeof(uint)]));
        DurableFile.Write(files, Path.Combine(folder, name), content, flush: true);
    }

    /// <summary>What a file holds before its check; null when it is missing or damaged.</summary>
    private byte[]? Load(string name, ReadOnlySpan<byte> magic)
    {
        var content = DurableFile.Read(files, Path.Combine(folder, name), MaxFileBytes);
        return content is not null
            && content.Length >= HeadBytes + sizeof(uint)
            && content.AsSpan().StartsWith(magic)
            && BinaryPrimitives.ReadUInt16LittleEndian(content.AsSpan(8)) == Version
            && BinaryPrimitives.ReadUInt32LittleEndian(content.AsSpan(content.Length - sizeof(uint))) == Crc32C.Of(content.AsSpan(0, content.Length - sizeof(uint)))
                ? content[..^sizeof(uint)]
                : null;
    }
}

/// <summary>An append of an idempotent producer.</summary>
/// <param name="ProducerId">The producer.</param>
/// <param name="FirstSequence">The sequence of its first record.</param>
/// <param name="Count">How many records it has.</param>
/// <param name="FirstOffset">The offset of the first.</param>
internal readonly record struct ProducerAppend(string ProducerId, long FirstSequence, int Count, long FirstOffset);
