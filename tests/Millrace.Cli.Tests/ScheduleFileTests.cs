using System.Text;
using Millrace.App;
using Millrace.App.Schedules;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class ScheduleFileTests : IDisposable
{
    private const string Json =
        """
        {"schedules":[{"name":"beat","trigger":{"every":"00:00:05"},"message":{"text":"tick"},"queue":"beats","priority":7},
        {"name":"nightly","trigger":"0 3 * * * in Europe/Berlin","job":{"name":"report","arguments":{"to":["a","b"],"all":true,"rate":0.5,"none":null}},"start":"2099-01-01T00:00:00Z"}]}
        """;

    private const string Yaml =
        """
        # What runs when.
        schedules:
          - name: beat
            trigger: {every: 00:00:05}
            message: {text: tick}
            queue: beats
            priority: 7
          - name: nightly
            trigger: 0 3 * * * in Europe/Berlin
            job:
              name: report
              arguments: {to: [a, "b"], all: true, rate: 0.5, none: ~}
            start: 2099-01-01T00:00:00Z
        """;

    private const string Toml =
        """
        # What runs when.
        [[schedules]]
        name = "beat"
        trigger = {every = "00:00:05"}
        message = {text = "tick"}
        queue = "beats"
        priority = 7

        [[schedules]]
        name = "nightly"
        trigger = "0 3 * * * in Europe/Berlin"
        start = 2099-01-01T00:00:00Z
        [schedules.job]
        name = "report"
        arguments = {to = ["a", "b"], all = true, rate = 0.5}
        """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-");

    public static TheoryData<string, string> Files => new() { { "s.json", Json }, { "s.yaml", Yaml }, { "s.yml", Yaml }, { "s.toml", Toml } };

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [MemberData(nameof(Files))]
    public async Task AFile_OfAnyForm_DefinesTheSame_AndARepeatChangesNothing(string name, string text)
    {
        await using var world = await CliWorld.OpenAsync();
        var file = await WriteAsync(name, text);

        Assert.Equal(["created    beat", "created    nightly"], (await world.RunAsync("schedule", "apply", file)).Succeeded().Lines);
        Assert.Equal(["unchanged  beat", "unchanged  nightly"], (await world.RunAsync("schedule", "apply", file)).Succeeded().Lines);

        var listed = (await world.RunAsync("schedule", "list", "--json")).Succeeded().Objects;
        Assert.All(listed, schedule => Assert.Equal("file:" + name, schedule.GetProperty("source").GetString()));
        Assert.Equal(
            """{"name":"beat","trigger":{"every":"00:00:05"},"message":{"text":"tick"},"queue":"beats","priority":7}""", listed[0].GetProperty("definition").GetRawText());
        var nightly = listed[1].GetProperty("definition");
        Assert.Equal("2099-01-01T00:00:00+00:00", nightly.GetProperty("start").GetString());
        var arguments = nightly.GetProperty("job").GetProperty("arguments");
        Assert.Equal(("""["a","b"]""", true, 0.5), (arguments.GetProperty("to").GetRawText(), arguments.GetProperty("all").GetBoolean(), arguments.GetProperty("rate").GetDouble()));
    }

    [Fact]
    public async Task OneThatIsNotValid_IsRefusedAlone_AndStaysAsItWas()
    {
        await using var world = await CliWorld.OpenAsync();
        var file = await WriteAsync("s.yaml", "schedules: [{name: a, trigger: every 1h, job: {name: j}}, {name: b, trigger: every 1h, job: {name: j}}, {name: c, trigger: every 1h, job: {name: j}}]");
        (await world.RunAsync("schedule", "apply", file)).Succeeded();

        await WriteAsync("s.yaml", "schedules: [{name: a, trigger: 0 25 * * *, job: {name: j}}, {name: c, trigger: every 2h, job: {name: j}}]");
        var applied = await world.RunAsync("schedule", "apply", file, "--json");

        Assert.Equal(ExitCodes.Usage, applied.Code);
        Assert.Equal(["a refused", "c updated", "b orphaned"], applied.Objects.Select(line => $"{line.GetProperty("schedule").GetString()} {line.GetProperty("change").GetString()}"));
        Assert.Contains("at position 2", applied.Objects[0].GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Equal(["active", "orphaned", "active"], (await world.RunAsync("schedule", "list", "--json")).Succeeded().Objects.Select(schedule => schedule.GetProperty("status").GetString()));
    }

    [Fact]
    public async Task OneThatAFileDefinesTwice_IsRefusedAlone_AndStaysAsItWas()
    {
        await using var world = await CliWorld.OpenAsync();
        var file = await WriteAsync("s.yaml", "schedules: [{name: a, trigger: every 1h, job: {name: j}}, {name: b, trigger: every 1h, job: {name: j}}]");
        (await world.RunAsync("schedule", "apply", file)).Succeeded();

        await WriteAsync("s.yaml", "schedules: [{name: a, trigger: every 2h, job: {name: j}}, {name: c, trigger: every 1h, job: {name: j}}, {name: a, trigger: every 3h, job: {name: j}}]");
        var twice = await world.RunAsync("schedule", "apply", file, "--json");
        await WriteAsync("s.yaml", "schedules: [{name: a, trigger: every 2h, job: {name: j}}, {name: c, trigger: every 1h, job: {name: j}}, {name: a, trigger: 0 25 * * *, job: {name: j}}]");
        var andWrong = await world.RunAsync("schedule", "apply", file, "--json");

        Assert.Equal((ExitCodes.Usage, ExitCodes.Usage), (twice.Code, andWrong.Code));
        Assert.Equal(["a refused", "c created", "a refused", "b orphaned"], ChangesOf(twice));
        Assert.Contains("'a' is defined 2 times", twice.Objects[0].GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Equal(["a refused", "a refused", "c unchanged"], ChangesOf(andWrong).Take(3));
        var a = (await world.RunAsync("schedule", "list", "--json")).Succeeded().Objects[0];
        Assert.Equal(("active", "01:00:00"), (a.GetProperty("status").GetString(), a.GetProperty("definition").GetProperty("trigger").GetProperty("every").GetString()));

        static IEnumerable<string> ChangesOf(CliResult applied) => applied.Objects.Select(line => $"{line.GetProperty("schedule").GetString()} {line.GetProperty("change").GetString()}");
    }

    [Fact]
    public async Task SchedulesThatAFileHasNoMore_StayWhereTheyAreToBeKept_AndWhereOneHasNoName()
    {
        await using var world = await CliWorld.OpenAsync();
        var file = await WriteAsync("s.yaml", "schedules: [{name: a, trigger: every 1h, job: {name: j}}]");
        (await world.RunAsync("schedule", "apply", file)).Succeeded();

        await WriteAsync("s.yaml", "schedules: []");
        Assert.Empty((await world.RunAsync("schedule", "apply", file, "--keep", "--json")).Succeeded().Objects);
        await WriteAsync("s.yaml", "schedules: [{trigger: every 1h, job: {name: j}}]");
        Assert.StartsWith("refused    number 1: The field 'name' is missing", (await world.RunAsync("schedule", "apply", file)).Output, StringComparison.Ordinal);
        Assert.Equal("active", Assert.Single((await world.RunAsync("schedule", "list", "--json")).Succeeded().Objects).GetProperty("status").GetString());
    }

    [Theory]
    [InlineData("s.json", "{\"schedules\":", "no file of schedules")]
    [InlineData("s.json", "{\"schedule\":[]}", "'schedules'")]
    [InlineData("s.json", "", "no file of schedules")]
    [InlineData("s.yaml", "schedules: [{name: a, trigger: every 1h", "line 2")]
    [InlineData("s.yaml", "a: 1\n---\nb: 2", "2 documents")]
    [InlineData("s.yaml", "", "0 documents")]
    [InlineData("s.yaml", "- 1", "no file of schedules")]
    [InlineData("s.yaml", "a: &a [*a]", "line 1")]
    [InlineData("s.yaml", "? [1]\n: 2", "one word or text")]
    [InlineData("s.toml", "[[schedules]\nname=1", "no TOML")]
    public async Task AFile_ThatCannotBeRead_IsSaidToBeSo_AndNothingIsDefined(string name, string text, string why)
    {
        await using var world = await CliWorld.OpenAsync();

        (await world.RunAsync("schedule", "apply", await WriteAsync(name, text))).Failed(ExitCodes.Usage, why);
        Assert.Empty((await world.RunAsync("schedule", "list", "--json")).Succeeded().Objects);
    }

    [Fact]
    public async Task Aliases_OfASmallFile_ThatWouldBeHuge_AreRefused()
    {
        var text = new StringBuilder("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for (var i = 1; i < 12; i++)
        {
            text.Append($"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n");
        }

        var file = await WriteAsync("s.yaml", text.ToString());

        Assert.Contains("too large", Assert.Throws<MillraceConfigurationException>(() => ScheduleFileText.ReadAsJson(file)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFile_ThatIsNotThere_IsSaidToBeMissing()
    {
        await using var world = await CliWorld.OpenAsync();

        (await world.RunAsync("schedule", "apply", Path.Combine(_folder.FullName, "missing.json"))).Failed(ExitCodes.Usage, "cannot be read");
    }

    private async Task<string> WriteAsync(string name, string text)
    {
        var file = Path.Combine(_folder.FullName, name);
        await File.WriteAllTextAsync(file, text, TestContext.Current.CancellationToken);
        return file;
    }
}
