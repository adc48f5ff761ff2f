using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>Schedules as a user of a node meets them: a file, messages that come, and a node that is stopped and started again.</summary>
public sealed class ScheduleServeTests : IDisposable
{
    private const int Terminate = 15;

    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    private readonly StoreFolder _store = new();

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task ANode_DefinesTheSchedulesOfAFile_FiresThem_AndOrphansWhatTheFileHasNoMore()
    {
        var file = Path.Combine(_store.Path, "s.yaml");
        await File.WriteAllTextAsync(
            file, "schedules: [{name: beat, trigger: every 200ms, message: {text: tick}, queue: beats}, {name: wrong, trigger: 0 25 * * *, message: {text: x}, queue: q}]", Token);
        await using (var node = await RunningNode.StartAsync(_store.Path, ["--url", _store.Url, "--schedules", file]))
        {
            var server = node.Address.GetLeftPart(UriPartial.Authority);
            Assert.Equal(["tick", "tick", "tick"], (await RunAsync("receive", "beats", "--count", "3", "--wait", "30", "--server", server)).Succeeded().Lines);
            Assert.Equal("beat", Assert.Single((await RunAsync("schedule", "list", "--json", "--server", server)).Succeeded().Objects).GetProperty("name").GetString());
            (await RunAsync("schedule", "pause", "beat", "--server", server)).Succeeded();
            node.Process.Signal(Terminate);
            Assert.Equal(ExitCodes.Done, await node.Process.ExitAsync());
            Assert.Contains("The schedule 'wrong' of file:s.yaml is refused", node.Process.ErrorSoFar, StringComparison.Ordinal);
            Assert.Contains("at position 2", node.Process.ErrorSoFar, StringComparison.Ordinal);
        }

        await File.WriteAllTextAsync(file, "schedules: [{name: other, trigger: every 1h, message: {text: x}, queue: q}]", Token);
        await using (var node = await RunningNode.StartAsync(_store.Path, ["--url", _store.Url, "--schedules", file, "--no-scheduler"]))
        {
            var listed = (await RunAsync("schedule", "list", "--json", "--server", node.Address.GetLeftPart(UriPartial.Authority))).Succeeded().Objects;
            Assert.Equal(["beat orphaned", "other active"], listed.Select(schedule => $"{schedule.GetProperty("name")} {schedule.GetProperty("status")}"));
            Assert.DoesNotContain("millrace_schedules", await node.GetAsync("/metrics"), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task ANode_WhoseFileOfSchedulesIsNone_DoesNotStart()
    {
        var result = await RunAsync("serve", "--url", _store.Url, "--listen", "http://127.0.0.1:0", "--no-stomp", "--schedules", "missing.json");

        Assert.Equal((ExitCodes.Usage, ""), (result.Code, result.Output));
        Assert.Contains("millrace: The schedules file missing.json cannot be read", result.Error, StringComparison.Ordinal);
    }

    private async Task<CliResult> RunAsync(params string[] args) => await RunningProcess.RunAsync(_store.Path, args);
}
