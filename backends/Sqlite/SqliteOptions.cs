using Millrace.Storage;

namespace Millrace.Sqlite;

/// <summary>The options of a <c>sqlite:</c> URL, checked.</summary>
internal sealed record SqliteOptions
{
    private const int MaxPrefixLength = 40;

    public required string File { get; init; }

    public required StoreDurability Durability { get; init; }

    /// <summary>The prefix with its underscore.</summary>
    public required string TablePrefix { get; init; }

    public required bool AutoCreate { get; init; }

    public required int BusyTimeoutMs { get; init; }

    public required int CacheKilobytes { get; init; }

    /// <summary>Reads a URL.</summary>
    /// <exception cref="MillraceConfigurationException">An option or the path cannot work; says which and why.</exception>
    public static SqliteOptions Parse(BackendUrl url)
    {
        var reader = url.ReadOptions();
        var options = new SqliteOptions
        {
            File = "",
            Durability = reader.Choice(
                "durability",
                StoreDurability.Full,
                ("full", StoreDurability.Full),
                ("process", StoreDurability.Process),
                ("none", StoreDurability.None)),
            TablePrefix = RequirePrefix(reader.Text("prefix", "millrace")!) + "_",
            AutoCreate = reader.Boolean("autocreate", true),
            BusyTimeoutMs = (int)reader.Number("busyTimeoutMs", 5000, 1, 600_000),
            CacheKilobytes = (int)reader.Number("cacheKilobytes", 32 * 1024, 64, 4 * 1024 * 1024),
        };
        reader.RejectUnknown();
        return options with { File = RequireFile(url) };
    }

    private static string RequirePrefix(string prefix) =>
        prefix.Length is > 0 and <= MaxPrefixLength
        && (char.IsAsciiLetter(prefix[0]) || prefix[0] == '_')
        && prefix.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')
        && !prefix.StartsWith("sqlite", StringComparison.OrdinalIgnoreCase)
            ? prefix
            : throw new MillraceConfigurationException(
                $"The option 'prefix' of backend 'sqlite' must be an identifier (a letter or '_', then letters, digits or '_', at most {MaxPrefixLength}, not beginning with 'sqlite'), not '{prefix}'.");

    private static string RequireFile(BackendUrl url)
    {
        // sqlite://data.db has read the name as a host; sqlite:///abs and sqlite:./rel have a path.
        if (url.Hosts.Count > 0)
        {
            throw new MillraceConfigurationException($"The URL '{url}' names a host. A SQLite file is sqlite:./data.db, or sqlite:///var/data.db for an absolute path.");
        }

        if (url.Path.Length == 0 || url.Path.StartsWith(":memory:", StringComparison.OrdinalIgnoreCase) || url.Path.StartsWith("file:", StringComparison.OrdinalIgnoreCase))
        {
            throw new MillraceConfigurationException($"The URL '{url}' must name a file, such as sqlite:./data.db. For a store in memory use memory:.");
        }

        var file = ResolveLinks(Path.GetFullPath(url.Path));
        if (Directory.Exists(file))
        {
            throw new MillraceConfigurationException($"'{file}' is a directory; a SQLite backend needs the path of a file, such as sqlite:{Path.Combine(url.Path, "millrace.db")}.");
        }

        var folder = Path.GetDirectoryName(file)!;
        if (!Directory.Exists(folder))
        {
            throw new MillraceConfigurationException($"The folder '{folder}' of the database '{file}' does not exist. Create it first.");
        }

        RequireWritable(file, folder);
        return file;
    }

    /// <summary>Where SQLite will work: it follows links, and what stands beside the database must stand beside the same one for every path that leads to it.</summary>
    private static string ResolveLinks(string file)
    {
        try
        {
            var link = new FileInfo(file);
            return link.LinkTarget is null ? file : link.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? file;
        }
        catch (Exception failure) when (failure is UnauthorizedAccessException or IOException)
        {
            throw new MillraceConfigurationException($"The link '{file}' cannot be followed to a database: {failure.Message}", failure);
        }
    }

    private static void RequireWritable(string file, string folder)
    {
        try
        {
            // Never the database itself: closing any descriptor of a file drops all POSIX locks that this process holds on it, those of its open SQLite
            // connections among them. SQLite keeps its log beside the file, so the folder must be writable even where the file exists.
            var probe = Path.Combine(folder, $".millrace-{Guid.NewGuid():N}");
            using (new FileStream(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose))
            {
            }
        }
        catch (Exception failure) when (failure is UnauthorizedAccessException or IOException)
        {
            throw new MillraceConfigurationException($"The database '{file}' cannot be written: {failure.Message} Its folder must be writable too, because SQLite keeps its log there.", failure);
        }
    }
}
