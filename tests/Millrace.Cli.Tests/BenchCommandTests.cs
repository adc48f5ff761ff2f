using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.App;
using Millrace.App.Bench;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class BenchCommandTests
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    [Fact]
    public async Task AMeasurement_CountsEveryMessageOnce_AndLeavesNoQueue()
    {
        await using var world = await CliWorld.OpenAsync();

        var result = Assert.Single((await world.RunAsync("bench", "--messages", "2500", "--batch", "100", "--size", "64", "--json")).Succeeded().Objects);

        Assert.Equal(("memory", "none", 2500, 2500), (Text(result, "backend"), Text(result, "durability"), Int(result, "sent"), Int(result, "cycled")));
        Assert.Equal(2500 + Int(result, "warmUpMessages"), Int(result, "acknowledged"));
        Assert.Equal((true, 0, 0, 0), (result.GetProperty("exactlyOnce").GetBoolean(), Int(result, "lost"), Int(result, "duplicates"), Int(result, "errors")));
        Assert.True(Number(result, "sentPerSecond") > 0);
        Assert.Equal(Number(result, "cycledPerSecond") * 64, Number(result, "bytesPerSecond"), Number(result, "bytesPerSecond") * 0.01);
        Assert.True(Number(result, "latencyP50Ms") <= Number(result, "latencyP99Ms") && Number(result, "latencyP999Ms") <= Number(result, "latencyMaxMs"));
        Assert.Equal("send", Text(result, "latencyFrom"));
        Assert.Empty(await world.Admin.ListQueuesAsync(cancellationToken: Token));
    }

    [Fact]
    public async Task AReport_SaysWhatWasMeasured()
    {
        await using var world = await CliWorld.OpenAsync();

        var lines = (await world.RunAsync("bench", "--duration", "300ms", "--senders", "2", "--workers", "3", "--batch", "10")).Succeeded().Lines;

        Assert.Equal("backend     memory, durability none: what is acknowledged lives in the memory of a process", lines[0]);
        Assert.Equal("load        2 senders, 3 workers, batches of 10, bodies of 256 bytes", lines[1]);
        Assert.Equal("errors      0", lines[6]);
        Assert.Matches("^check       each of [0-9,]+ messages was received exactly once$", lines[7]);
        Assert.Equal(8, lines.Length);
    }

    [Fact]
    public async Task AtAGivenRate_AStallCountsForEveryMessageThatWasToBeSentMeanwhile()
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;

        // The warm-up is a tenth. (A timer may be a millisecond early.) While the first measured send takes 0.4 s, 40 more become due, of which the sender knows nothing.
        store.OnEnqueue = async (number, enqueue) =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(number == 6 ? 400 : 0), TimeProvider.System, Token);
            await enqueue();
        };

        var result = (await world.RunAsync("bench", "--rate", "100", "--messages", "50", "--senders", "1", "--json")).Succeeded().Objects[0];

        Assert.Equal((50, "intended-send"), (Int(result, "sent"), Text(result, "latencyFrom")));
        Assert.InRange(Number(result, "latencyMaxMs"), 390, 10_000);
        Assert.InRange(Number(result, "latencyP50Ms"), 100, 10_000);
        Assert.InRange(Number(result, "sendMs"), 480, 10_000);
    }

    [Fact]
    public async Task WhatIsNotKeptUpWith_IsSaid()
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        store.OnEnqueue = static async (_, enqueue) =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
            await enqueue();
        };

        var lines = (await world.RunAsync("bench", "--rate", "2000", "--messages", "100", "--senders", "1")).Succeeded().Lines;

        Assert.Equal("The store did not keep up with 2,000/s: the latency is that of a backlog that grew.", lines[^1]);
    }

    [Theory]
    [InlineData(0, 10, 0)]
    [InlineData(2, 0, 10)]
    public async Task MessagesThatAStoreLosesOrRepeats_AreFound(int stored, long lost, long duplicates)
    {
        var (_, store) = await CliWorld.OpenDistantAsync();
        await using var owned = store;
        store.OnEnqueue = async (number, enqueue) =>
        {
            for (var i = 0; i < (number == 3 ? stored : 1); i++)
            {
                await enqueue();
            }
        };

        var result = await MeasureAsync(store);

        Assert.Equal((lost, duplicates, false), (result.Lost, result.Duplicates, result.IsExactlyOnce));
        Assert.Empty(await store.ListQueuesAsync(cancellationToken: Token));
    }

    [Theory]
    [InlineData(true, true, 10)]
    [InlineData(false, true, 10)]
    [InlineData(false, false, 0)]
    public async Task ASendThatFails_IsAnError_AndNoLoss(bool isStored, bool mayHaveBeenApplied, long uncertain)
    {
        var (_, store) = await CliWorld.OpenDistantAsync();
        await using var owned = store;
        store.OnEnqueue = async (number, enqueue) =>
        {
            if (number != 3 || isStored)
            {
                await enqueue();
            }

            if (number == 3)
            {
                throw new BackendUnavailableException("The connection was cut.", mayHaveBeenApplied);
            }
        };

        var result = await MeasureAsync(store);

        Assert.Equal((1, uncertain, true), (result.Errors, result.Uncertain, result.IsExactlyOnce));
        Assert.Equal(100, result.Acknowledged);
    }

    [Fact]
    public async Task ASettlementThatFails_IsRepeated()
    {
        var (_, store) = await CliWorld.OpenDistantAsync();
        await using var owned = store;
        var failures = 2;
        store.OnSettle = () =>
        {
            if (Interlocked.Decrement(ref failures) >= 0)
            {
                throw new BackendUnavailableException("The connection was cut.");
            }
        };

        var result = await MeasureAsync(store);

        Assert.Equal((2, true), (result.Errors, result.IsExactlyOnce));
    }

    [Fact]
    public async Task AStoreThatRefusesEverything_EndsTheMeasurement()
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        store.OnEnqueue = static (_, _) => throw new BackendUnavailableException("The disk is full.");

        var result = await world.RunAsync("bench", "--messages", "100000", "--senders", "100", "--batch", "1");

        result.Failed(ExitCodes.Failed, "millrace: The disk is full.");
        Assert.Empty(await world.Admin.ListQueuesAsync(cancellationToken: Token));
    }

    [Fact]
    public async Task AFaultThatDoesNotPass_EndsTheMeasurement_AndTheQueueIsDeleted()
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        store.OnEnqueue = static (number, enqueue) => number < 5 ? enqueue() : throw new StorageCorruptException("Page 7 is damaged.");

        (await world.RunAsync("bench")).Failed(ExitCodes.Damaged, "millrace: Page 7 is damaged.");

        Assert.Empty(await world.Admin.ListQueuesAsync(cancellationToken: Token));
    }

    [Fact]
    public async Task BeingToldToStop_DeletesTheQueue()
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        store.OnEnqueue = (number, enqueue) =>
        {
            if (number == 20)
            {
                stop.Cancel();
            }

            return enqueue();
        };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => world.RunAsync("", ["bench", "--duration", "10m"], stop.Token));

        Assert.Empty(await world.Admin.ListQueuesAsync(cancellationToken: Token));
    }

    [Fact]
    public async Task AQueueWithMessages_IsRefused_AndLeftAsItIs()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("send", "mine", "x")).Succeeded();

        (await world.RunAsync("bench", "--queue", "mine")).Failed(ExitCodes.Usage, "Queue 'mine' has 1 messages, 0 of them dead letters: bench measures on an empty queue only.");

        Assert.Equal(1, (await world.Admin.GetStatsAsync("mine", Token)).Ready);
    }

    [Fact]
    public async Task AnEmptyQueueThatWasThere_StaysWithItsSettings()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("queue", "create", "mine", "--max-deliveries", "3")).Succeeded();

        (await world.RunAsync("bench", "--queue", "mine", "--messages", "100")).Succeeded();

        Assert.Equal(3, (await world.Admin.GetSettingsAsync("mine", Token)).MaxDeliveries);
        Assert.Equal(0, (await world.Admin.GetStatsAsync("mine", Token)).Ready);
    }

    [Fact]
    public async Task AMessageOfSomebodyElse_EndsTheMeasurement_AndIsNotTakenAway()
    {
        var (world, store) = await CliWorld.OpenDistantAsync();
        await using var _ = world;
        var other = new MessageId("other");
        store.OnEnqueue = async (number, enqueue) =>
        {
            await enqueue();
            if (number == 5)
            {
                var queue = Assert.Single(await store.ListQueuesAsync(cancellationToken: Token));
                await store.EnqueueAsync(queue, new[] { new Envelope(new byte[100]) { Id = other } }, default, Token);
            }
        };

        (await world.RunAsync("bench", "--queue", "shared", "--duration", "10m")).Failed(ExitCodes.Failed, "Queue 'shared' has a message that this bench did not send");

        Assert.Equal((MessageState.Ready, 0), await store.GetMessageAsync("shared", other, Token) is { } message ? (message.State, message.Attempts) : default);
    }

    [Fact]
    public async Task ABodyThatTheStoreDoesNotTake_IsRefused()
    {
        await using var world = await CliWorld.OpenAsync();

        (await world.RunAsync("bench", "--size", "33554433", "--batch", "1")).Failed(ExitCodes.Usage, "32 MiB");
    }

    private static async Task<BenchResult> MeasureAsync(DistantStore store)
    {
        var plan = new BenchPlan { Queue = "bench", Messages = 100, Senders = 1, Workers = 2, Batch = 10, Size = 100, Patience = TimeSpan.FromMilliseconds(500) };
        var context = new CliContext { Input = Stream.Null, Output = Stream.Null, Error = TextWriter.Null };
        using var run = new BenchRun(store, store, plan, context, NullLoggerFactory.Instance);
        return await run.RunAsync(Token);
    }

    private static string? Text(JsonElement item, string name) => item.GetProperty(name).GetString();

    private static double Number(JsonElement item, string name) => item.GetProperty(name).GetDouble();

    private static int Int(JsonElement item, string name) => item.GetProperty(name).GetInt32();
}
