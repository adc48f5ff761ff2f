namespace Millrace.Sqlite.Tests;

/// <summary>A folder that goes with its test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("millrace-sqlite-").FullName;

    public string File => System.IO.Path.Combine(Path, "data.db");

    public string Url(string options = "") => $"sqlite:{Uri.EscapeDataString(File)}{(options.Length == 0 ? "" : "?" + options)}";

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
