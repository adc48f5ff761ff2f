using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>
/// The main job through a server: 100,000 JSON lines (10,000 in CI) are sent over HTTP and worked by two processes, of which one is killed in the middle. One line in a hundred
/// fails for good, on purpose. The counts add up.
/// </summary>
public sealed class RealInputServerTests : IAsyncDisposable
{
    private const string Queue = "packages";

    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    private readonly StoreFolder _store = new();
    private readonly int _count = TestScale.IsFull ? 100_000 : 10_000;
    private RunningNode? _server;

    private string Url => _server!.Address.GetLeftPart(UriPartial.Authority);

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        _store.Dispose();
    }

    [Fact]
    public async Task TwoWorkers_OfWhichOneIsKilled_WorkRealInput_AndTheCountsAddUp()
    {
        _server = await RunningNode.StartAsync(_store.Path, ["--url", _store.Url]);
        var lines = Path.Combine(_store.Path, "lines.jsonl");
        var source = await PackageLines.WriteAsync(lines, _count, Token);
        var doomed = File.ReadLines(lines).Count(line => SampleLot.Of(line) == 0);
        var started = Stopwatch.GetTimestamp();
        (await RunAsync("send", Queue, "--file", lines, "--id-field", "id")).Succeeded();
        Report($"sent over HTTP, {new FileInfo(lines).Length} bytes from {source}", started, _count);

        started = Stopwatch.GetTimestamp();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var top = WatchReady(_count * 3 / 4, begun);
        await using var one = StartWorker();
        await using var two = StartWorker();
        await begun.Task.WaitAsync(TimeSpan.FromMinutes(5), Token);
        await one.KillAsync();
        await top.KillAsync();
        var killedAt = await StatsAsync();
        var report = (await two.FinishAsync()).Succeeded().Output.Trim();
        Report($"worked by two processes, one killed after {killedAt.GetProperty("completed").GetInt64()}; the other says: {report}", started, _count);

        var stats = await StatsAsync();
        Assert.Equal(_count, stats.GetProperty("enqueued").GetInt32());
        Assert.Equal(_count - doomed, stats.GetProperty("completed").GetInt32());
        Assert.Equal(doomed, stats.GetProperty("dead").GetInt32());
        Assert.All((string[])["ready", "scheduled", "leased", "duplicates", "expired", "dropped"], name => Assert.Equal(0, stats.GetProperty(name).GetInt32()));
        Assert.True(killedAt.GetProperty("completed").GetInt32() < _count - doomed, "The worker was killed when everything was done.");

        var redriven = (await RunAsync("dead", "redrive", Queue, "--all", "--json")).Succeeded().Objects[0];
        Assert.Equal(doomed, redriven.GetProperty("redriven").GetInt32());
        await using var last = StartWorker(failPercent: 0);
        (await last.FinishAsync()).Succeeded();
        Assert.Equal(_count, (await StatsAsync()).GetProperty("completed").GetInt32());
        _server.Process.Signal(15);
        Assert.Equal(0, await _server.Process.ExitAsync());
        Assert.Equal("ok", await _store.QueryAsync("pragma integrity_check"));
    }

    private RunningProcess StartWorker(int failPercent = 1) => RunningProcess.Start(
        _store.Path, RunningProcess.SampleWorker, ["--url", Url, "--queue", Queue, "--fail-percent", $"{failPercent}", "--exit-when-idle"]);

    private Task<CliResult> RunAsync(params string[] args) => RunningProcess.RunAsync(_store.Path, [.. args, "--server", Url]);

    private async Task<JsonElement> StatsAsync() => (await RunAsync("stats", Queue, "--json")).Succeeded().Objects[0];

    /// <summary>Sets a signal when no more than so many messages wait, as the live table tells.</summary>
    private RunningProcess WatchReady(int count, TaskCompletionSource reached) => RunningProcess.Start(
        _store.Path, RunningProcess.Millrace, ["top", "--json", "--interval", "100ms", "--server", Url], onLine: line =>
        {
            if (line.EndsWith('}') && JsonElement.Parse(line).GetProperty("ready").GetInt64() <= count)
            {
                reached.TrySetResult();
            }
        });

    private static void Report(string what, long started, int count)
    {
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {seconds:0.0} s, {count / seconds:0} messages/s"));
    }
}
