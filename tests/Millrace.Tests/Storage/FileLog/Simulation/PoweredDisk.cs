using Millrace.Storage.FileLog.Disk;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>
/// A <see cref="SimulatedFileSystem"/> as one run of a process sees it: until the power is cut, be it by a test or at the n-th change, and from then on not at all. So what the old run
/// still tries cannot reach what the next one finds. It can also fail single changes. Safe for concurrent use.
/// </summary>
internal sealed class PoweredDisk(SimulatedFileSystem disk) : IFileSystem
{
    private int _changesLeft = int.MaxValue;
    private int _failAfter = int.MaxValue;
    private volatile bool _isOff;

    public bool IsOff => _isOff;

    /// <summary>Whether a change has been made to fail.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>The power is cut at the n-th change from now; whether that one reaches the disk is decided as its number is odd.</summary>
    public void CutAfter(int changes) => Volatile.Write(ref _changesLeft, changes);

    /// <summary>The n-th change from now fails, and those after it do not.</summary>
    public void FailAfter(int changes) => Volatile.Write(ref _failAfter, changes);

    /// <summary>Cuts the power now.</summary>
    public void Cut() => _isOff = true;

    public IStorageFile Open(string path, bool readOnly) => new Handle(this, Look(() => disk.Open(path, readOnly)));

    public IStorageFile Create(string path, long bytes) => new Handle(this, Change(() => disk.Create(path, bytes)));

    public IReadOnlyList<FileEntry> ListFiles(string folder) => Look(() => disk.ListFiles(folder));

    public IReadOnlyList<string> ListFolders(string folder) => Look(() => disk.ListFolders(folder));

    public bool FileExists(string path) => Look(() => disk.FileExists(path));

    public FileIdentity? IdentityOf(string path) => Look(() => disk.IdentityOf(path));

    public bool FolderExists(string folder) => Look(() => disk.FolderExists(folder));

    public void CreateFolder(string folder) => Do(() => disk.CreateFolder(folder));

    public void DeleteFolder(string folder) => Do(() => disk.DeleteFolder(folder));

    public void RenameFolder(string from, string to) => Do(() => disk.RenameFolder(from, to));

    public void Rename(string from, string to) => Do(() => disk.Rename(from, to));

    public void Delete(string path) => Do(() => disk.Delete(path));

    public void FlushFolder(string folder) => Do(() => disk.FlushFolder(folder));

    public IDisposable? TryLock(string path) => Look(() => disk.TryLock(path));

    private T Look<T>(Func<T> look) => _isOff ? throw PowerIsOff() : look();

    private void Do(Action change) => Change(() =>
    {
        change();
        return true;
    });

    private T Change<T>(Func<T> change)
    {
        if (_isOff)
        {
            throw PowerIsOff();
        }

        var left = Interlocked.Decrement(ref _changesLeft);
        if (left <= 0)
        {
            _isOff = true;
            if ((left & 1) == 0)
            {
                change();
            }

            throw PowerIsOff();
        }

        if (Interlocked.Decrement(ref _failAfter) == 0)
        {
            HasFailed = true;
            throw new IOException("The disk failed, as the test wanted.");
        }

        return change();
    }

    private static IOException PowerIsOff() => new("The power is off.");

    private sealed class Handle(PoweredDisk power, IStorageFile file) : IStorageFile
    {
        public long Length => power.Look(() => file.Length);

        public int Write(ReadOnlySpan<byte> bytes, long position)
        {
            var copy = bytes.ToArray();
            return power.Change(() => file.Write(copy, position));
        }

        public int Read(Span<byte> into, long position) => power._isOff ? throw PowerIsOff() : file.Read(into, position);

        public void Flush() => power.Do(file.Flush);

        public void SetLength(long bytes) => power.Do(() => file.SetLength(bytes));

        public void Dispose() => file.Dispose();
    }
}
