using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Millrace.Server.Security.Users;

/// <summary>
/// Gives a file to the owner of another one, which the framework cannot: so that a file which is replaced by an administrator stays with the server that reads it. On Linux
/// only; elsewhere, and where it is not permitted, the file stays with whoever wrote it.
/// </summary>
internal static partial class FileOwner
{
    // The layout of struct statx is the kernel's, the same on every processor: mask, block size, attributes, links, then the two that are wanted.
    private const int StatxBytes = 256;
    private const int OwnerOffset = 20;
    private const int GroupOffset = 24;
    private const uint StatxOwner = 0x8;
    private const uint StatxGroup = 0x10;
    private const int CurrentDirectory = -100;

    /// <summary>Gives an open file to the owner and group of <paramref name="like"/>.</summary>
    /// <returns>Whether it is theirs now.</returns>
    public static bool TryGive(SafeFileHandle file, string like)
    {
        if (!OperatingSystem.IsLinux())
        {
            return false;
        }

        try
        {
            var status = new byte[StatxBytes];
            return Statx(CurrentDirectory, like, 0, StatxOwner | StatxGroup, status) == 0
                && ChangeOwner(file, Read(status, OwnerOffset), Read(status, GroupOffset)) == 0;
        }
        catch (Exception exception) when (exception is EntryPointNotFoundException or DllNotFoundException)
        {
            // A system library that is older than the call.
            return false;
        }
    }

    private static uint Read(byte[] status, int offset) => MemoryMarshal.Read<uint>(status.AsSpan(offset));

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int directory, string path, int flags, uint mask, byte[] status);

    // The open file, not its name: in a folder of somebody else, the name could be another file's by now.
    [LibraryImport("libc", EntryPoint = "fchown")]
    private static partial int ChangeOwner(SafeFileHandle file, uint owner, uint group);
}
