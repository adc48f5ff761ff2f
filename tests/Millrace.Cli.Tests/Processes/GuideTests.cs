using System.Text;
using System.Text.RegularExpressions;
using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>The guide is true: its examples run, in order, and say what stands under them. "…" in the guide stands for any text.</summary>
public sealed class GuideTests : IDisposable
{
    private static readonly string Guides = Path.Combine(RunningProcess.RepositoryRoot, "docs/guide");

    private readonly StoreFolder _store = new();

    public void Dispose() => _store.Dispose();

    [Theory]
    [InlineData("cli.md", 30)]
    [InlineData("security.md", 10)]
    public async Task TheExamplesOfAGuide_DoWhatItSays(string guide, int atLeast)
    {
        var examples = ReadExamples(await File.ReadAllLinesAsync(Path.Combine(Guides, guide), TestContext.Current.CancellationToken));
        Assert.True(examples.Count > atLeast, $"only {examples.Count} examples were found");
        var path = Path.GetDirectoryName(RunningProcess.Millrace) + ":" + Environment.GetEnvironmentVariable("PATH");
        foreach (var (command, expected) in examples)
        {
            await using var shell = RunningProcess.Start(
                _store.Path, "/bin/bash", ["-c", $"exec 2>&1; {command}"], [("PATH", path), ("MILLRACE_URL", "sqlite:./data.db"), ("MILLRACE_USERS", "./users.json")]);
            var result = await shell.FinishAsync();
            var pattern = "^" + Regex.Escape(expected).Replace("…", "(?s:.*?)", StringComparison.Ordinal) + "$";
            Assert.True(Regex.IsMatch(Squeeze(result.Output), Squeeze(pattern)), $"$ {command}\n--- says\n{result.Output}--- not\n{expected}");
        }
    }

    [Fact]
    public async Task TheExitCodes_AreThoseOfTheHelp()
    {
        var guide = await File.ReadAllTextAsync(Path.Combine(Guides, "cli.md"), TestContext.Current.CancellationToken);

        foreach (var (code, meaning) in ExitCodes.Meanings.Where(entry => entry.Code is > ExitCodes.Done and < ExitCodes.Nothing))
        {
            Assert.Contains($"| {code} | {meaning} |", guide, StringComparison.Ordinal);
        }
    }

    // Columns are as wide as their widest cell, and the cells that differ from run to run are abbreviated.
    private static string Squeeze(string text) => Regex.Replace(text, @"(\\ | )+", " ");

    private static List<(string Command, string Expected)> ReadExamples(string[] lines)
    {
        var examples = new List<(string, string)>();
        var inConsole = false;
        string? command = null;
        var expected = new StringBuilder();
        foreach (var line in lines)
        {
            var isCommand = inConsole && line.StartsWith("$ ", StringComparison.Ordinal);
            var isFence = line.StartsWith("```", StringComparison.Ordinal);
            if ((isCommand || isFence) && command is not null)
            {
                examples.Add((command, expected.ToString()));
                command = null;
                expected.Clear();
            }

            if (isFence)
            {
                inConsole = line == "```console";
            }
            else if (isCommand)
            {
                command = line[2..];
            }
            else if (inConsole)
            {
                expected.Append(line).Append('\n');
            }
        }

        return examples;
    }
}
