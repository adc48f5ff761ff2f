using System.Diagnostics;
using System.Text;
using Millrace.Storage;
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
    public async Task Top_FitsTheWindow_FollowsItsSize_AndLeavesTheTerminalAsItWas_AtQ()
    {
        await CreateQueuesAsync(30);
        using var shown = new WatchedStream();
        await using var terminal = StartOnTerminal(
            "stty rows 12 cols 60; stty -a >before", "stty -a >after; cmp before after && echo unchanged", shown);

        await shown.WaitForAsync("23 more queues are not shown.", TestContext.Current.CancellationToken);
        await RunOnTerminalOfAsync(terminal, "stty rows 20 cols 100");
        await shown.WaitForAsync("15 more queues are not shown.", TestContext.Current.CancellationToken);
        await RunOnTerminalOfAsync(terminal, "stty rows 12 cols 60");
        await shown.WaitForAsync("23 more queues are not shown.", TestContext.Current.CancellationToken);
        await terminal.Input.WriteAsync("q");
        await terminal.Input.FlushAsync(TestContext.Current.CancellationToken);

        Assert.Equal(0, await terminal.ExitAsync());
        await terminal.Output;
        AssertLeftClean(shown.Text, "unchanged");
    }

    [Fact]
    public async Task Top_LeavesTheTerminalAsItWas_AtCtrlC()
    {
        await CreateQueuesAsync(3);
        using var shown = new WatchedStream();
        await using var terminal = StartOnTerminal("stty -a >before", "echo code $?; stty -a >after; cmp before after && echo unchanged", shown);
        await shown.WaitForAsync("queue-2", TestContext.Current.CancellationToken);

        // The terminal makes an interrupt of it.
        await terminal.Input.WriteAsync('\u0003');
        await terminal.Input.FlushAsync(TestContext.Current.CancellationToken);

        Assert.Equal(0, await terminal.ExitAsync());
        await terminal.Output;
        AssertLeftClean(shown.Text, "code 0");
    }

    private static void AssertLeftClean(string shown, string after)
    {
        var left = shown[shown.LastIndexOf("\e[?1049l", StringComparison.Ordinal)..];
        Assert.Contains("\e[?25h\e[?1049l", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("\e[?25l", left, StringComparison.Ordinal);
        Assert.Contains(after, left, StringComparison.Ordinal);
        Assert.Contains("unchanged", left, StringComparison.Ordinal);
    }

    private async Task CreateQueuesAsync(int count)
    {
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(_store.Url, cancellationToken: TestContext.Current.CancellationToken);
        for (var i = 0; i < count; i++)
        {
            await backend.Require<IQueueAdmin>().CreateQueueAsync($"queue-{i}", QueueSettings.Default, TestContext.Current.CancellationToken);
        }
    }

    private RunningProcess StartOnTerminal(string before, string after, WatchedStream shown)
    {
        var script = $"{before}; tty >terminal; trap : INT; '{RunningProcess.Millrace}' top --interval 100ms --url '{_store.Url}'; {after}";
        return RunningProcess.Start(_store.Path, "script", ["-qefc", script, "/dev/null"], [("TERM", "xterm"), ("SHELL", "/bin/bash")], line => shown.Write(Encoding.UTF8.GetBytes(line + "\n")));
    }

    // Another process changes the size of the window, as a window's manager does.
    private async Task RunOnTerminalOfAsync(RunningProcess terminal, string command)
    {
        Assert.False(terminal.Output.IsCompleted, terminal.ErrorSoFar);
        await using var shell = RunningProcess.Start(_store.Path, "/bin/bash", ["-c", $"{command} <\"$(cat terminal)\""]);
        (await shell.FinishAsync()).Succeeded();
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
