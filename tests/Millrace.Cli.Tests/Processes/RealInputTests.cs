using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>
/// The main job with real input: 100,000 JSON lines (2,000 in CI) go through the command line into a SQLite file and are worked with one in a hundred failing on
/// purpose. Each line is handled, failures are retried, the permanent ones are in the dead letters and come back from there, and the counts add up.
/// </summary>
public sealed class RealInputTests : IDisposable
{
    private const int MaxAttempts = 3;

    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    private readonly StoreFolder _store = new();
    private readonly int _count = TestScale.IsFull ? 100_000 : 2_000;

    private string Lines => Path.Combine(_store.Path, "lines.jsonl");

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task ACommand_WorksRealInput_AndTheCountsAddUp()
    {
        await SendAsync("packages");
        var ids = Enumerable.Range(0, _count).Select(number => number.ToString("D8", CultureInfo.InvariantCulture)).ToList();
        var unlucky = ids.Where(id => id.EndsWith("77", StringComparison.Ordinal)).ToHashSet();
        var doomed = ids.Where(id => id.EndsWith("777", StringComparison.Ordinal)).ToHashSet();

        // Keeps each line, then fails the first attempt of one in a hundred, and every attempt of one in a thousand.
        var report = await WorkAsync(
            "packages", "IFS= read -r line; printf '%s\\n' \"$line\" >> handled; case $MILLRACE_ID/$MILLRACE_ATTEMPT in *777/*|*77/1) echo unlucky >&2; exit 1;; esac");

        var handled = await File.ReadAllLinesAsync(Path.Combine(_store.Path, "handled"), Token);
        Assert.Equal((await File.ReadAllLinesAsync(Lines, Token)).ToHashSet(), [.. handled]);
        Assert.Equal(_count - doomed.Count, report.GetProperty("completed").GetInt32());
        Assert.Equal(doomed.Count, report.GetProperty("deadLettered").GetInt32());
        Assert.Equal(unlucky.Count + doomed.Count, report.GetProperty("retried").GetInt32());
        if (report.GetProperty("leaseLost").GetInt32() == 0)
        {
            Assert.Equal(_count + unlucky.Count + doomed.Count, handled.Length);
        }

        var dead = (await _store.RunAsync("dead", "list", "packages", "--limit", "1000000", "--json")).Succeeded().Objects;
        Assert.Equal(doomed, [.. dead.Select(item => item.GetProperty("id").GetString()!)]);
        Assert.All(dead, item => Assert.Equal(MaxAttempts, item.GetProperty("deadLetter").GetProperty("attempts").GetInt32()));
        Assert.All(dead, item => Assert.Equal("exit code 1: unlucky", item.GetProperty("deadLetter").GetProperty("lastError").GetString()));
        await AssertCountsAsync("packages", ready: 0, dead: doomed.Count);

        await RedriveAsync("packages", doomed.Count);
        await WorkAsync("packages", "echo $MILLRACE_ID/$MILLRACE_ATTEMPT >> again");
        var again = await ReadLinesAsync("again");
        Assert.Equal(doomed.Select(id => id + "/1").Order(StringComparer.Ordinal), again.Order(StringComparer.Ordinal));
        await AssertCountsAsync("packages", ready: 0, dead: 0);
        Assert.Equal("ok", await _store.QueryAsync("pragma integrity_check"));
    }

    [Fact]
    public async Task TheSampleWorker_WorksRealInput_AndTheCountsAddUp()
    {
        await SendAsync("packages");
        var lots = (await File.ReadAllLinesAsync(Lines, Token)).ToDictionary(line => JsonElement.Parse(line).GetProperty("id").GetString()!, SampleLot.Of);
        var doomed = lots.Where(lot => lot.Value == 0).Select(lot => lot.Key).ToHashSet();
        var unlucky = lots.Count(lot => lot.Value == 1);

        var report = await WorkWithSampleAsync(failPercent: 1);

        Assert.Equal($"handled {_count - doomed.Count}, retried {unlucky + (doomed.Count * (MaxAttempts - 1))}, dead-lettered {doomed.Count}, returned 0, lease lost 0", report);
        var dead = (await _store.RunAsync("dead", "list", "packages", "--limit", "1000000", "--json")).Succeeded().Objects;
        Assert.Equal(doomed, [.. dead.Select(item => item.GetProperty("id").GetString()!)]);
        Assert.All(dead, item => Assert.Contains("fails for good, on purpose", item.GetProperty("deadLetter").GetProperty("lastError").GetString(), StringComparison.Ordinal));
        await AssertCountsAsync("packages", ready: 0, dead: doomed.Count);

        await RedriveAsync("packages", doomed.Count);
        Assert.Equal($"handled {doomed.Count}, retried 0, dead-lettered 0, returned 0, lease lost 0", await WorkWithSampleAsync(failPercent: 0));
        await AssertCountsAsync("packages", ready: 0, dead: 0);
        Assert.Equal("ok", await _store.QueryAsync("pragma integrity_check"));
    }

    private async Task<string> WorkWithSampleAsync(int failPercent)
    {
        var started = Stopwatch.GetTimestamp();
        await using var worker = RunningProcess.Start(
            _store.Path, RunningProcess.SampleWorker, ["--url", _store.Url, "--queue", "packages", "--fail-percent", $"{failPercent}", "--exit-when-idle"]);
        var result = (await worker.FinishAsync()).Succeeded();
        var report = result.Output.Trim();
        Report("samples/SqliteWorker", started, int.Parse(report.Split(' ', ',')[1], CultureInfo.InvariantCulture));
        return report;
    }

    private async Task<string[]> ReadLinesAsync(string name)
    {
        var file = Path.Combine(_store.Path, name);
        return File.Exists(file) ? await File.ReadAllLinesAsync(file, Token) : [];
    }

    private async Task SendAsync(string queue)
    {
        var source = await PackageLines.WriteAsync(Lines, _count, Token);
        var started = Stopwatch.GetTimestamp();
        (await _store.RunAsync("send", queue, "--file", Lines, "--id-field", "id")).Succeeded();
        Report($"sent {_count} lines, {new FileInfo(Lines).Length} bytes, from {source}", started, _count);
        await AssertCountsAsync(queue, ready: _count, dead: 0);
    }

    private async Task<JsonElement> WorkAsync(string queue, string command)
    {
        var started = Stopwatch.GetTimestamp();
        await using var worker = _store.Start(
            onLine: null, "work", queue, "--exec", command, "--retry", "fixed", "--retry-delay", "50ms", "--max-attempts", $"{MaxAttempts}", "--exit-when-idle", "1s", "--json");
        var result = await worker.FinishAsync();
        Assert.True(result.Code == ExitCodes.Done, result.Error);
        var report = Assert.Single(result.Objects);
        Report("millrace work --exec", started, report.GetProperty("completed").GetInt32());
        return report;
    }

    private async Task RedriveAsync(string queue, int expected)
    {
        var redriven = (await _store.RunAsync("dead", "redrive", queue, "--all", "--json")).Succeeded().Objects[0];
        Assert.Equal(expected, redriven.GetProperty("redriven").GetInt32());
        await AssertCountsAsync(queue, ready: expected, dead: 0);
    }

    private async Task AssertCountsAsync(string queue, int ready, int dead)
    {
        var stats = (await _store.RunAsync("stats", queue, "--json")).Succeeded().Objects[0];
        Assert.Equal((ready, dead), (stats.GetProperty("ready").GetInt32(), stats.GetProperty("dead").GetInt32()));
        Assert.Equal((0, 0), (stats.GetProperty("scheduled").GetInt32(), stats.GetProperty("leased").GetInt32()));
    }

    private static void Report(string what, long started, int count)
    {
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {seconds:0.0} s, {count / seconds:0} messages/s"));
    }
}
