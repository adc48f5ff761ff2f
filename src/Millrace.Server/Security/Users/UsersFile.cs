using System.Security.Cryptography;

namespace Millrace.Server.Security.Users;

/// <summary>The file that users and roles stand in. Readable by its owner alone; replaced whole, so that no reader sees half of it.</summary>
internal static class UsersFile
{
    private const int MaxBytes = 16 * 1024 * 1024;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private static readonly TimeSpan LockPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LockPause = TimeSpan.FromMilliseconds(20);

    /// <summary>Reads the file.</summary>
    /// <exception cref="MillraceConfigurationException">It is not there, cannot be read or is no users file.</exception>
    public static UsersDocument Read(string path) => UsersFileReader.Read(path, ReadBytes(path));

    /// <summary>Changes the file under a lock, so that changes of several processes follow one another.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mayCreate">Whether a file that is not there is made; otherwise it is a fault.</param>
    /// <param name="change">Makes the new document from what stands in the file; what it throws leaves the file as it is.</param>
    /// <param name="timeProvider">The clock of the wait for the lock.</param>
    /// <param name="cancellationToken">Ends the wait for the lock.</param>
    /// <exception cref="MillraceConfigurationException">The file is no users file, cannot be written, or stays locked.</exception>
    public static async Task EditAsync(
        string path,
        bool mayCreate,
        Func<UsersDocument, UsersDocument> change,
        TimeProvider timeProvider,
        CancellationToken cancellationToken)
    {
        // A link is followed: the file that it leads to is replaced, not the link.
        var target = new FileInfo(path) is { LinkTarget: not null } link ? link.ResolveLinkTarget(returnFinalTarget: true)!.FullName : path;
        if (!mayCreate && !File.Exists(target))
        {
            throw NotThere(path);
        }

        try
        {
            using var held = await LockAsync(target, timeProvider, cancellationToken).ConfigureAwait(false);
            var current = !mayCreate || File.Exists(target) ? Read(target) : UsersDocument.Empty;
            Replace(target, change(current));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new MillraceConfigurationException($"The users file {path} cannot be written: {exception.Message}", exception);
        }
    }

    /// <summary>The bytes of the file.</summary>
    public static byte[] ReadBytes(string path)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            if (stream.Length > MaxBytes)
            {
                throw new MillraceConfigurationException($"The users file {path} is larger than {MaxBytes / 1024 / 1024} MiB.");
            }

            var bytes = new byte[stream.Length];
            return bytes[..stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)];
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw NotThere(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new MillraceConfigurationException($"The users file {path} cannot be read: {exception.Message}", exception);
        }
    }

    private static MillraceConfigurationException NotThere(string path) =>
        new($"There is no users file {path}. Make one with its first user: millrace user add NAME --role admin --users {path}");

    private static void Replace(string path, UsersDocument document)
    {
        var temporary = $"{path}.{RandomNumberGenerator.GetHexString(8, lowercase: true)}.tmp";
        try
        {
            using (var stream = Open(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                KeepOwner(stream, path);
                UsersFileWriter.Write(stream, document);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    // The lock's file stays: one that is removed could be locked by two, each having opened another file of that name.
    private static async Task<FileStream> LockAsync(string path, TimeProvider timeProvider, CancellationToken cancellationToken)
    {
        var started = timeProvider.GetTimestamp();
        while (true)
        {
            try
            {
                var held = Open(path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite);
                KeepOwner(held, path);
                return held;
            }
            catch (IOException exception) when (exception is not (DirectoryNotFoundException or PathTooLongException))
            {
                if (timeProvider.GetElapsedTime(started) > LockPatience)
                {
                    throw new MillraceConfigurationException($"The users file {path} is being changed by another process and was not free within {LockPatience.TotalSeconds:0} s.", exception);
                }
            }

            await Task.Delay(LockPause, timeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    // Root may be who changes it, while the server runs as somebody else: the file stays whose it was, and a first one is the folder's owner's.
    private static void KeepOwner(FileStream stream, string path)
    {
        var isThere = File.Exists(path);
        if (FileOwner.TryGive(stream.SafeFileHandle, isThere ? path : Path.GetDirectoryName(Path.GetFullPath(path))!) && isThere && !OperatingSystem.IsWindows())
        {
            // What a group was allowed to read, it goes on reading.
            File.SetUnixFileMode(stream.SafeFileHandle, OwnerOnly | (File.GetUnixFileMode(path) & UnixFileMode.GroupRead));
        }
    }

    private static FileStream Open(string path, FileMode mode, FileAccess access)
    {
        var options = new FileStreamOptions { Mode = mode, Access = access, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        return new FileStream(path, options);
    }
}
