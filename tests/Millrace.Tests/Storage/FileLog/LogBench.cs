using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Storage.FileLog.Disk;
using Log = Millrace.Storage.FileLog.FileLog;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>What tests of the log do to one: open it on a simulated disk, append numbered frames, read them back.</summary>
internal static class LogBench
{
    public const string Folder = "/data/log";

    public static Log Open(IFileSystem files, FileLogOptions? options = null, string folder = Folder) =>
        Log.Open(files, folder, options ?? Small(), TimeProvider.System, NullLogger.Instance);

    public static FileLogOptions Small(StoreDurability durability = StoreDurability.Full, FlushThreads? threads = null) =>
        new() { SegmentBytes = FileLogOptions.MinSegmentBytes, Durability = durability, ZeroAheadBytes = 128, Threads = threads };

    /// <summary>Appends a payload.</summary>
    /// <returns>The position behind it.</returns>
    public static long Append(Log log, ReadOnlySpan<byte> payload, bool essential = false)
    {
        using var reservation = log.Reserve(payload.Length, essential);
        return log.Append(in reservation, payload) + payload.Length;
    }

    public static long Append(Log log, string payload, bool essential = false) => Append(log, Encoding.UTF8.GetBytes(payload), essential);

    /// <summary>A payload that says its number, of a length that follows from it.</summary>
    public static string Numbered(int number) => number.ToString(CultureInfo.InvariantCulture) + new string('.', number * 37 % 90);

    public static List<string> ReadAll(Log log)
    {
        using var scan = log.Scan(log.StartPosition);
        var found = new List<string>();
        while (scan.MoveNext())
        {
            found.Add(Encoding.UTF8.GetString(scan.Payload));
            var raw = new byte[scan.Payload.Length];
            log.ReadAt(scan.Position, raw);
            Xunit.Assert.Equal(found[^1], Encoding.UTF8.GetString(raw));
        }

        Xunit.Assert.Null(scan.Damage);
        return found;
    }

    public static string[] SegmentsOf(IFileSystem files, string folder = Folder) =>
        [.. files.ListFiles(folder).Select(file => file.Name).Where(name => name.EndsWith(".log", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(name => Path.Combine(folder, name))];
}
