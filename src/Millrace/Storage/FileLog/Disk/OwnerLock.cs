using System.Globalization;
using System.Text;

namespace Millrace.Storage.FileLog.Disk;

/// <summary>The right to a folder, for one process at a time. It ends with the process, however that ends.</summary>
/// <remarks>Who has it stands in a file beside the lock, because the file of the lock itself cannot be read by others on every system.</remarks>
internal sealed class OwnerLock : IDisposable
{
    public const string LockName = "lock";
    private const string OwnerName = "owner";
    private const int MaxOwnerBytes = 256;

    private readonly IFileSystem _files;
    private readonly string _folder;
    private readonly IDisposable _held;
    private readonly FileIdentity? _identity;

    private OwnerLock(IFileSystem files, string folder, IDisposable held) =>
        (_files, _folder, _held, _identity) = (files, folder, held, files.IdentityOf(Path.Combine(folder, LockName)));

    /// <summary>Takes the right to a folder that exists.</summary>
    /// <exception cref="BackendUnavailableException">Somebody else has it; names the process.</exception>
    public static OwnerLock Take(IFileSystem files, string folder)
    {
        try
        {
            var held = files.TryLock(Path.Combine(folder, LockName)) ?? throw new BackendUnavailableException(
                $"The folder '{folder}' is in use by {OwnerOf(files, folder)}. Only one process, and in it one backend, can have it open: stop that one, share its backend, or name another folder.");
            try
            {
                NoteOwner(files, Path.Combine(folder, OwnerName));
                return new OwnerLock(files, folder, held);
            }
            catch
            {
                held.Dispose();
                throw;
            }
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            throw FileFaults.Describe($"The folder '{folder}' cannot be locked", fault);
        }
    }

    /// <summary>
    /// Why the folder is no longer this process's; null while it is. Whoever removes the folder or the file of the lock, or puts others in their place, lets another process take the right as well.
    /// </summary>
    public BackendUnavailableException? FindLoss()
    {
        try
        {
            return _files.IdentityOf(Path.Combine(_folder, LockName)) == _identity ? null : new BackendUnavailableException(
                $"The folder '{Path.GetFileName(_folder)}', or the file '{LockName}' in it, was removed, moved or replaced while it was in use. Nothing more is stored in it until the store is opened again: "
                + "put back what was there, and start this process again.");
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            // Whose it is cannot be found out; whoever uses the disk learns what is wrong with it.
            return null;
        }
    }

    public void Dispose() => _held.Dispose();

    private static void NoteOwner(IFileSystem files, string path)
    {
        try
        {
            var owner = string.Create(CultureInfo.InvariantCulture, $"process {Environment.ProcessId} on {Environment.MachineName}");
            DurableFile.Write(files, path, Encoding.UTF8.GetBytes(owner), flush: false);
        }
        catch (IOException fault) when (FileFaults.IsDiskFull(fault))
        {
            // A full disk is no reason not to open: what is in the folder can be worked off. Nobody else must be named, though.
            files.Delete(path);
        }
    }

    private static string OwnerOf(IFileSystem files, string folder)
    {
        try
        {
            var bytes = DurableFile.Read(files, Path.Combine(folder, OwnerName), MaxOwnerBytes);
            return bytes is null ? "another process" : Encoding.UTF8.GetString(bytes);
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            return "another process";
        }
    }
}
