using System.Collections.Concurrent;
using Xunit;

namespace Millrace.Foreign.Tests;

/// <summary>What <c>npm ci</c> puts beside a lock file, where that has not been done since the file changed.</summary>
internal static class NodePackages
{
    private static readonly ConcurrentDictionary<string, Lazy<Task>> Installations = new();

    /// <summary>Installs the packages of a folder; once, whoever asks.</summary>
    public static Task InstallAsync(string folder) => Installations.GetOrAdd(folder, static folder => new Lazy<Task>(() => RunAsync(folder))).Value;

    private static async Task RunAsync(string folder)
    {
        var installed = new FileInfo(Path.Combine(folder, "node_modules/.package-lock.json"));
        if (installed.Exists && installed.LastWriteTimeUtc >= File.GetLastWriteTimeUtc(Path.Combine(folder, "package-lock.json")))
        {
            return;
        }

        await using var npm = RunningProcess.Start(folder, "npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        var result = await npm.FinishAsync();
        Assert.True(result.Code == 0, $"npm ci in {folder}: {result.Output}{result.Error}");
    }
}
