using System.Diagnostics;
using System.Reflection;

namespace Millrace.Server.Metrics;

/// <summary>The metrics that every Prometheus client has of its process. What the system does not tell is left out.</summary>
internal static class ProcessMetrics
{
    private const string Tasks = "/proc/self/task";
    private const string Descriptors = "/proc/self/fd";

    private static readonly DateTimeOffset StartTime = ReadStartTime();
    private static readonly string Version = typeof(ProcessMetrics).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    public static void WriteTo(PrometheusWriter writer)
    {
        writer.Family("millrace_build_info", "gauge", "1, with the version of the server.");
        writer.Sample("millrace_build_info", [("version", Version)], 1);
        writer.Single("process_cpu_seconds_total", "counter", "Time of processors that the process has used.", Environment.CpuUsage.TotalTime.TotalSeconds);
        writer.Single("process_resident_memory_bytes", "gauge", "Memory of the process that is not swapped out.", Environment.WorkingSet);
        writer.Single("process_start_time_seconds", "gauge", "When the process started, in seconds since 1970.", StartTime.ToUnixTimeMilliseconds() / 1000.0);
        WriteCount(writer, "process_threads", "Threads of the process.", Tasks);
        WriteCount(writer, "process_open_fds", "Open file descriptors.", Descriptors);
    }

    private static void WriteCount(PrometheusWriter writer, string name, string help, string folder)
    {
        if (Directory.Exists(folder))
        {
            writer.Single(name, "gauge", help, Directory.EnumerateFileSystemEntries(folder).Count());
        }
    }

    private static DateTimeOffset ReadStartTime()
    {
        using var process = Process.GetCurrentProcess();
        return process.StartTime;
    }
}
