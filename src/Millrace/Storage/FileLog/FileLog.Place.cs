using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog;

/// <content>Whether the files of the log are still where they were: somebody may remove, move or replace them while they are in use.</content>
internal sealed partial class FileLog
{
    // Names in the folder may be those of files of others by now, so nothing is renamed, replaced or deleted any more.
    private bool _isDisplaced;

    /// <summary>Ends the log for all but readers where its last file is no longer the one that was opened. Cheap.</summary>
    /// <exception cref="BackendUnavailableException">It has ended, now or before.</exception>
    public void RequirePlace()
    {
        ThrowIfFailed();
        if (FindDisplaced() is { } name)
        {
            throw Fail("Nothing more is stored", new FileDisplacedException(name));
        }
    }

    /// <summary>The name of the last file that holds something, where that is no longer the one that was opened; null where it is, and where that cannot be found out. Also of a log that has ended.</summary>
    public string? FindDisplaced()
    {
        // What was never acknowledged has been taken back, and is not missed.
        var kept = _options.Durability == StoreDurability.Full ? Volatile.Read(ref _durable) : Volatile.Read(ref _written);
        var segments = Volatile.Read(ref _segments);
        for (var i = segments.Length - 1; i >= 0; i--)
        {
            if (segments[i].IsInPlace && segments[i].StartPosition < kept)
            {
                return IsDisplaced(segments[i]) ? segments[i].FileName : null;
            }
        }

        return null;
    }

    /// <summary>Ends the log for all but readers, because its folder belongs to somebody else.</summary>
    public void GiveUp(BackendUnavailableException reason)
    {
        if (!HasFailed)
        {
            Fail(new BackendUnavailableException(reason.Message, mayHaveBeenApplied: true, reason), reason, isGivenUp: true);
        }
    }

    /// <summary>A file whose folder somebody has removed takes writes and flushes as before, and is gone with the process: its callers must not believe it.</summary>
    private void RequirePresent(LogSegment segment)
    {
        if (_files.IdentityOf(segment.Path) is not { } found || (segment.Identity is { } own && own != found))
        {
            throw new FileDisplacedException(segment.FileName);
        }
    }

    private void RequireOwned()
    {
        if (_options.FindLoss?.Invoke() is not null)
        {
            throw new FileDisplacedException(OwnerLock.LockName);
        }
    }

    private bool IsDisplaced(LogSegment segment)
    {
        try
        {
            RequirePresent(segment);
            return false;
        }
        catch (FileDisplacedException)
        {
            return true;
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            return false;
        }
    }
}
