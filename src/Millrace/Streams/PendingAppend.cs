using Millrace.Serialization;
using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>Records for one partition that a caller handed in together: they are appended together or not at all.</summary>
/// <param name="records">The records; their memory is that of <paramref name="bytes"/>.</param>
/// <param name="size">Bytes of keys, headers and bodies.</param>
/// <param name="bytes">Given back when the append is done with.</param>
internal sealed class PendingAppend(StreamRecord[] records, long size, AppendBytes bytes) : TaskCompletionSource<AppendResult>(TaskCreationOptions.RunContinuationsAsynchronously)
{
    public StreamRecord[] Records { get; } = records;

    public long Size { get; } = size;

    public void Release() => bytes.Release();
}

/// <summary>The bytes of a call, shared by its appends to several partitions. The last one gives them back.</summary>
internal sealed class AppendBytes(PooledBuffer buffer, int shares)
{
    private int _shares = shares;

    public void Release()
    {
        if (Interlocked.Decrement(ref _shares) == 0)
        {
            buffer.Dispose();
        }
    }
}
