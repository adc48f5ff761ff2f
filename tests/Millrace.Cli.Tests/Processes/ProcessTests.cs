using Millrace.App;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>What only a real process shows: signals, closed pipes, the environment, exit codes.</summary>
public sealed class ProcessTests : IDisposable
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    private readonly StoreFolder _store = new();

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task Messages_OutliveTheProcessThatSentThem()
    {
        (await _store.RunWithInputAsync("1\n2\n3\n", "send", "q")).Succeeded();

        Assert.Equal(["1", "2"], (await _store.RunAsync("receive", "q", "-n", "2")).Succeeded().Lines);
        Assert.Equal(["3"], (await _store.RunAsync("receive", "q", "-n", "2")).Succeeded().Lines);
    }

    [Fact]
    public async Task TheStore_ComesFromTheEnvironment_OrIsTheUsersOwn()
    {
        await using var named = RunningProcess.Start(_store.Path, RunningProcess.Millrace, ["send", "q", "x"], [("MILLRACE_URL", _store.Url)]);
        (await named.FinishAsync()).Succeeded();
        await using var own = RunningProcess.Start(_store.Path, RunningProcess.Millrace, ["send", "mine", "x"], [("XDG_DATA_HOME", _store.Path + "/home")]);
        (await own.FinishAsync()).Succeeded();

        Assert.Equal("q\n", (await _store.RunAsync("queue", "list")).Succeeded().Output);
        Assert.True(File.Exists(_store.Path + "/home/millrace/millrace.db"));
    }

    [Theory]
    [InlineData(15)]
    [InlineData(2)]
    public async Task AWorkerThatIsToldToStop_FinishesItsCommands_AndSucceeds(int signal)
    {
        (await _store.RunWithInputAsync("1\n2\n3\n", "send", "q")).Succeeded();
        await using var worker = _store.Start(onLine: null, "work", "q", "-c", "1", "--json", "--exec", "touch begun; until [ -e go ]; do sleep 0.01; done; cat >> handled; touch end");
        await WaitForFileAsync("begun", worker);

        worker.Signal(signal);
        await File.WriteAllTextAsync(Path.Combine(_store.Path, "go"), "", Token);
        var code = await worker.ExitAsync();

        Assert.Equal(ExitCodes.Done, code);
        Assert.Equal("1", await File.ReadAllTextAsync(Path.Combine(_store.Path, "handled"), Token));
        var left = (await _store.RunAsync("browse", "q", "--json")).Succeeded().Objects;
        Assert.Equal(["2 0", "3 0"], left.Select(item => $"{item.GetProperty("body")} {item.GetProperty("attempts")}"));
    }

    [Fact]
    public async Task ACommandThatDoesNotEnd_IsKilledAfterTheDrainTimeout_AndItsMessageGoesBackUncounted()
    {
        (await _store.RunAsync("send", "q", "x")).Succeeded();
        await using var worker = _store.Start(onLine: null, "work", "q", "--exec", "touch begun; sleep 1000", "--drain-timeout", "100ms");
        await WaitForFileAsync("begun", worker);

        worker.Signal(15);

        Assert.Equal(ExitCodes.Done, await worker.ExitAsync());
        Assert.Equal(0, Assert.Single((await _store.RunAsync("browse", "q", "--json")).Succeeded().Objects).GetProperty("attempts").GetInt32());
    }

    [Theory]
    [InlineData(2, 130)]
    [InlineData(15, 143)]
    public async Task AWaitingCommand_EndsAtASignal_WithTheShellsExitCode(int signal, int expected)
    {
        (await _store.RunAsync("queue", "create", "q")).Succeeded();
        await using var waiting = _store.Start(onLine: null, "receive", "q", "--wait", "10m");
        await WaitForOpenStoreAsync(waiting);

        waiting.Signal(signal);

        Assert.Equal(expected, await waiting.ExitAsync());
        Assert.Equal("", waiting.ErrorSoFar);
    }

    [Fact]
    public async Task ASenderThatReadsAPipe_EndsAtASignal_WithWhatItHasSaidStored()
    {
        var acknowledged = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var sender = _store.Start(line => acknowledged.TrySetResult(line), "send", "q", "--json");
        await sender.Input.WriteAsync("1\n");
        await sender.Input.FlushAsync(Token);
        await acknowledged.Task.WaitAsync(TimeSpan.FromSeconds(30), Token);

        sender.Signal(2);

        Assert.Equal(130, await sender.ExitAsync());
        Assert.Equal(["1"], (await _store.RunAsync("receive", "q", "-n", "5")).Succeeded().Lines);
    }

    [Theory]
    [InlineData(2, 130)]
    [InlineData(15, 143)]
    public async Task ABenchThatIsToldToStop_TakesItsQueueAway(int signal, int expected)
    {
        (await _store.RunAsync("queue", "create", "other")).Succeeded();
        await using var bench = _store.Start(onLine: null, "bench", "--queue", "measured", "--duration", "10m");
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(_store.Url, cancellationToken: Token);
        var admin = backend.Require<IQueueAdmin>();
        while (!(await admin.ListQueuesAsync("measured", cancellationToken: Token)).Any() || (await admin.GetStatsAsync("measured", Token)).Completed < 1000)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
            Assert.False(bench.Output.IsCompleted, bench.ErrorSoFar);
        }

        bench.Signal(signal);

        Assert.Equal(expected, await bench.ExitAsync());
        Assert.Equal("", bench.ErrorSoFar);
        Assert.Equal("other\n", (await _store.RunAsync("queue", "list")).Succeeded().Output);
    }

    [Fact]
    public async Task AClosedOutput_EndsTheCommandQuietly_AndWhatWasNotReadStays()
    {
        var lines = string.Concat(Enumerable.Range(0, 20_000).Select(number => $"{{\"number\":{number},\"text\":\"{new string('x', 60)}\"}}\n"));
        (await _store.RunWithInputAsync(lines, "send", "q")).Succeeded();

        await using var shell = RunningProcess.Start(
            _store.Path, "/bin/bash", ["-c", "\"$0\" receive q -n 20000 --url \"$1\" | head -n 3; echo ${PIPESTATUS[0]}", RunningProcess.Millrace, _store.Url]);
        var result = (await shell.FinishAsync()).Succeeded();

        Assert.Equal(["{\"number\":0", "{\"number\":1", "{\"number\":2"], result.Lines.Take(3).Select(line => line.Split(',')[0]));
        Assert.Equal(["141"], result.Lines.Skip(3));
        Assert.Equal("", result.Error);
        var left = (await _store.RunAsync("stats", "q", "--json")).Succeeded().Objects[0];
        Assert.InRange(left.GetProperty("ready").GetInt32(), 18_000, 19_997);
        Assert.Equal(0, left.GetProperty("leased").GetInt32());
    }

    [Fact]
    public async Task ANonBlockingOutput_IsWrittenWhole()
    {
        (await _store.RunWithInputAsync(string.Concat(Enumerable.Range(0, 20_000).Select(number => $"{number}\n")), "send", "q")).Succeeded();

        // The reader starts late, so that the pipe is full and refuses the first writes.
        var script = "perl -MFcntl -e 'fcntl(STDOUT, F_SETFL, O_WRONLY | O_NONBLOCK) or die; exec @ARGV' \"$0\" receive q -n 20000 --json --url \"$1\""
            + " | { sleep 0.5; wc -l; }; echo ${PIPESTATUS[0]}";
        await using var shell = RunningProcess.Start(_store.Path, "/bin/bash", ["-c", script, RunningProcess.Millrace, _store.Url]);
        var result = (await shell.FinishAsync()).Succeeded();

        Assert.Equal(["20000", "0"], result.Lines);
    }

    private async Task WaitForFileAsync(string name, RunningProcess process)
    {
        while (!File.Exists(Path.Combine(_store.Path, name)))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
            Assert.False(process.Output.IsCompleted, process.ErrorSoFar);
        }
    }

    // The command waits as soon as it has opened the store, which its open files show.
    private async Task WaitForOpenStoreAsync(RunningProcess process)
    {
        while (!Directory.EnumerateFiles($"/proc/{process.Id}/fd").Any(link => new FileInfo(link).LinkTarget == _store.File))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
            Assert.False(process.Output.IsCompleted, process.ErrorSoFar);
        }
    }
}
