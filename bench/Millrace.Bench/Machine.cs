using System.Globalization;
using System.Runtime.InteropServices;

namespace Millrace.Bench;

/// <summary>The machine that figures come from.</summary>
internal static class Machine
{
    public static IReadOnlyList<(string Fact, string Value)> Facts() =>
    [
        ("processor", $"{ProcessorName()}, {Environment.ProcessorCount} cores"),
        ("memory", string.Create(CultureInfo.InvariantCulture, $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1024.0 * 1024 * 1024):F1} GiB")),
        ("system", RuntimeInformation.OSDescription),
        ("runtime", RuntimeInformation.FrameworkDescription),
        ("collector", System.Runtime.GCSettings.IsServerGC ? "server" : "workstation, concurrent"),
    ];

    private static string ProcessorName()
    {
        const string Field = "model name";
        var line = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith(Field, StringComparison.Ordinal));
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}
