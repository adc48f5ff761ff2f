using System.Globalization;

namespace Millrace.Bench;

/// <summary>What another process takes, as the kernel sees it.</summary>
internal static class ProcessUsage
{
    // The unit of /proc/PID/stat, which is the same on all Linux architectures that .NET runs on.
    private const int TicksPerSecond = 100;

    // Of the fields behind the name, which may itself hold blanks and ends with a bracket: utime and stime.
    private const int UserField = 11;
    private const int SystemField = 12;

    /// <summary>The processor time that it has used so far.</summary>
    public static TimeSpan ProcessorTime(int processId)
    {
        var stat = File.ReadAllText($"/proc/{processId}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        var ticks = long.Parse(fields[UserField], CultureInfo.InvariantCulture) + long.Parse(fields[SystemField], CultureInfo.InvariantCulture);
        return TimeSpan.FromSeconds((double)ticks / TicksPerSecond);
    }

    /// <summary>The memory that it has resident now.</summary>
    public static double ResidentMegabytes(int processId)
    {
        var line = File.ReadLines($"/proc/{processId}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return double.Parse(line.AsSpan(6).Trim().TrimEnd("kB"), CultureInfo.InvariantCulture) / 1024;
    }
}
