namespace Millrace.Sqlite.Engine;

/// <summary>
/// The sign of life of one opened store: a file beside the database that it holds locked. The kernel frees the lock when the process ends, however it ends,
/// at once; a process number could be used again meanwhile, and means nothing in another container.
/// </summary>
internal sealed class OwnerFile : IDisposable
{
    private readonly FileStream _file;

    private OwnerFile(FileStream file, string instance) => (_file, Instance) = (file, instance);

    /// <summary>Names this opening of the store; never used again.</summary>
    public string Instance { get; }

    /// <summary>Makes the file and locks it.</summary>
    /// <exception cref="MillraceConfigurationException">It cannot be made, or its lock keeps nobody out.</exception>
    public static OwnerFile Create(string database)
    {
        var instance = Guid.NewGuid().ToString("N");
        var path = PathOf(database, instance);
        FileStream file;
        try
        {
            file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new MillraceConfigurationException($"The database '{database}' cannot be used: the file that shows that this process lives cannot be made beside it. {failure.Message}", failure);
        }

        if (!IsLocked(path))
        {
            file.Dispose();
            throw new MillraceConfigurationException(
                $"The database '{database}' cannot be used: locks on files beside it have no effect, so nobody could tell a living process from a dead one. "
                + "Use a local file system that locks files, and unset DOTNET_SYSTEM_IO_DISABLEFILELOCKING.");
        }

        return new OwnerFile(file, instance);
    }

    /// <summary>Whether the store that opened <paramref name="instance"/> is gone; removes what its process could not.</summary>
    public static bool IsGone(string database, string instance)
    {
        var path = PathOf(database, instance);
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
            return true;
        }
        catch (FileNotFoundException)
        {
            return true;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Held by a living process, or one whose files we may not touch: then its leases end by their time.
            return false;
        }
    }

    public void Dispose() => _file.Dispose();

    private static bool IsLocked(string path)
    {
        try
        {
            using var second = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1);
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static string PathOf(string database, string instance) => $"{database}-owner-{instance}";
}
