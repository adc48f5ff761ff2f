using System.Text;
using System.Text.RegularExpressions;
using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>
/// The guides are true: the examples of a page run in one shell, in order, and say what stands under them. "…" in a guide stands for any text, <c>localhost:7070</c> and the port
/// 61613 for a new server. Python that begins with the name of a file is that file.
/// </summary>
public sealed class GuideTests : IDisposable
{
    private const string ServerInGuides = "localhost:7070";
    private const string StompPortInGuides = "61613";

    private static readonly string Guides = Path.Combine(RunningProcess.RepositoryRoot, "docs/guide");

    private readonly StoreFolder _store = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _store.Dispose();

    [Theory]
    [InlineData("cli.md", 30)]
    [InlineData("security.md", 10)]
    public async Task TheExamplesOfAGuide_DoWhatItSays(string guide, int atLeast) => await RunExamplesAsync(guide, atLeast, "sqlite:./data.db", ServerInGuides);

    [Theory]
    [InlineData("cli.md", 30)]
    [InlineData("http-api.md", 30)]
    [InlineData("../../README.md", 2)]
    public async Task TheExamplesOfAGuide_WithAServer_DoWhatItSays(string guide, int atLeast)
    {
        await using var node = await RunningNode.StartAsync(_store.Path, ["--url", _store.Url]);

        await RunExamplesAsync(guide, atLeast, node.Address.GetLeftPart(UriPartial.Authority), $"localhost:{node.Address.Port}");
    }

    [Fact]
    public async Task TheExamplesOfTheGuideToStomp_DoWhatItSays()
    {
        await using var node = await RunningNode.StartAsync(_store.Path, ["--url", _store.Url, "--stomp", "stomp://127.0.0.1:0"]);
        var address = node.Start.GetProperty("addresses")[1].GetString()!;
        var examples = Directory.CreateDirectory(Path.Combine(_store.Path, "examples"));
        foreach (var (name, text) in ReadPythonFiles(await File.ReadAllTextAsync(Path.Combine(Guides, "stomp.md"), Token)))
        {
            await File.WriteAllTextAsync(
                Path.Combine(examples.FullName, name), text.Replace(StompPortInGuides, $"{new Uri(address).Port}", StringComparison.Ordinal), Token);
        }

        await RunExamplesAsync("stomp.md", 1, node.Address.GetLeftPart(UriPartial.Authority), $"localhost:{node.Address.Port}");
    }

    [Fact]
    public async Task TheExitCodes_AreThoseOfTheHelp()
    {
        var guide = await File.ReadAllTextAsync(Path.Combine(Guides, "cli.md"), Token);

        foreach (var (code, meaning) in ExitCodes.Meanings.Where(entry => entry.Code is > ExitCodes.Done and < ExitCodes.Nothing))
        {
            Assert.Contains($"| {code} | {meaning} |", guide, StringComparison.Ordinal);
        }
    }

    private async Task RunExamplesAsync(string guide, int atLeast, string url, string server)
    {
        var examples = ReadExamples(await File.ReadAllLinesAsync(Path.Combine(Guides, guide), Token));
        Assert.True(examples.Count >= atLeast, $"only {examples.Count} examples were found");

        // Debian's Python has the packages of Debian, which another one on the PATH may not have.
        var tools = Directory.CreateDirectory(Path.Combine(_store.Path, "tools"));
        File.CreateSymbolicLink(Path.Combine(tools.FullName, "python3"), "/usr/bin/python3");
        var path = $"{Path.GetDirectoryName(RunningProcess.Millrace)}:{tools.FullName}:{Environment.GetEnvironmentVariable("PATH")}";
        var examplesFolder = Directory.CreateDirectory(Path.Combine(_store.Path, "examples"));
        var said = Directory.CreateDirectory(Path.Combine(_store.Path, "said"));
        var script = new StringBuilder();
        foreach (var (index, (command, _)) in examples.Index())
        {
            script.Append($"exec >{said.FullName}/{index} 2>&1\n{command.Replace(ServerInGuides, server, StringComparison.Ordinal)}\n");
        }

        await File.WriteAllTextAsync(Path.Combine(_store.Path, "script"), script.ToString(), Token);
        await using var shell = RunningProcess.Start(
            examplesFolder.FullName,
            "/bin/bash",
            [Path.Combine(_store.Path, "script")],
            [("PATH", path), ("MILLRACE_URL", url), ("MILLRACE_USERS", "./users.json")]);
        await shell.FinishAsync();
        foreach (var (index, (command, expected)) in examples.Index())
        {
            var file = Path.Combine(said.FullName, $"{index}");
            var says = File.Exists(file) ? await File.ReadAllTextAsync(file, Token) : "nothing: the shell did not get there\n";
            var pattern = "^" + Regex.Escape(expected.Replace(ServerInGuides, server, StringComparison.Ordinal)).Replace("…", "(?s:.*?)", StringComparison.Ordinal) + "$";
            Assert.True(Regex.IsMatch(Squeeze(says), Squeeze(pattern)), $"$ {command}\n--- says\n{says}--- not\n{expected}--- {shell.ErrorSoFar}");
        }
    }

    // Columns are as wide as their widest cell, and the cells that differ from run to run are abbreviated. A terminal shows no carriage returns.
    private static string Squeeze(string text) => Regex.Replace(text.Replace("\r", "", StringComparison.Ordinal), @"(\\ | )+", " ");

    private static IEnumerable<(string Name, string Text)> ReadPythonFiles(string guide) =>
        Regex.Matches(guide, "^```python\n# (?<name>\\S+\\.py)\n(?<text>.*?)^```$", RegexOptions.Singleline | RegexOptions.Multiline)
            .Select(file => (file.Groups["name"].Value, file.Groups["text"].Value));

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
            else if (inConsole && command is not null && expected.Length == 0 && line.StartsWith("> ", StringComparison.Ordinal))
            {
                command += "\n" + line[2..];
            }
            else if (inConsole)
            {
                expected.Append(line).Append('\n');
            }
        }

        return examples;
    }
}
