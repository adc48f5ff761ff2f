namespace Millrace.Storage.FileLog.Disk;

/// <summary>
/// Every operation on files that the file backend makes, so that tests can put a disk of their own under it: one that writes short, fails to flush, is full, or forgets at a crash
/// what was not flushed. Paths are absolute. Faults are <see cref="IOException"/> and <see cref="UnauthorizedAccessException"/>. Safe for concurrent use.
/// </summary>
/// <remarks>
/// What survives a power cut: of a file, the bytes that were written and its length when <see cref="IStorageFile.Flush"/> last returned; of later writes any part, in any order, in pieces of
/// 512 bytes. Of names (created, renamed, deleted), those that stood when <see cref="FlushFolder"/> last returned, and any of the later changes in their order.
/// </remarks>
internal interface IFileSystem
{
    /// <summary>Opens a file that exists, for reading, and for writing unless <paramref name="readOnly"/>.</summary>
    IStorageFile Open(string path, bool readOnly);

    /// <summary>Creates a file that did not exist, with <paramref name="bytes"/> of space that no later write into it will lack; they read as zeros.</summary>
    /// <exception cref="IOException">There is not so much space, see <see cref="FileFaults.IsDiskFull"/>; no file is left.</exception>
    IStorageFile Create(string path, long bytes);

    /// <summary>The files of a folder with their lengths, in no order; none if there is no such folder.</summary>
    IReadOnlyList<FileEntry> ListFiles(string folder);

    /// <summary>The names of the folders in a folder, in no order; none if there is no such folder.</summary>
    IReadOnlyList<string> ListFolders(string folder);

    /// <summary>Whether there is such a file.</summary>
    bool FileExists(string path);

    /// <summary>Which file it is that has a name now; null when there is none.</summary>
    FileIdentity? IdentityOf(string path);

    /// <summary>Whether there is such a folder.</summary>
    bool FolderExists(string folder);

    /// <summary>Creates a folder and those above it; does nothing where they exist.</summary>
    void CreateFolder(string folder);

    /// <summary>Deletes a folder with everything in it.</summary>
    void DeleteFolder(string folder);

    /// <summary>Gives a folder another name that nothing has.</summary>
    void RenameFolder(string from, string to);

    /// <summary>Gives a file another name, replacing a file that has it. Open files stay open.</summary>
    void Rename(string from, string to);

    /// <summary>Deletes a file; does nothing if there is none. Whoever has it open can read on.</summary>
    void Delete(string path);

    /// <summary>Makes the names of a folder durable.</summary>
    void FlushFolder(string folder);

    /// <summary>Takes the lock that a file stands for, creating it; it ends with the process at the latest.</summary>
    /// <returns>Null when somebody else has it, in this process or another.</returns>
    IDisposable? TryLock(string path);
}

/// <summary>An open file. Safe for concurrent use, but that a range being written must not be read or written by others.</summary>
internal interface IStorageFile : IDisposable
{
    /// <summary>Its length.</summary>
    long Length { get; }

    /// <summary>Writes at a position.</summary>
    /// <returns>How many bytes were written, which may be fewer than were given.</returns>
    int Write(ReadOnlySpan<byte> bytes, long position);

    /// <summary>Reads at a position.</summary>
    /// <returns>How many bytes were read, which may be fewer than were asked for; 0 at the end.</returns>
    int Read(Span<byte> into, long position);

    /// <summary>Makes what was written, and the length, durable.</summary>
    void Flush();

    /// <summary>Cuts the file off, or extends it with zeros.</summary>
    void SetLength(long bytes);
}

/// <summary>A file of a folder.</summary>
/// <param name="Name">Its name without the folder.</param>
/// <param name="Length">Its length in bytes.</param>
internal readonly record struct FileEntry(string Name, long Length);
