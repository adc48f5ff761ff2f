using System.CommandLine;

namespace Millrace.App;

/// <summary>Which users file is meant: the one that the command line names, otherwise the environment, otherwise the one of the user.</summary>
internal static class DefaultUsersFile
{
    /// <summary>The variable that names the file when <c>--users</c> does not.</summary>
    public const string Variable = "MILLRACE_USERS";

    private const string Description = "millrace/users.json in your configuration folder (~/.config on Linux)";

    public static readonly Option<string?> Option = new("--users")
    {
        Description = $"The file of users and roles. Otherwise the environment variable {Variable}, otherwise {Description}.",
        HelpName = "FILE",
        Recursive = true,
    };

    /// <summary>The file to look at or to change. Creates the folder of the default file, for this one folder is ours.</summary>
    public static string Prepare(ParseResult arguments, CliContext context)
    {
        if (NamedIn(arguments, context) is { } named)
        {
            return named;
        }

        var file = Default() ?? throw new MillraceConfigurationException($"There is no configuration folder for this user. Name a users file with --users or {Variable}.");
        var folder = Path.GetDirectoryName(file)!;
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder);
        }
        else
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        return file;
    }

    /// <summary>The default file if it is there: a server that is told of no other one uses it. Null: the server has no users.</summary>
    public static string? FindDefault() => Default() is { } file && File.Exists(file) ? file : null;

    private static string? NamedIn(ParseResult arguments, CliContext context)
    {
        var named = arguments.GetValue(Option) ?? context.ReadVariable(Variable);
        return string.IsNullOrWhiteSpace(named) ? null : Path.GetFullPath(named);
    }

    private static string? Default()
    {
        var folder = Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return folder.Length == 0 ? null : Path.Combine(folder, "millrace", "users.json");
    }
}
