using System.Globalization;
using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog;

/// <summary>
/// Finds what is valid in the folder of a log. The last two segments are checked frame by frame; those before were flushed before the last one was begun, and are checked when they are read.
/// What cannot be read is put aside, not destroyed, unless it is the rest of one frame that a crash has cut off.
/// </summary>
internal sealed class LogRecovery
{
    private const int CheckedSegments = 2;
    private const string DamagedExtension = ".damaged";

    private readonly IFileSystem _files;
    private readonly string _folder;
    private readonly ILogger _log;
    private readonly List<LogSegment> _segments = [];
    private readonly long _trustedTo;
    private LogDamage? _damage;

    private LogRecovery(IFileSystem files, string folder, long trustedTo, ILogger log) => (_files, _folder, _trustedTo, _log) = (files, folder, trustedTo, log);

    public static RecoveredLog Run(IFileSystem files, string folder, long trustedTo, ILogger log) => new LogRecovery(files, folder, trustedTo, log).Run();

    /// <summary>Whether something was put aside that stood at a position or behind it: that is why the log ends there.</summary>
    public static bool HasPutAside(IFileSystem files, string folder, long position) => files.ListFiles(folder).Any(file => PositionOfDamage(file.Name) >= position);

    private static long PositionOfDamage(string fileName)
    {
        var offset = 0L;
        var name = fileName.EndsWith(DamagedExtension, StringComparison.Ordinal) ? fileName[..^DamagedExtension.Length] : "";
        var ofSegment = Path.GetFileNameWithoutExtension(name);
        return LogFormat.TryParseName(name, out var start)
            || (LogFormat.TryParseName(ofSegment, out start) && long.TryParse(Path.GetExtension(name).AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out offset))
                ? start + offset
                : -1;
    }

    private RecoveredLog Run()
    {
        var found = FindFiles();
        LogSegment? active = null;
        for (var i = 0; i < found.Count && _damage is null; i++)
        {
            var limit = i + 1 < found.Count ? found[i + 1].Start - found[i].Start : found[i].Length;
            if (i >= found.Count - CheckedSegments)
            {
                active = Check(found[i].Start, found[i].Length, limit, isLast: i + 1 == found.Count);
                if (_damage is not null)
                {
                    PutAside(found.Skip(i + 1));
                }
            }
            else if (limit > found[i].Length)
            {
                throw new StorageCorruptException(
                    $"The log '{Path.GetFileName(_folder)}' lacks what stood between its files '{LogFormat.NameOf(found[i].Start)}' and '{LogFormat.NameOf(found[i + 1].Start)}'. "
                    + "Restore what is missing, or move the files from the second one on away, which loses what is in them. Nothing was changed.");
            }
            else
            {
                _segments.Add(Segment(found[i].Start, limit, found[i].Length, file: null));
            }
        }

        // A name that was given last may not have survived the crash that this may be the recovery from; nor may what a process that was killed has written.
        foreach (var segment in _segments.Skip(_segments.Count - CheckedSegments))
        {
            segment.File.Flush();
        }

        _files.FlushFolder(_folder);
        var end = _segments.Count > 0 ? _segments[^1].EndPosition : found.Count > 0 ? found[0].Start : 0;
        return new RecoveredLog(_segments, active, end, _damage);
    }

    private List<(long Start, long Length)> FindFiles()
    {
        var found = new List<(long Start, long Length)>();
        foreach (var file in _files.ListFiles(_folder))
        {
            if (LogFormat.TryParseName(file.Name, out var start))
            {
                found.Add((start, file.Length));
            }
            else if (file.Name.EndsWith(FileLog.SpareExtension, StringComparison.Ordinal))
            {
                _files.Delete(Path.Combine(_folder, file.Name));
            }
        }

        found.Sort();
        return found;
    }

    /// <summary>Checks a segment, and keeps its valid prefix.</summary>
    /// <returns>The segment if more can be appended to it.</returns>
    private LogSegment? Check(long start, long length, long limit, bool isLast)
    {
        var file = _files.Open(PathOf(start), readOnly: false);
        try
        {
            var name = LogFormat.NameOf(start);
            Span<byte> header = stackalloc byte[LogFormat.HeaderBytes];
            var reason = LogFormat.CheckHeader(header[..DurableFile.ReadUpTo(file, header, 0)], start, name);
            if (reason is not null)
            {
                if (!isLast || EndOfWritten(file, 0, length) > 0)
                {
                    Report(new LogDamage(name, 0, start, reason, IsTorn: false));
                    PutAside([(start, length)]);
                    return null;
                }

                // It got its name, and nothing yet. It is kept, because it may be all that knows how far positions had come.
                LogFormat.WriteHeader(header, start);
                DurableFile.WriteAll(file, name, header, 0);
                length = Math.Max(length, header.Length);
            }

            using var reader = new FrameReader();
            reader.Open(file, start, FirstChecked(start, length, limit, isLast), Math.Min(limit, length));
            FrameStatus status;
            while ((status = reader.Next()) == FrameStatus.Frame)
            {
            }

            var end = reader.Offset;
            var written = EndOfWritten(file, end, length);
            var isWhole = status == FrameStatus.End && (isLast ? written <= end : end == limit);
            var isCut = !isWhole && TryCut(file, start, end, written, reader.Reason ?? "a frame is missing", isLast);
            var segment = Segment(start, end, isCut ? end : length, file);
            segment.Identity = _files.IdentityOf(segment.Path);
            _segments.Add(segment);
            file = null;
            return isLast && isWhole ? segment : null;
        }
        finally
        {
            file?.Dispose();
        }
    }

    /// <summary>The offset in a segment of the first frame that a crash may have torn.</summary>
    private long FirstChecked(long start, long length, long limit, bool isLast)
    {
        var trusted = Math.Max(LogFormat.HeaderBytes, _trustedTo - start);
        return trusted <= Math.Min(limit, length) ? trusted
            : !isLast && limit <= length ? limit
            : LogFormat.HeaderBytes;
    }

    /// <summary>Takes off what stands behind the valid prefix of a segment; what may be more than a torn append is put aside first.</summary>
    /// <returns>False when the disk is too full for that: then it stays, behind the end of the segment, where nobody reads it.</returns>
    private bool TryCut(IStorageFile file, long start, long end, long written, string reason, bool isLast)
    {
        var isTorn = isLast && start + end >= _trustedTo && TornAppend.IsAt(file, start, end, written);
        var isPutAside = isTorn || written <= end || TryCopy(file, end, written, PathOf(start) + "." + end.ToString(CultureInfo.InvariantCulture) + DamagedExtension);
        Report(new LogDamage(LogFormat.NameOf(start), end, start + end, reason, isTorn));
        if (isPutAside)
        {
            file.SetLength(end);
            file.Flush();
        }

        return isPutAside;
    }

    private void Report(LogDamage damage)
    {
        _damage = damage;
        if (damage.IsTorn)
        {
            _log.TornAppendCut(Path.GetFileName(_folder), damage.File, damage.Offset);
        }
        else
        {
            _log.LogDamaged(Path.GetFileName(_folder), damage.File, damage.Offset, damage.Reason);
        }
    }

    private void PutAside(IEnumerable<(long Start, long Length)> files)
    {
        foreach (var (start, _) in files)
        {
            _files.Rename(PathOf(start), PathOf(start) + DamagedExtension);
        }
    }

    /// <summary>Behind the last byte from an offset on that is not zero; the offset if all are.</summary>
    private static long EndOfWritten(IStorageFile file, long offset, long length)
    {
        var end = offset;
        var buffer = new byte[64 * 1024];
        while (offset < length)
        {
            var read = file.Read(buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - offset)), offset);
            if (read <= 0)
            {
                break;
            }

            var last = buffer.AsSpan(0, read).LastIndexOfAnyExcept((byte)0);
            end = last < 0 ? end : offset + last + 1;
            offset += read;
        }

        return end;
    }

    private bool TryCopy(IStorageFile from, long offset, long end, string path)
    {
        try
        {
            Copy(from, offset, end, path);
            return true;
        }
        catch (IOException full) when (FileFaults.IsDiskFull(full))
        {
            _files.Delete(path);
            return false;
        }
    }

    private void Copy(IStorageFile from, long offset, long end, string path)
    {
        _files.Delete(path);
        using var copy = _files.Create(path, end - offset);
        var buffer = new byte[64 * 1024];
        var at = offset;
        while (at < end)
        {
            var read = from.Read(buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - at)), at);
            if (read <= 0)
            {
                break;
            }

            DurableFile.WriteAll(copy, path, buffer.AsSpan(0, read), at - offset);
            at += read;
        }

        copy.Flush();
    }

    private LogSegment Segment(long start, long end, long bytes, IStorageFile? file) =>
        new(_files, PathOf(start), start, start + end, bytes, file) { IsInPlace = true };

    private string PathOf(long start) => Path.Combine(_folder, LogFormat.NameOf(start));
}
