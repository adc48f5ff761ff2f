using System.Buffers;

namespace Millrace.Storage;

/// <summary>
/// Records that were read. The page owns their memory: keys and bodies are valid until it is disposed, whatever else is read meanwhile. A page that is not disposed
/// is left to the garbage collector. Not safe for concurrent use.
/// </summary>
public sealed class StreamPage : IDisposable
{
    private StreamRecord[]? _rentedRecords;
    private byte[]? _rentedBytes;

    /// <summary>A page of records whose memory nobody uses again.</summary>
    /// <param name="records">The records, in order of their offsets.</param>
    /// <param name="nextOffset">Where to read on.</param>
    /// <param name="endOffset">The end of the partition when the page was read.</param>
    public StreamPage(ReadOnlyMemory<StreamRecord> records, long nextOffset, long endOffset) =>
        (Records, NextOffset, EndOffset) = (records, nextOffset, endOffset);

    /// <summary>A page of arrays from the shared pools, to which they return when it is disposed.</summary>
    internal StreamPage(StreamRecord[] rentedRecords, int count, byte[]? rentedBytes, long nextOffset, long endOffset)
        : this(rentedRecords.AsMemory(0, count), nextOffset, endOffset) =>
        (_rentedRecords, _rentedBytes) = (rentedRecords, rentedBytes);

    /// <summary>The records, in order of their offsets; empty once the page is disposed.</summary>
    public ReadOnlyMemory<StreamRecord> Records { get; private set; }

    /// <summary>Where to read on.</summary>
    public long NextOffset { get; }

    /// <summary>The end of the partition when the page was read.</summary>
    public long EndOffset { get; }

    /// <summary>Gives the memory of the records back.</summary>
    public void Dispose()
    {
        Records = default;
        if (_rentedRecords is { } records)
        {
            _rentedRecords = null;
            ArrayPool<StreamRecord>.Shared.Return(records, clearArray: true);
        }

        if (_rentedBytes is { } bytes)
        {
            _rentedBytes = null;
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }
}
