using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog;

/// <summary>One file of a log. Its positions may be read by anybody; who may change what says each member.</summary>
internal sealed class LogSegment
{
    private readonly IFileSystem _files;
    private readonly Lock _opening = new();
    private IStorageFile? _file;
    private long _end;
    private long _bytes;
    private long _liveBytes;
    private int _references = 1;

    public LogSegment(IFileSystem files, string path, long start, long end, long bytes, IStorageFile? file)
    {
        (_files, Path, StartPosition, _end, _bytes, _file) = (files, path, start, end, bytes, file);
        ZeroedTo = end - start;
    }

    /// <summary>The position of the first byte of the file, which is that of its header.</summary>
    public long StartPosition { get; }

    /// <summary>The position after its last frame. Grows under the log's gate.</summary>
    public long EndPosition
    {
        get => Volatile.Read(ref _end);
        set => Volatile.Write(ref _end, value);
    }

    /// <summary>The length of the file.</summary>
    public long Bytes
    {
        get => Volatile.Read(ref _bytes);
        set => Volatile.Write(ref _bytes, value);
    }

    /// <summary>How many bytes of it whoever writes the log still needs, where that keeps count.</summary>
    public long LiveBytes => Volatile.Read(ref _liveBytes);

    /// <summary>Where the file is. Changed by the writer before anything of the segment is written.</summary>
    public string Path { get; set; }

    public string FileName => System.IO.Path.GetFileName(Path);

    /// <summary>Up to where the file is known to be written, or zero. The writer's.</summary>
    public long ZeroedTo { get; set; }

    /// <summary>Whether the file has its name in the log. The writer's.</summary>
    public bool IsInPlace { get; set; }

    /// <summary>Which file it is; null when it was never looked at. The writer's.</summary>
    public FileIdentity? Identity { get; set; }

    /// <summary>Whether something was written that no flush has begun after. The writer's.</summary>
    public bool IsDirty { get; set; }

    /// <summary>The file, opened if need be. Only while a reference is held.</summary>
    public IStorageFile File
    {
        get
        {
            if (Volatile.Read(ref _file) is { } open)
            {
                return open;
            }

            lock (_opening)
            {
                return _file ??= _files.Open(Path, readOnly: true);
            }
        }
    }

    /// <summary>Counts bytes that are needed, or no longer.</summary>
    public void AddLiveBytes(long bytes) => Interlocked.Add(ref _liveBytes, bytes);

    /// <summary>Keeps the file open, also if it is deleted meanwhile, until <see cref="Release"/>.</summary>
    /// <returns>False when it was given up.</returns>
    public bool TryAcquire()
    {
        var references = Volatile.Read(ref _references);
        while (references > 0)
        {
            var seen = Interlocked.CompareExchange(ref _references, references + 1, references);
            if (seen == references)
            {
                return true;
            }

            references = seen;
        }

        return false;
    }

    /// <summary>Gives a reference up; the last one closes the file.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _references) == 0)
        {
            _file?.Dispose();
        }
    }
}
