namespace Millrace.App;

/// <summary>The store of a user who names none: one SQLite file in the user's data folder, so that every shell of the user sees the same queues.</summary>
internal static class DefaultStore
{
    public const string Description = "millrace/millrace.db in your data folder (~/.local/share on Linux)";

    /// <summary>The URL of the default store.</summary>
    public static string Url => "sqlite:" + Uri.EscapeDataString(Path.Combine(Folder, "millrace.db")).Replace("%2F", "/", StringComparison.Ordinal);

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

    /// <summary>The URL of the default store. Creates its folder, for this one folder is ours; a missing folder in a URL that a user wrote is an error.</summary>
    public static string Prepare()
    {
        Directory.CreateDirectory(Folder);
        return Url;
    }
}
