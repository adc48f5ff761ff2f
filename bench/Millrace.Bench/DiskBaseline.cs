using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Millrace.Bench;

/// <summary>How often the disk can make an append safe: what bounds every durable figure.</summary>
internal static partial class DiskBaseline
{
    private const int AppendBytes = 4096;
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(1);

    /// <summary>Appends of 4 KiB, each followed by fdatasync.</summary>
    public static Measurement Measure(string folder)
    {
        var path = Path.Combine(folder, "fdatasync");
        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
        var page = new byte[AppendBytes];
        var count = 0;
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < Duration)
        {
            RandomAccess.Write(file, page, (long)count * AppendBytes);
            if (FlushData(file) != 0)
            {
                throw new Win32Exception(Marshal.GetLastPInvokeError(), $"fdatasync of {path} failed");
            }

            count++;
        }

        return new Measurement("fdatasync_per_s", count / watch.Elapsed.TotalSeconds, "1/s");
    }

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int FlushData(SafeFileHandle file);
}
