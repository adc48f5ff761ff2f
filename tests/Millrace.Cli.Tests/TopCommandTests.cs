using System.Text.Json;
using Millrace.App;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class TopCommandTests
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    [Fact]
    public async Task ATable_HasTheDepthsOfTheQueues_SortedAndWithRates()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunWithInputAsync("1\n2\n3\n", "send", "many")).Succeeded();
        (await world.RunAsync("send", "few", "x")).Succeeded();
        (await world.RunAsync("send", "few", "x", "--delay", "1h")).Succeeded();

        var result = (await world.RunAsync("top", "--once", "--interval", "100ms")).Succeeded();

        Assert.Equal(
            ["QUEUE READY SCHEDULED LEASED DEAD IN/S OUT/S OLDEST", "many 3 0 0 0 0.0 0.0", "few 1 1 0 0 0.0 0.0"],
            result.Lines.Select((line, index) => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Take(index == 0 ? 8 : 7))));
    }

    [Theory]
    [InlineData("name", new[] { "a", "b", "c" })]
    [InlineData("ready", new[] { "c", "a", "b" })]
    [InlineData("age", new[] { "a", "c", "b" })]
    public async Task Rows_AreSortedByTheColumn_ThenByName(string sort, string[] expected)
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("send", "a", "x")).Succeeded();
        await world.Admin.CreateQueueAsync("b", QueueSettings.Default, Token);
        (await world.RunWithInputAsync("1\n2\n", "send", "c")).Succeeded();

        var result = (await world.RunAsync("top", "--once", "--interval", "100ms", "--sort", sort, "--json")).Succeeded();

        Assert.Equal(expected, result.Objects.Select(item => item.GetProperty("queue").GetString()));
    }

    [Fact]
    public async Task Json_IsOneObjectAQueue_ForEachReading()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("send", "a1", "x")).Succeeded();
        (await world.RunAsync("send", "a2", "x")).Succeeded();
        (await world.RunAsync("send", "b", "x")).Succeeded();

        var result = (await world.RunAsync("top", "--iterations", "2", "--interval", "100ms", "--prefix", "a", "--json")).Succeeded();

        Assert.Equal(["a1", "a2", "a1", "a2"], result.Objects.Select(item => item.GetProperty("queue").GetString()));
        var first = result.Objects[0];
        Assert.Equal((1, 0, 0, 0), (Int(first, "ready"), Int(first, "scheduled"), Int(first, "leased"), Int(first, "dead")));
        Assert.Equal((0, 0), (Int(first, "enqueuedPerSecond"), Int(first, "completedPerSecond")));
        Assert.True(Int(first, "oldestReadyAgeMs") >= 0);
        Assert.True(result.Objects[2].GetProperty("at").GetDateTimeOffset() > first.GetProperty("at").GetDateTimeOffset());
    }

    [Theory]
    [InlineData("ready", "2 more queues are not shown.")]
    [InlineData("name", "Only the first 1 queues by name are read; --prefix reads others.")]
    public async Task WhatTheLimitLeavesOut_IsSaid_AndNotReadWhereItNeedNotBe(string sort, string note)
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        foreach (var name in (string[])["a", "b", "c"])
        {
            await store.CreateQueueAsync(name, QueueSettings.Default, Token);
        }

        var result = (await world.RunAsync("top", "--once", "--interval", "100ms", "--sort", sort, "--limit", "1")).Succeeded();

        Assert.Equal(note, result.Lines[^1]);
        Assert.Equal(sort == "name" ? 2 : 6, store.StatsCalls);
    }

    [Fact]
    public async Task AStoreThatIsAwayForAReading_IsSaidOnTheErrorStream_AndTheNextIsPrinted()
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        await store.CreateQueueAsync("q", QueueSettings.Default, Token);
        store.OnStats = static number => number == 2 ? throw new BackendUnavailableException("The connection was cut.") : default;

        var result = (await world.RunAsync("top", "--iterations", "2", "--interval", "100ms", "--json")).Succeeded();

        Assert.Single(result.Objects);
        Assert.Equal("millrace: The connection was cut.\n", result.Error);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task AFirstOrLastReadingThatFails_IsTheFailureOfTheCommand(int failing)
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        await store.CreateQueueAsync("q", QueueSettings.Default, Token);
        store.OnStats = number => number == failing ? throw new BackendUnavailableException("The connection was cut.") : default;

        (await world.RunAsync("top", "--once", "--interval", "100ms")).Failed(ExitCodes.Failed, "millrace: The connection was cut.");
    }

    [Fact]
    public async Task OnATerminal_AStoreThatIsAway_LeavesTheTableStanding_AndIsReadAgainWhenItIsBack()
    {
        var near = await BackendRegistry.CreateDefault().OpenAsync("memory:", cancellationToken: Token);
        var store = new DistantStore(near);
        await store.CreateQueueAsync("the-queue", QueueSettings.Default, Token);
        using var screen = new WatchedStream();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var context = new CliContext
        {
            Input = Stream.Null,
            Output = screen,
            Error = TextWriter.Null,
            IsOutputTerminal = true,
            ReadVariable = static _ => null,
            OpenBackend = (_, _) => new ValueTask<Backend>(Backend.Of("distant", store)),
        };

        var shown = screen.WaitForAsync("the-queue", Token);
        var running = CommandLine.RunAsync(["top", "--interval", "100ms", "--url", "distant:"], context, stop.Token);
        await shown;
        var fault = screen.WaitForAsync("The connection was cut.", Token);
        store.OnStats = static _ => throw new BackendUnavailableException("The connection was cut.");
        await fault;
        store.OnStats = static _ => default;
        await store.EnqueueAsync("the-queue", new[] { new Envelope("x"u8.ToArray()) }, default, Token);
        await screen.WaitForAsync("1 queues, 1 ready", Token);
        var hanging = screen.WaitForAsync("The store has not answered for", Token);
        store.OnStats = async _ => await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop.Token);
        await hanging;
        await stop.CancelAsync();

        Assert.Equal(ExitCodes.Done, await running);
        Assert.StartsWith("\e[?1049h\e[?25l", screen.Text, StringComparison.Ordinal);
        Assert.EndsWith("\e[?25h\e[?1049l\e[?1l\e>", screen.Text, StringComparison.Ordinal);
    }

    private static int Int(JsonElement item, string name) => (int)item.GetProperty(name).GetDouble();
}
