using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace Millrace.Storage.FileLog.Disk;

/// <summary>The system calls that the framework has no method for.</summary>
internal static partial class NativeCalls
{
    private const int ReadOnly = 0;
    private const int Interrupted = 4;
    private const int NoEntry = 2;
    private const int NoFolder = 20;
    private const int FromWorkingFolder = -100;

    // struct statx of Linux, which is the same on every processor.
    private const uint WantsNumberAndBirth = 0x100 | 0x800;
    private const int StatBytes = 256;
    private const int NumberAt = 32;
    private const int BornSecondsAt = 80;
    private const int BornNanosecondsAt = 88;
    private const int DeviceAt = 136;
    private const long NanosecondsPerSecond = 1_000_000_000;

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

    /// <summary>Which file has a name; null when none has. Where the system cannot say, all files are alike.</summary>
    [SupportedOSPlatform("linux")]
    public static FileIdentity? IdentityOf(string path)
    {
        Span<byte> found = stackalloc byte[StatBytes];
        try
        {
            if (Statx(FromWorkingFolder, path, 0, WantsNumberAndBirth, ref MemoryMarshal.GetReference(found)) != 0)
            {
                return Marshal.GetLastPInvokeError() is NoEntry or NoFolder || !File.Exists(path) ? null : default(FileIdentity);
            }
        }
        catch (EntryPointNotFoundException)
        {
            return File.Exists(path) ? default(FileIdentity) : null;
        }

        var born = (MemoryMarshal.Read<long>(found[BornSecondsAt..]) * NanosecondsPerSecond) + MemoryMarshal.Read<uint>(found[BornNanosecondsAt..]);
        return new FileIdentity(MemoryMarshal.Read<ulong>(found[DeviceAt..]), MemoryMarshal.Read<ulong>(found[NumberAt..]), born);
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

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, ref byte into);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle Open(string path, int flags);
}
