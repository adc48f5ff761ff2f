using System.Diagnostics;

namespace Millrace.Bench.Files;

/// <summary>What the machine does without a store: plain files.</summary>
internal static class RawFileBaseline
{
    private const int RecordBytes = 100;
    private const int WriteBytes = 1024 * 1024;
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(2);

    /// <summary>Bytes a second, written in large pieces to a file and flushed at the end.</summary>
    public static double SequentialBytesPerSecond(string folder)
    {
        using var file = File.OpenHandle(Path.Combine(folder, "raw-sequential"), FileMode.CreateNew, FileAccess.Write);
        var piece = new byte[WriteBytes];
        Random.Shared.NextBytes(piece);
        var written = 0L;
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < Duration)
        {
            RandomAccess.Write(file, piece, written);
            written += piece.Length;
        }

        RandomAccess.FlushToDisk(file);
        return written / watch.Elapsed.TotalSeconds;
    }

    /// <summary>Records a second, each written to a <see cref="FileStream"/> and flushed to the disk before the next one.</summary>
    public static double FlushedAppendsPerSecond(string folder)
    {
        using var file = new FileStream(Path.Combine(folder, "raw-flushed"), FileMode.CreateNew, FileAccess.Write);
        var record = new byte[RecordBytes];
        var count = 0L;
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < Duration)
        {
            file.Write(record);
            file.Flush(flushToDisk: true);
            count++;
        }

        return count / watch.Elapsed.TotalSeconds;
    }
}
