namespace Millrace.Cli.Tests.Processes;

/// <summary>A folder of a test's own with one SQLite store in it; gone after the test.</summary>
internal sealed class StoreFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-");

    public string Path => _folder.FullName;

    public string File => System.IO.Path.Combine(Path, "data.db");

    public string Url => "sqlite:" + File;

    /// <summary>Runs <c>millrace</c> on the store.</summary>
    public Task<CliResult> RunAsync(params string[] args) => RunningProcess.RunAsync(Path, [.. args, "--url", Url]);

    /// <summary>Runs <c>millrace</c> on the store with an input.</summary>
    public Task<CliResult> RunWithInputAsync(string input, params string[] args) => RunningProcess.RunWithInputAsync(Path, input, [.. args, "--url", Url]);

    /// <summary>Starts <c>millrace</c> on the store.</summary>
    public RunningProcess Start(Action<string>? onLine, params string[] args) =>
        RunningProcess.Start(Path, RunningProcess.Millrace, [.. args, "--url", Url], onLine: onLine);

    /// <summary>What <c>sqlite3</c>, which knows nothing of Millrace, says to a statement.</summary>
    public async Task<string> QueryAsync(string sql)
    {
        await using var process = RunningProcess.Start(Path, "sqlite3", ["-readonly", File, sql]);
        return (await process.FinishAsync()).Succeeded().Output.Trim();
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
