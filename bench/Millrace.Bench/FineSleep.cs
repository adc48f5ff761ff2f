using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Millrace.Bench;

/// <summary>Sleeps for less than a millisecond, which <see cref="Thread.Sleep(int)"/> cannot.</summary>
internal static partial class FineSleep
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>Sleeps until a timestamp of <see cref="Stopwatch"/>, or somewhat longer; not at all when it has passed.</summary>
    public static void Until(long timestamp)
    {
        var remaining = (timestamp - Stopwatch.GetTimestamp()) * (NanosecondsPerSecond / Stopwatch.Frequency);
        if (remaining > 0)
        {
            var request = new TimeSpecification { Seconds = (nint)(remaining / NanosecondsPerSecond), Nanoseconds = (nint)(remaining % NanosecondsPerSecond) };
            _ = Sleep(in request, 0);
        }
    }

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int Sleep(in TimeSpecification request, nint remaining);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpecification
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
