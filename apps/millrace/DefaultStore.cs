using System.Globalization;

namespace Millrace.App;

/// <summary>
/// The store of a user who names none, in the user's data folder. A node keeps it in files (<c>file:</c>), which one process can have open; commands without a node keep it in SQLite, which
/// many can. Whichever there is first stays: commands find the node that has the files open, and a node goes on with an earlier SQLite file.
/// </summary>
internal static class DefaultStore
{
    public const string Description = "in millrace/ in your data folder (~/.local/share on Linux): what 'millrace serve' keeps there, through the node while it runs, otherwise a SQLite file";

    private const string NodeFile = "node";

    /// <summary>The store in files.</summary>
    public static string FilesUrl => "file:" + Escaped(FilesFolder);

    /// <summary>The store in SQLite.</summary>
    public static string SqliteUrl => "sqlite:" + Escaped(SqliteFile);

    /// <summary>What a node serves.</summary>
    public static string UrlForNode => KeepsSqlite ? SqliteUrl : FilesUrl;

    /// <summary>Whether a node goes on with an earlier SQLite file, because there are no files yet.</summary>
    public static bool KeepsSqlite => File.Exists(SqliteFile) && !Directory.Exists(FilesFolder);

    private static string SqliteFile => Path.Combine(Folder, "millrace.db");

    private static string FilesFolder => Path.Combine(Folder, "store");

    private static string Folder
    {
        get
        {
            var data = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
            return data.Length > 0
                ? Path.Combine(data, "millrace")
                : throw new MillraceConfigurationException($"There is no data folder for this user. Name a store with --url or {CliContext.UrlVariable}, such as sqlite:./data.db.");
        }
    }

    /// <summary>Creates the folder of the default store, for this one folder is ours; a missing folder in a URL that a user wrote is an error.</summary>
    public static void Prepare() => Directory.CreateDirectory(Folder);

    /// <summary>The store of a command: the node that has the files open, otherwise the files if there are any, otherwise SQLite.</summary>
    public static (string Url, string Source) FindForCommand()
    {
        Prepare();
        if (!Directory.Exists(FilesFolder))
        {
            return (SqliteUrl, "");
        }

        return FindNode() is { } node ? (node, "the address of the node that has your store open, or name another one with --server") : (FilesUrl, "");
    }

    /// <summary>Says where the node listens that has the files open, so that commands find it; until the result is disposed.</summary>
    public static IDisposable AnnounceNode(string address)
    {
        var file = Path.Combine(FilesFolder, NodeFile);
        File.WriteAllText(file, string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId} {address}"));
        return new Announcement(file);
    }

    private static string? FindNode()
    {
        try
        {
            var parts = File.ReadAllText(Path.Combine(FilesFolder, NodeFile)).Split(' ', 2);
            return parts.Length == 2 && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var process) && IsRunning(process) ? parts[1] : null;
        }
        catch (IOException)
        {
            // No node has said where it is.
            return null;
        }
    }

    // A node that was killed has left its address behind.
    private static bool IsRunning(int processId)
    {
        try
        {
            using var process = System.Diagnostics.Process.GetProcessById(processId);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static string Escaped(string path) => Uri.EscapeDataString(path).Replace("%2F", "/", StringComparison.Ordinal);

    private sealed class Announcement(string file) : IDisposable
    {
        public void Dispose() => File.Delete(file);
    }
}
