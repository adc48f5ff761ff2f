namespace Millrace.Storage.FileLog.Disk;

/// <summary>What the errors of files mean.</summary>
internal static class FileFaults
{
    private const int NoSpace = 28;
    private const int NoQuotaLinux = 122;
    private const int NoQuotaMac = 69;
    private const int ReadOnly = 30;
    private const int HeldLinux = 11;
    private const int HeldMac = 35;
    private const int WindowsReadOnly = unchecked((int)0x80070013);
    private const int WindowsSharing = unchecked((int)0x80070020);
    private const int WindowsLocked = unchecked((int)0x80070021);
    private const int WindowsDiskFull = unchecked((int)0x80070070);
    private const int WindowsHandleDiskFull = unchecked((int)0x80070027);

    /// <summary>Whether a fault is one of files at all.</summary>
    public static bool IsFileFault(Exception fault) => fault is IOException or UnauthorizedAccessException;

    /// <summary>Whether a fault says that there is no space left, or none for this user.</summary>
    public static bool IsDiskFull(Exception fault) =>
        fault is IOException && fault.HResult is NoSpace or NoQuotaLinux or NoQuotaMac or WindowsDiskFull or WindowsHandleDiskFull;

    /// <summary>Whether a fault says that somebody else holds the file.</summary>
    public static bool IsHeld(Exception fault) =>
        fault is IOException && (fault.HResult is WindowsSharing or WindowsLocked || fault.HResult == (OperatingSystem.IsLinux() ? HeldLinux : HeldMac));

    /// <summary>A full disk, where the file system does not say so with a number of its own.</summary>
    public static IOException DiskFull(string path) => new($"There is not enough space on the disk of '{path}'.", NoSpace);

    /// <summary>The fault in the words of Millrace. Names files, not folders of the machine.</summary>
    public static BackendUnavailableException Describe(string what, Exception fault, bool mayHaveBeenApplied = false) =>
        new($"{what}: {(IsDiskFull(fault) ? "the disk is full" : Reason(fault))}.", mayHaveBeenApplied, fault);

    private static string Reason(Exception fault) => fault switch
    {
        FileDisplacedException => fault.Message,
        FileNotFoundException or DirectoryNotFoundException => "a file or the folder is gone",
        UnauthorizedAccessException => "access is denied, or the file system is read-only",
        IOException when fault.HResult is ReadOnly or WindowsReadOnly => "the file system is read-only",
        _ => $"the disk failed ({fault.GetType().Name}, code {fault.HResult & 0xFFFF})",
    };
}
