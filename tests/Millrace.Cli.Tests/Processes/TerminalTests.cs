using System.Diagnostics;
using System.Text;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>What differs on a terminal, which <c>script</c> gives the process.</summary>
public sealed class TerminalTests : IDisposable
{
    private readonly StoreFolder _store = new();

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task SendingALongFile_ShowsProgressOnATerminal_AndNoneElsewhere()
    {
        var file = Path.Combine(_store.Path, "lines");
        await File.WriteAllLinesAsync(file, Enumerable.Range(0, 20_000).Select(number => $"{{\"number\":{number},\"text\":\"{new string('x', 60)}\"}}"), TestContext.Current.CancellationToken);

        await using var terminal = RunningProcess.Start(
            _store.Path, "script", ["-qec", $"'{RunningProcess.Millrace}' send q --file lines --url '{_store.Url}'", "/dev/null"], [("TERM", "xterm")]);
        var shown = (await terminal.FinishAsync()).Succeeded();
        var redirected = (await _store.RunAsync("send", "q", "--file", file)).Succeeded();

        Assert.Contains("messages", shown.Output, StringComparison.Ordinal);
        Assert.Contains("%", shown.Output, StringComparison.Ordinal);
        Assert.Contains("Sent 20,000 messages to 'q'", shown.Output, StringComparison.Ordinal);
        Assert.StartsWith("Sent 20,000 messages to 'q'", redirected.Output, StringComparison.Ordinal);
        Assert.Equal("", redirected.Error);
    }

    [Fact]
    public async Task APassword_IsAskedForTwice_AndNeverShown()
    {
        var start = new ProcessStartInfo("script", ["-qec", $"'{RunningProcess.Millrace}' user add ada --users users.json", "/dev/null"])
        {
            WorkingDirectory = _store.Path,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        using var terminal = Process.Start(start)!;
        var shown = new StringBuilder();
        foreach (var prompt in (string[])["Password: ", "Once more: "])
        {
            await ReadUntilAsync(terminal.StandardOutput, prompt, shown);
            await terminal.StandardInput.WriteAsync("correct horse\n");
            await terminal.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
        }

        shown.Append(await terminal.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken));
        await terminal.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Contains("Added 'ada'.", shown.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("horse", shown.ToString(), StringComparison.Ordinal);
    }

    private static async Task ReadUntilAsync(StreamReader output, string end, StringBuilder shown)
    {
        var one = new char[1];
        while (!shown.ToString().EndsWith(end, StringComparison.Ordinal))
        {
            Assert.True(await output.ReadAsync(one.AsMemory(), TestContext.Current.CancellationToken) == 1, $"'{end}' did not come: {shown}");
            shown.Append(one[0]);
        }
    }
}
