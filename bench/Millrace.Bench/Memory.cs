using System.Globalization;

namespace Millrace.Bench;

/// <summary>What the process takes, as the kernel and the collector see it.</summary>
internal static class Memory
{
    /// <summary>Collects what earlier cases left behind.</summary>
    public static void Settle()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive);
    }

    /// <summary>Starts the peak anew (Linux: clear_refs, 5), so that each case has its own. Where that is not allowed, peaks only rise.</summary>
    public static void ResetPeak()
    {
        try
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"peak RSS is that of the process so far: {exception.Message}");
        }
    }

    public static double PeakMegabytes() => Read("VmHWM:");

    /// <summary>What the process takes now.</summary>
    public static double ResidentMegabytes() => Read("VmRSS:");

    private static double Read(string name)
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(name, StringComparison.Ordinal));
        return double.Parse(line.AsSpan(name.Length).Trim().TrimEnd("kB"), CultureInfo.InvariantCulture) / 1024;
    }
}
