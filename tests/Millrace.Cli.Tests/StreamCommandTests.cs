using Millrace.App;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class StreamCommandTests
{
    [Fact]
    public async Task Create_MakesAStream_AndLeavesOneThatExists()
    {
        await using var world = await CliWorld.OpenAsync();

        Assert.Equal("Created stream 's'.\n", (await world.RunAsync("stream", "create", "s", "--partitions", "2", "--max-records", "5")).Succeeded().Output);
        Assert.Equal("{\"stream\":\"s\",\"created\":false}\n", (await world.RunAsync("stream", "create", "s", "--partitions", "2", "--json")).Succeeded().Output);

        (await world.RunAsync("stream", "create", "s", "--partitions", "3")).Failed(ExitCodes.Usage, "2 partitions");
        (await world.RunAsync("stream", "create", "t", "--partitions", "0")).Failed(ExitCodes.Usage, "partitions");
    }

    [Fact]
    public async Task Append_SpreadsByKey_AndTail_PrintsWhatIsThere()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("stream", "create", "s", "--partitions", "4")).Succeeded();

        var single = (await world.RunAsync("stream", "append", "s", "one", "--key", "k", "--json")).Succeeded().Objects[0];
        (await world.RunWithInputAsync("{\"c\":\"k\",\"n\":2}\n{\"c\":\"k\",\"n\":3}\n", "stream", "append", "s", "--key-field", "c")).Succeeded();

        var partition = single.GetProperty("partition").GetInt32().ToString(System.Globalization.CultureInfo.InvariantCulture);
        var all = (await world.RunAsync("stream", "tail", "s", "--from", "first", "--partition", partition)).Succeeded();
        Assert.Equal(["one", "{\"c\":\"k\",\"n\":2}", "{\"c\":\"k\",\"n\":3}"], all.Lines);
        var last = Assert.Single((await world.RunAsync("stream", "tail", "s", "--json")).Succeeded().Objects);
        Assert.Equal(("k", 2L, "{\"c\":\"k\",\"n\":3}"), (last.GetProperty("key").GetString(), last.GetProperty("offset").GetInt64(), last.GetProperty("body").GetString()));
        Assert.Equal(["{\"c\":\"k\",\"n\":2}"], (await world.RunAsync("stream", "tail", "s", "--partition", partition, "--from", "1", "-n", "1")).Succeeded().Lines);
        Assert.Equal(ExitCodes.Nothing, (await world.RunAsync("stream", "tail", "s", "--from", "next")).Code);
    }

    [Fact]
    public async Task Tail_ThatFollows_PrintsWhatComes_UntilItIsStopped()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("stream", "create", "s")).Succeeded();
        (await world.RunAsync("stream", "append", "s", "before")).Succeeded();

        var following = world.RunAsync("stream", "tail", "s", "-f", "--from", "first", "--count", "2");
        (await world.RunAsync("stream", "append", "s", "after")).Succeeded();

        Assert.Equal(["before", "after"], (await following).Succeeded().Lines);
    }

    [Fact]
    public async Task Groups_AreMoved_Shown_AndForgotten()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("stream", "create", "s", "--partitions", "2")).Succeeded();
        (await world.RunWithInputAsync("a\nb\nc\n", "stream", "append", "s", "--text", "--partition", "1")).Succeeded();

        (await world.RunAsync("stream", "seek", "s", "--group", "g", "--to", "first")).Succeeded();
        (await world.RunAsync("stream", "seek", "s", "-g", "g", "--partition", "1", "--to", "1")).Succeeded();

        Assert.Equal(
            ["GROUP  PARTITION  OFFSET  END  LAG  OWNER", "g      0          0       0    0    -", "g      1          1       3    2    -"],
            (await world.RunAsync("stream", "groups", "s")).Succeeded().Lines);
        Assert.Equal(["b", "c"], (await world.RunAsync("stream", "tail", "s", "--group", "g")).Succeeded().Lines);
        (await world.RunAsync("stream", "seek", "s", "--group", "g", "--partition", "1", "--to", "4")).Failed(ExitCodes.Usage, "ends at 3");
        (await world.RunAsync("stream", "groups", "s", "--group", "g", "--delete")).Succeeded();
        (await world.RunAsync("stream", "groups", "s", "--group", "g")).Failed(ExitCodes.NotFound, "no group 'g'");
    }

    [Fact]
    public async Task Trim_RemovesTheOldest_AndReadingThem_NamesTheEarliest()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("stream", "create", "s")).Succeeded();
        (await world.RunWithInputAsync("a\nb\nc\n", "stream", "append", "s", "--text")).Succeeded();

        Assert.Equal("Removed 2 records of stream 's'.\n", (await world.RunAsync("stream", "trim", "s", "--before", "2")).Succeeded().Output);

        Assert.Equal(["c"], (await world.RunAsync("stream", "tail", "s", "--from", "first")).Succeeded().Lines);
        (await world.RunAsync("stream", "tail", "s", "--from", "0")).Failed(ExitCodes.Failed, "the earliest is 2");
        (await world.RunAsync("stream", "trim", "s", "--before", "9")).Failed(ExitCodes.Usage, "ends at 3");
    }

    [Fact]
    public async Task Delete_NeedsForce_WhereThereAreRecords()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("stream", "create", "s", "--partitions", "2")).Succeeded();
        (await world.RunAsync("stream", "append", "s", "x")).Succeeded();

        Assert.Equal(["STREAM  PARTITIONS  RECORDS  BYTES", "s       2           1        23"], (await world.RunAsync("stream", "list")).Succeeded().Lines);
        (await world.RunAsync("stream", "delete", "s")).Failed(ExitCodes.Usage, "--force");
        Assert.Equal("Deleted stream 's' with 1 records.\n", (await world.RunAsync("stream", "delete", "s", "--force")).Succeeded().Output);

        Assert.Empty((await world.RunAsync("stream", "list", "--json")).Succeeded().Lines);
        (await world.RunAsync("stream", "tail", "s")).Failed(ExitCodes.NotFound, "no stream 's'");
        (await world.RunAsync("stream", "append", "s", "x")).Failed(ExitCodes.NotFound, "no stream 's'");
    }

    [Theory]
    [InlineData("--from", "yesterday", "a time such as")]
    [InlineData("--partition", "7", "no partition 7")]
    public async Task Tail_FromNowhere_SaysWhatThereIs(string option, string value, string expected)
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("stream", "create", "s")).Succeeded();

        (await world.RunAsync("stream", "tail", "s", option, value)).Failed(ExitCodes.Usage, expected);
    }

    [Fact]
    public async Task Streams_OfABackendWithoutThem_NameThoseThatHaveThem()
    {
        var (world, _) = await CliWorld.OpenDistantAsync();
        await using var dispose = world;

        (await world.RunAsync("stream", "list")).Failed(ExitCodes.Usage, "memory");
        Assert.Null(world.Backend.Find<IStreamStore>());
    }

}
