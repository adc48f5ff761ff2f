using Millrace.Testing;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>Connections in all and by address, and the memory that all of them share.</summary>
public sealed class LimitTests
{
    private const int Megabyte = 1024 * 1024;

    private static readonly StompOptions SmallBudget = new() { MaxBodyBytes = 8 * Megabyte, MemoryBudgetBytes = 10 * Megabyte };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Connections_OverALimit_AreTold_AndOneThatEndsMakesRoom(bool perAddress)
    {
        var options = perAddress ? new StompOptions { MaxConnectionsPerAddress = 2 } : new StompOptions { MaxConnections = 2 };
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = options });
        await using var one = await broker.ConnectAsync("1.2");
        await using var two = await broker.OpenAsync();
        await broker.UntilConnectionsAsync(2);
        await using var three = await broker.OpenAsync();

        var error = await three.ErrorAsync();

        Assert.Equal("too many connections", error["message"]);
        Assert.Contains(perAddress ? "127.0.0.1" : "its limit", error.Text, StringComparison.Ordinal);
        Assert.Equal((2, 1), (broker.Broker.ConnectionCount, broker.Broker.Counters.ConnectionsRefused));
        await two.DisposeAsync();
        await broker.UntilConnectionsAsync(1);
        await using var four = await broker.ConnectAsync("1.2");
        await one.FenceAsync();
    }

    [Fact]
    public async Task LargeFrames_ThatDoNotFitTogether_WaitForOneAnother_AndAllArrive()
    {
        const int Count = 6;
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = SmallBudget });
        var body = new byte[8 * Megabyte];
        var sending = Enumerable.Range(0, Count).Select(async i =>
        {
            await using var client = await broker.ConnectAsync("1.2");
            await client.SendBytesAsync(WireClient.Frame("SEND", body, "destination:/queue/a", $"content-length:{body.Length}", "receipt:r"));
            await client.ReceiptAsync("r");
        });

        await Task.WhenAll(sending);

        Assert.Equal(Count, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Ready);
        await broker.UntilConnectionsAsync(0);
        Assert.Equal(0, broker.Broker.Resources.Budget.Used);
    }

    [Fact]
    public async Task FrameWaitsForMemory_WhatCameBeforeItIsConfirmed_AndItIsNotCutForSilence()
    {
        var clock = new ManualTimeProvider();
        await using var broker = await RunningBroker.StartAsync(setup: new() { Clock = clock, Options = SmallBudget });
        await using var holder = await broker.ConnectAsync("1.2");
        await using var waiter = await broker.ConnectAsync("1.2", "heart-beat:1000,0");
        var body = new byte[8 * Megabyte];
        var frame = WireClient.Frame("SEND", body, "destination:/queue/a", $"content-length:{body.Length}", "receipt:large");
        await holder.SendBytesAsync(frame.AsMemory(0, 100_000));
        await RunningBroker.UntilAsync(() => broker.Broker.Resources.Budget.Used > 0, "the frame has begun");

        await waiter.SendBytesAsync((byte[])[.. WireClient.Frame("SEND", "small", "destination:/queue/b", "receipt:small"), .. frame.AsSpan(0, 10_000)]);
        await waiter.ReceiptAsync("small");
        clock.Advance(TimeSpan.FromSeconds(10));
        await holder.SendBytesAsync(frame.AsMemory(100_000));
        await holder.ReceiptAsync("large");
        await waiter.SendBytesAsync(frame.AsMemory(10_000));

        await waiter.ReceiptAsync("large");
    }

    [Fact]
    public async Task FrameIsNotFinished_ItTimesOut_AndTheOthersGetItsMemory()
    {
        var clock = new ManualTimeProvider();
        await using var broker = await RunningBroker.StartAsync(setup: new() { Clock = clock, Options = SmallBudget });
        await using var hostile = await broker.ConnectAsync("1.2");
        await using var honest = await broker.ConnectAsync("1.2");
        var body = new byte[8 * Megabyte];
        var frame = WireClient.Frame("SEND", body, "destination:/queue/a", $"content-length:{body.Length}", "receipt:r");
        await hostile.SendBytesAsync(frame.AsMemory(0, 20_000));
        await RunningBroker.UntilAsync(() => broker.Broker.Resources.Budget.Used > 8 * Megabyte, "the frame has begun");
        var sending = honest.SendBytesAsync(frame);
        await RunningBroker.UntilAsync(() => broker.Broker.Resources.Budget.Waiting > 0, "the other frame waits for memory");

        // Second by second: from when on the hostile one stands still is not known to the second.
        await RunningBroker.UntilAsync(
            () =>
            {
                clock.Advance(TimeSpan.FromSeconds(1));
                return broker.Broker.Resources.Budget.Waiting == 0;
            },
            "the unfinished frame has given its memory up");
        await sending;
        await honest.ReceiptAsync("r");
        Assert.Equal("malformed frame", (await hostile.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task FramesWithoutALength_ThatTakeAllMemory_AreRefused_AndNeighboursStay()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = SmallBudget });
        await using var neighbour = await broker.ConnectAsync("1.2");
        await neighbour.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        var hostile = new List<WireClient>();
        for (var i = 0; i < 3; i++)
        {
            hostile.Add(await broker.ConnectAsync("1.2"));
            try
            {
                await hostile[i].SendTextAsync("SEND\ndestination:/queue/a\n\n" + new string('x', 6 * Megabyte));
            }
            catch (System.Net.Sockets.SocketException)
            {
                // Refused before it had sent all of it.
            }
        }

        await neighbour.ConfirmMessageAsync("/queue/a", "still here");

        Assert.Equal("still here", (await neighbour.MessageAsync()).Text);
        await RunningBroker.UntilAsync(() => broker.Log.Entries.Count(entry => entry.Whole.Contains("out of memory budget", StringComparison.Ordinal)) >= 2, "those that do not fit are refused");
        foreach (var client in hostile)
        {
            await client.DisposeAsync();
        }

        await broker.UntilConnectionsAsync(1);
        Assert.Equal(0, broker.Broker.Resources.Budget.Used);
    }

    [Fact]
    public async Task UnfinishedFrames_OfManyConnections_TakeNoMoreThanTheBudget()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = SmallBudget });
        var hostile = new List<WireClient>();
        for (var i = 0; i < 50; i++)
        {
            hostile.Add(await broker.ConnectAsync("1.2"));
            await hostile[i].SendTextAsync($"SEND\ndestination:/queue/a\ncontent-length:{8 * Megabyte}\n\n{new string('x', 9_000)}");
        }

        await using var neighbour = await broker.ConnectAsync("1.2");
        await neighbour.ConfirmMessageAsync("/queue/a", "small");
        await RunningBroker.UntilAsync(() => broker.Broker.Resources.Budget.Waiting == 49, "all but one wait");
        Assert.InRange(broker.Broker.Resources.Budget.Used, 1, SmallBudget.MemoryBudgetBytes);
        foreach (var client in hostile)
        {
            client.Cut();
        }

        await broker.UntilConnectionsAsync(1);
        Assert.Equal(0, broker.Broker.Resources.Budget.Used);
    }
}
