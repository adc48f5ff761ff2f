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

    public static OwnerFile Create(string database)
    {
        var instance = Guid.NewGuid().ToString("N");
        return new OwnerFile(
            new FileStream(PathOf(database, instance), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose),
            instance);
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

    private static string PathOf(string database, string instance) => $"{database}-owner-{instance}";
}
