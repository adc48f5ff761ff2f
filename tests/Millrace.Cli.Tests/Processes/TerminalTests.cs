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
}
