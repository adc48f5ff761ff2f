using Microsoft.Win32.SafeHandles;

namespace Millrace.Storage.FileLog.Disk;

/// <summary>The files of this machine.</summary>
internal sealed class NativeFileSystem : IFileSystem
{
    // What the framework gives an error that it has no number for: of those that opening a file has, only that there is no space to reserve for it.
    private const int Unnumbered = unchecked((int)0x80131620);

    private NativeFileSystem()
    {
    }

    /// <summary>The one.</summary>
    public static NativeFileSystem Instance { get; } = new();

    public IStorageFile Open(string path, bool readOnly) => new NativeFile(File.OpenHandle(
        path,
        FileMode.Open,
        readOnly ? FileAccess.Read : FileAccess.ReadWrite,
        FileShare.ReadWrite | FileShare.Delete));

    public IStorageFile Create(string path, long bytes)
    {
        var handle = OpenNew(path, bytes);
        try
        {
            // Where the framework reserves space it leaves the length alone; the length is set so that no later flush has one to write.
            RandomAccess.SetLength(handle, bytes);
            return new NativeFile(handle);
        }
        catch
        {
            handle.Dispose();
            File.Delete(path);
            throw;
        }
    }

    public IReadOnlyList<FileEntry> ListFiles(string folder)
    {
        var directory = new DirectoryInfo(folder);
        return directory.Exists ? [.. directory.EnumerateFiles().Select(file => new FileEntry(file.Name, file.Length))] : [];
    }

    public IReadOnlyList<string> ListFolders(string folder)
    {
        var directory = new DirectoryInfo(folder);
        return directory.Exists ? [.. directory.EnumerateDirectories().Select(child => child.Name)] : [];
    }

    public bool FileExists(string path) => File.Exists(path);

    public FileIdentity? IdentityOf(string path)
    {
        if (OperatingSystem.IsLinux())
        {
            return NativeCalls.IdentityOf(path);
        }

        var file = new FileInfo(path);
        return file.Exists ? new FileIdentity(0, 0, file.CreationTimeUtc.Ticks) : null;
    }

    public bool FolderExists(string folder) => Directory.Exists(folder);

    public void CreateFolder(string folder) => Directory.CreateDirectory(folder);

    public void DeleteFolder(string folder) => Directory.Delete(folder, recursive: true);

    public void RenameFolder(string from, string to) => Directory.Move(from, to);

    public void Rename(string from, string to) => File.Move(from, to, overwrite: true);

    public void Delete(string path) => File.Delete(path);

    public void FlushFolder(string folder)
    {
        // Windows writes names through by itself, and has no handle of a folder to flush.
        if (!OperatingSystem.IsWindows())
        {
            NativeCalls.FlushFolder(folder);
        }
    }

    public IDisposable? TryLock(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException fault) when (FileFaults.IsHeld(fault))
        {
            return null;
        }
    }

    private static SafeFileHandle OpenNew(string path, long bytes)
    {
        try
        {
            return File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, FileOptions.None, bytes);
        }
        catch (IOException fault) when (fault.HResult == Unnumbered && fault.GetType() == typeof(IOException))
        {
            throw FileFaults.DiskFull(path);
        }
    }

    private sealed class NativeFile(SafeFileHandle handle) : IStorageFile
    {
        public long Length => RandomAccess.GetLength(handle);

        public int Write(ReadOnlySpan<byte> bytes, long position)
        {
            RandomAccess.Write(handle, bytes, position);
            return bytes.Length;
        }

        public int Read(Span<byte> into, long position) => RandomAccess.Read(handle, into, position);

        public void Flush()
        {
            // The framework flushes the times of the file as well, which costs a second write to the journal of the file system.
            if (OperatingSystem.IsLinux())
            {
                NativeCalls.FlushData(handle);
            }
            else
            {
                RandomAccess.FlushToDisk(handle);
            }
        }

        public void SetLength(long bytes) => RandomAccess.SetLength(handle, bytes);

        public void Dispose() => handle.Dispose();
    }
}
