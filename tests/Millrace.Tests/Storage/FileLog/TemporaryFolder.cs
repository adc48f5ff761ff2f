namespace Millrace.Tests.Storage.FileLog;

/// <summary>A folder that goes with its test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("millrace-file-").FullName;

    public string Data => System.IO.Path.Combine(Path, "data");

    public string Url(string options = "") => $"file:{Uri.EscapeDataString(Data)}{(options.Length == 0 ? "" : "?" + options)}";

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
