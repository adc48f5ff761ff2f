using System.Text;
using Millrace.App;
using Millrace.App.Commands;
using Millrace.Storage;
using Millrace.Streams;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class ScheduleCommandTests
{
    private static readonly string[] Nightly = ["schedule", "add", "nightly", "--cron", "0 3 29 2 *", "--zone", "Europe/Berlin", "--message", "x", "--queue", "q", "--tag", "reports"];

    [Fact]
    public async Task Add_DefinesASchedule_AndSaysWhatHasChanged()
    {
        await using var world = await CliWorld.OpenAsync();

        Assert.StartsWith("Created schedule 'nightly': due next at 20", (await world.RunAsync(Nightly)).Succeeded().Output, StringComparison.Ordinal);
        Assert.StartsWith("Nothing has changed in schedule 'nightly': due next at 20", (await world.RunAsync(Nightly)).Succeeded().Output, StringComparison.Ordinal);
        var changed = Assert.Single((await world.RunAsync([.. Nightly, "--disabled", "--json"])).Succeeded().Objects);
        Assert.Equal("""{"schedule":"nightly","change":"updated","status":"disabled","nextDue":null}""", changed.GetRawText());
    }

    [Fact]
    public async Task Add_TakesEverythingThatADefinitionHas()
    {
        await using var world = await CliWorld.OpenAsync();

        (await world.RunAsync(
            "schedule", "add", "s", "--cron", "*/5 * * * *", "--job", "report", "--job-version", "2", "--arguments", """{"to":"all"}""", "--misfire", "fire-all:5", "--misfire-grace", "1m",
            "--overlap", "allow:3", "--retry", "fixed:5:10s", "--timeout", "1h", "--jitter", "2s", "--start", "2099-01-01T01:00:00", "--end", "2099-02-01T00:00:00Z", "--zone", "Europe/Berlin", "--max-runs", "9", "--priority", "7",
            "--tag", "a", "--tag", "b", "--metadata", "team=a=b", "--description", "why")).Succeeded();

        var shown = Assert.Single((await world.RunAsync("schedule", "show", "s", "--json")).Succeeded().Objects);
        Assert.Equal(
            """
            {"name":"s","trigger":{"cron":"*/5 * * * *","zone":"Europe/Berlin"},"job":{"name":"report","version":2,"arguments":{"to":"all"}},"description":"why","start":"2099-01-01T00:00:00+00:00",
            "end":"2099-02-01T00:00:00+00:00","jitterMs":2000,"maxRuns":9,"misfire":{"policy":"fireAll","count":5,"graceMs":60000},"overlap":{"policy":"allow","count":3},"timeoutMs":3600000,
            "retry":{"kind":"fixed","maxAttempts":5,"delayMs":10000},"priority":7,"tags":["a","b"],"metadata":{"team":"a=b"}}
            """.ReplaceLineEndings(""),
            shown.GetProperty("definition").GetRawText());
    }

    [Theory]
    [InlineData("0 3 * * FRX", 8)]
    [InlineData("0 25 * * *", 2)]
    [InlineData("0 3 * *", 7)]
    public async Task Add_WithAWrongExpression_ShowsWhereItIsWrong(string cron, int position)
    {
        await using var world = await CliWorld.OpenAsync();

        var result = await world.RunAsync("schedule", "add", "s", "--cron", cron, "--message", "x");

        Assert.Equal(ExitCodes.Usage, result.Code);
        var lines = result.Error.TrimEnd().Split('\n');
        Assert.Equal(("  " + cron, "  " + new string(' ', position) + "^"), (lines[1].TrimEnd('\r'), lines[2].TrimEnd('\r')));
        Assert.Empty((await world.RunAsync("schedule", "list", "--json")).Succeeded().Objects);
    }

    [Theory]
    [InlineData("by one of --cron, --every and --at", new[] { "--message", "x" })]
    [InlineData("by one of --cron, --every and --at", new[] { "--every", "5m", "--cron", "* * * * *", "--message", "x" })]
    [InlineData("by one of --job, --message and --message-json", new[] { "--every", "5m" })]
    [InlineData("--arguments are those of a job", new[] { "--every", "5m", "--message", "x", "--arguments", "{}" })]
    [InlineData("--arguments takes JSON", new[] { "--every", "5m", "--job", "x", "--arguments", "{" })]
    [InlineData("--overlap does not take 'allow:0'", new[] { "--every", "5m", "--job", "x", "--overlap", "allow:0" })]
    [InlineData("--misfire does not take 'all'", new[] { "--every", "5m", "--job", "x", "--misfire", "all" })]
    [InlineData("--retry does not take '3'", new[] { "--every", "5m", "--job", "x", "--retry", "3" })]
    [InlineData("--start takes a time", new[] { "--every", "5m", "--job", "x", "--start", "soon" })]
    [InlineData("--end takes a time", new[] { "--every", "5m", "--job", "x", "--end", "03/04/2027" })]
    [InlineData("--header is that of a message", new[] { "--every", "5m", "--job", "x", "--header", "a=b" })]
    [InlineData("--metadata needs NAME=VALUE, not 'a'", new[] { "--every", "5m", "--job", "x", "--metadata", "a" })]
    [InlineData("--metadata gives 'a' twice", new[] { "--every", "5m", "--job", "x", "--metadata", "a=1", "--metadata", "a=2" })]
    [InlineData("must be 0 to 9, not 10", new[] { "--every", "5m", "--job", "x", "--priority", "10" })]
    [InlineData("by --queue", new[] { "--every", "5m", "--message", "x" })]
    [InlineData("by --queue", new[] { "--every", "5m", "--message-json", "{}" })]
    [InlineData("must be 1 s to a day", new[] { "--every", "5m", "--job", "x", "--misfire", "skip", "--misfire-grace", "0s" })]
    [InlineData("never due", new[] { "--at", "2001-01-01T00:00:00Z", "--job", "x" })]
    public async Task Add_WithOptionsThatCannotBe_SaysWhy(string why, string[] options)
    {
        await using var world = await CliWorld.OpenAsync();

        (await world.RunAsync(["schedule", "add", "s", .. options])).Failed(ExitCodes.Usage, why);
    }

    [Fact]
    public async Task ASchedule_IsListedPausedRunResumedAndRemoved()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync(Nightly)).Succeeded();
        (await world.RunAsync("schedule", "add", "other", "--every", "1h", "--job", "j")).Succeeded();

        Assert.Equal("Paused schedule 'nightly'.\n", (await world.RunAsync("schedule", "pause", "nightly")).Succeeded().Output);
        var run = Assert.Single((await world.RunAsync("schedule", "run-now", "nightly")).Succeeded().Lines);
        Assert.Equal("x\n", (await world.RunAsync("receive", "q")).Succeeded().Output);
        Assert.StartsWith("nightly@1@", run, StringComparison.Ordinal);

        var lines = (await world.RunAsync("schedule", "list", "--tag", "reports")).Succeeded().Lines;
        Assert.Equal(2, lines.Length);
        Assert.Equal("SCHEDULE STATUS TRIGGER NEXT DUE FIRED OPEN FAILED SKIPPED SOURCE", string.Join(' ', lines[0].Split("  ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)));
        Assert.Equal(["nightly", "paused", "0 3 29 2 * in Europe/Berlin", "-", "1", "0", "0", "0", "api"], lines[1].Split("  ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        Assert.Equal(["other"], (await world.RunAsync("schedule", "list", "--status", "active", "--json")).Succeeded().Objects.Select(schedule => schedule.GetProperty("name").GetString()));
        Assert.Empty((await world.RunAsync("schedule", "list", "x", "--json")).Succeeded().Objects);
        Assert.Equal(3, (await world.RunAsync("schedule", "next", "nightly", "--count", "3")).Succeeded().Lines.Length);
        Assert.Contains("status:    paused", (await world.RunAsync("schedule", "show", "nightly")).Succeeded().Lines);

        Assert.Equal("{\"schedule\":\"nightly\",\"paused\":false,\"status\":\"active\"}\n", (await world.RunAsync("schedule", "resume", "nightly", "--json")).Succeeded().Output);
        Assert.Equal("Removed schedule 'nightly'.\n", (await world.RunAsync("schedule", "remove", "nightly")).Succeeded().Output);
        foreach (var word in new[] { "show", "next", "run-now", "pause", "resume", "remove" })
        {
            (await world.RunAsync("schedule", word, "nightly")).Failed(ExitCodes.NotFound, "There is no schedule 'nightly'.");
        }
    }

    [Fact]
    public async Task Resume_OfWhatIsNotFiredForAnotherReason_SaysSo()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync([.. Nightly, "--disabled", "--header", "a=b"])).Succeeded();
        (await world.RunAsync("schedule", "pause", "nightly")).Succeeded();

        Assert.Equal("Resumed schedule 'nightly'; it is not fired, for its definition disables it.\n", (await world.RunAsync("schedule", "resume", "nightly")).Succeeded().Output);
    }

    [Fact]
    public async Task History_ListsRuns_TheNewestFirst_AndSummarizesThem()
    {
        await using var world = await CliWorld.OpenAsync();
        await using var streams = StreamAccess.Open(world.Backend, new CliContext { Input = Stream.Null, Output = Stream.Null, Error = TextWriter.Null });
        Assert.Empty((await world.RunAsync("schedule", "history", "--json")).Succeeded().Objects);
        Assert.Null(await streams.Streams.GetAsync("millrace-runs", TestContext.Current.CancellationToken));
        await streams.Streams.CreateAsync("millrace-runs", new StreamSettings(), TestContext.Current.CancellationToken);
        var history = await streams.Streams.OpenPartitionAsync("millrace-runs", 0, TestContext.Current.CancellationToken);
        await history.AppendAsync(
            new AppendRequest(new[] { RunOf("s@1@1", "succeeded", 5), RunOf("s@1@2", "failed", 1000), RunOf("t@1@1", "succeeded", 5) }), TestContext.Current.CancellationToken);

        Assert.Equal(
            ["t@1@1", "s@1@2", "s@1@1"], (await world.RunAsync("schedule", "history", "--json")).Succeeded().Objects.Select(run => run.GetProperty("run").GetString()));
        Assert.Equal(["s@1@2"], (await world.RunAsync("schedule", "history", "--outcome", "failed", "--json")).Succeeded().Objects.Select(run => run.GetProperty("run").GetString()));
        Assert.Equal(["s@1@2"], (await world.RunAsync("schedule", "history", "s", "--limit", "1", "--json")).Succeeded().Objects.Select(run => run.GetProperty("run").GetString()));
        var line = (await world.RunAsync("schedule", "history", "s", "--run", "s@1@2")).Succeeded().Lines[1];
        Assert.Equal(["2099-01-01T00:00:01Z", "s", "j", "failed", "1", "2099-01-01T00:00:00Z", "1s", "host/1", "boom"], line.Split("  ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        await history.AppendAsync(
            new AppendRequest(new[]
            {
                new StreamRecord
                {
                    Body = """{"run":"u@1@1","schedule":"u","queue":"jobs","outcome":"skipped","due":4070908800000000,"count":1261,"until":4070908801000000,"finished":4070908801000000,"node":"n","error":"misfire"}"""u8.ToArray(),
                },
            }),
            TestContext.Current.CancellationToken);
        Assert.EndsWith("misfire, 1,261 until 2099-01-01T00:00:01Z", (await world.RunAsync("schedule", "history", "u")).Succeeded().Lines[1], StringComparison.Ordinal);
        var lines = (await world.RunAsync("schedule", "history", "s", "--statistics")).Succeeded().Lines;
        Assert.Equal(["succeeded: 1", "failed:    1", "took:      5ms to 1s, 503ms on average, 99 of 100 within 1s"], lines.Where((_, index) => index is 0 or 2 or 6));
    }

    [Fact]
    public async Task AStore_WithoutState_IsSaidToHaveNoSchedules()
    {
        var (world, _) = await CliWorld.OpenDistantAsync();
        await using var dispose = world;

        (await world.RunAsync("schedule", "list")).Failed(ExitCodes.Usage, "distant");
    }

    // As the history has them, with times in microseconds since 1970: due at the beginning of 2099, ended a second later.
    private static StreamRecord RunOf(string id, string outcome, int ms) => new()
    {
        Body = Encoding.UTF8.GetBytes(
            $$"""
            {"run":"{{id}}","job":"j","schedule":"{{id[..1]}}","queue":"jobs","outcome":"{{outcome}}","due":4070908800000000,"started":4070908800000000,"finished":4070908801000000,
            "took":{{ms * 1000}},"node":"host/1","attempt":1,"error":"boom"}
            """),
    };
}
