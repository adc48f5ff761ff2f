using Millrace.Storage.FileLog.Disk;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>
/// A disk in memory that keeps what <see cref="IFileSystem"/> promises and no more: at <see cref="Crash"/> it forgets, tears and reorders what was not flushed, 512 bytes at a time. It can be
/// told to fail, to write short, and to be full. Safe for concurrent use.
/// </summary>
internal sealed class SimulatedFileSystem(Random? random = null) : IFileSystem
{
    internal const int SectorBytes = 512;

    private readonly Lock _gate = new();
    private readonly Random _random = random ?? new Random(1);
    private readonly Dictionary<string, SimulatedFile> _names = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SimulatedFile> _durableNames = new(StringComparer.Ordinal);
    private readonly List<(string Folder, Action<Dictionary<string, SimulatedFile>> Change)> _pendingNames = [];
    private readonly HashSet<string> _folders = new(StringComparer.Ordinal);
    private readonly HashSet<string> _locks = new(StringComparer.Ordinal);
    private long _used;

    /// <summary>How many bytes all files may have together.</summary>
    public long Capacity { get; set; } = long.MaxValue;

    /// <summary>How many bytes they have now.</summary>
    public long Used
    {
        get
        {
            lock (_gate)
            {
                return _used;
            }
        }
    }

    /// <summary>Whether a write takes only a part of what it is given.</summary>
    public bool WritesShort { get; set; }

    /// <summary>Called before each operation with its name and its file; may throw.</summary>
    public Action<string, string>? Before { get; set; }

    /// <summary>How many operations there have been, by name.</summary>
    public Dictionary<string, int> Counts { get; } = new(StringComparer.Ordinal);

    /// <summary>The power fails: open files are of no use any more, and of what was not flushed any part is lost.</summary>
    public void Crash()
    {
        lock (_gate)
        {
            var kept = _random.Next(_pendingNames.Count + 1);
            foreach (var (_, change) in _pendingNames.Take(kept))
            {
                change(_durableNames);
            }

            _pendingNames.Clear();
            _locks.Clear();
            _names.Clear();
            foreach (var (name, file) in _durableNames.ToArray())
            {
                var survivor = file.Survive(_random);
                _durableNames[name] = survivor;
                _names.Add(name, survivor);
            }

            _used = _names.Values.Sum(file => file.Length);
        }
    }

    /// <summary>The content of a file, for tests that damage it.</summary>
    public byte[] Content(string path)
    {
        lock (_gate)
        {
            return _names[path].Current;
        }
    }

    public IStorageFile Open(string path, bool readOnly) => Do("open", path, () => new Handle(this, path, Find(path)));

    public IStorageFile Create(string path, long bytes) => Do("create", path, () =>
    {
        if (_names.ContainsKey(path))
        {
            throw new IOException($"'{path}' exists.");
        }

        if (_used + bytes > Capacity)
        {
            throw FileFaults.DiskFull(path);
        }

        _used += bytes;
        var file = new SimulatedFile();
        file.SetLength(bytes);
        Rename(path, names => names[path] = file);
        return new Handle(this, path, file);
    });

    public IReadOnlyList<FileEntry> ListFiles(string folder) => Do("list", folder, () =>
        _names.Where(pair => Path.GetDirectoryName(pair.Key) == folder).Select(pair => new FileEntry(Path.GetFileName(pair.Key), pair.Value.Length)).ToArray());

    public IReadOnlyList<string> ListFolders(string folder) => Do("list", folder, () =>
        _folders.Where(path => Path.GetDirectoryName(path) == folder).Select(path => Path.GetFileName(path)!).ToArray());

    public bool FileExists(string path) => Do("exists", path, () => _names.ContainsKey(path));

    public FileIdentity? IdentityOf(string path) => Do("identity", path, FileIdentity? () =>
        _names.TryGetValue(path, out var file) ? new FileIdentity(0, (ulong)file.Number, 0) : _locks.Contains(path) ? default(FileIdentity) : null);

    public bool FolderExists(string folder) => Do("exists", folder, () => _folders.Contains(folder));

    public void CreateFolder(string folder) => Do("createFolder", folder, () =>
    {
        for (var path = folder; path is not null; path = Path.GetDirectoryName(path))
        {
            _folders.Add(path);
        }

        return true;
    });

    public void DeleteFolder(string folder) => Do("deleteFolder", folder, () =>
    {
        foreach (var path in _names.Keys.Where(path => IsIn(path, folder)).ToArray())
        {
            _used -= _names[path].Length;
            Rename(folder, names => names.Remove(path));
        }

        _folders.RemoveWhere(path => path == folder || IsIn(path, folder));
        _locks.RemoveWhere(path => IsIn(path, folder));
        return true;
    });

    public void RenameFolder(string from, string to) => Do("renameFolder", from, () =>
    {
        foreach (var path in _names.Keys.Where(path => IsIn(path, from)).ToArray())
        {
            Move(from, path, to + path[from.Length..]);
        }

        foreach (var path in _folders.Where(path => path == from || IsIn(path, from)).ToArray())
        {
            _folders.Remove(path);
            _folders.Add(to + path[from.Length..]);
        }

        return true;
    });

    public void Rename(string from, string to) => Do("rename", from, () =>
    {
        Find(from);
        _used -= from != to && _names.TryGetValue(to, out var replaced) ? replaced.Length : 0;
        Move(from, from, to);
        return true;
    });

    public void Delete(string path) => Do("delete", path, () =>
    {
        if (_names.TryGetValue(path, out var file))
        {
            _used -= file.Length;
            Rename(path, names => names.Remove(path));
        }

        return true;
    });

    public void FlushFolder(string folder) => Do("flushFolder", folder, () =>
    {
        foreach (var (_, change) in _pendingNames.Where(pending => pending.Folder == folder))
        {
            change(_durableNames);
        }

        _pendingNames.RemoveAll(pending => pending.Folder == folder);
        return true;
    });

    public IDisposable? TryLock(string path) => Do("lock", path, () => _locks.Add(path) ? new HeldLock(() => _locks.Remove(path)) : null);

    private static bool IsIn(string path, string folder) => path.StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    private SimulatedFile Find(string path) => _names.TryGetValue(path, out var file) ? file : throw new FileNotFoundException($"There is no '{path}'.");

    private void Move(string renamed, string from, string to) => Rename(renamed, names =>
    {
        if (names.Remove(from, out var file))
        {
            names[to] = file;
        }
    });

    private void Rename(string path, Action<Dictionary<string, SimulatedFile>> change)
    {
        change(_names);
        _pendingNames.Add((Path.GetDirectoryName(path)!, change));
    }

    private T Do<T>(string operation, string path, Func<T> action)
    {
        Before?.Invoke(operation, path);
        lock (_gate)
        {
            Counts[operation] = Counts.GetValueOrDefault(operation) + 1;
            return action();
        }
    }

    private sealed class HeldLock(Action release) : IDisposable
    {
        public void Dispose() => release();
    }

    /// <summary>An open file. Like a real one, it throws when it is used after it was closed.</summary>
    private sealed class Handle(SimulatedFileSystem disk, string path, SimulatedFile file) : IStorageFile
    {
        private volatile bool _isClosed;

        public long Length => Do("length", () => file.Length);

        public int Write(ReadOnlySpan<byte> bytes, long position)
        {
            var count = disk.WritesShort && bytes.Length > 1 ? disk.NextShort(bytes.Length) : bytes.Length;
            var copy = bytes[..count].ToArray();
            return Do("write", () =>
            {
                file.Write(copy, position);
                return count;
            });
        }

        public int Read(Span<byte> into, long position)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            disk.Before?.Invoke("read", path);
            lock (disk._gate)
            {
                return file.Read(into, position);
            }
        }

        public void Flush() => Do("flush", () =>
        {
            file.Flush();
            return true;
        });

        public void SetLength(long bytes) => Do("setLength", () =>
        {
            disk._used += bytes - file.Length;
            file.SetLength(bytes);
            return true;
        });

        public void Dispose() => _isClosed = true;

        private T Do<T>(string operation, Func<T> act)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            return disk.Do(operation, path, act);
        }
    }

    private int NextShort(int length)
    {
        lock (_gate)
        {
            return _random.Next(1, length);
        }
    }
}
