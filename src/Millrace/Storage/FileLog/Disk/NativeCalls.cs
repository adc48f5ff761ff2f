using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace Millrace.Storage.FileLog.Disk;

/// <summary>The system calls that the framework has no method for.</summary>
internal static partial class NativeCalls
{
    private const int ReadOnly = 0;
    private const int Interrupted = 4;

    [SupportedOSPlatform("linux")]
    public static void FlushData(SafeFileHandle file)
    {
        while (Fdatasync(file) != 0)
        {
            ThrowUnlessInterrupted("The file could not be flushed");
        }
    }

    [UnsupportedOSPlatform("windows")]
    public static void FlushFolder(string folder)
    {
        using var handle = OpenFolder(folder);
        while (Fsync(handle) != 0)
        {
            ThrowUnlessInterrupted("The folder could not be flushed");
        }
    }

    private static SafeFileHandle OpenFolder(string folder)
    {
        while (true)
        {
            var handle = Open(folder, ReadOnly);
            if (!handle.IsInvalid)
            {
                return handle;
            }

            handle.Dispose();
            ThrowUnlessInterrupted("The folder could not be opened");
        }
    }

    private static void ThrowUnlessInterrupted(string what)
    {
        var error = Marshal.GetLastPInvokeError();
        if (error != Interrupted)
        {
            throw new IOException($"{what}: {Marshal.GetPInvokeErrorMessage(error)}", error);
        }
    }

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int Fdatasync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle Open(string path, int flags);
}
