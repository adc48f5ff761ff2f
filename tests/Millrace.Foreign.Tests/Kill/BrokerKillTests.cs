using System.Diagnostics;
using System.Globalization;
using System.Text;
using Xunit;

namespace Millrace.Foreign.Tests.Kill;

/// <summary>
/// Laws Q11 and T1 by STOMP: producers that ask for receipts, single and in transactions, and consumers that acknowledge, while the broker is killed at random
/// instants. What a receipt promised must hold.
/// </summary>
public sealed class BrokerKillTests : IAsyncDisposable
{
    private const string Queue = "/queue/load";
    private const int Window = 20;
    private const int Prefetch = 50;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly StoreFolder _store = new();
    private readonly PromiseJournal _journal = new();
    private readonly int _port = FreePort.Find();
    private RunningNode? _node;
    private int _life;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        if (_node is not null)
        {
            await _node.DisposeAsync();
        }

        _store.Dispose();
    }

    [Fact]
    public async Task Q11_WhatAReceiptPromised_IsDelivered_AcrossKillsOfTheBroker()
    {
        var random = TestScale.CreateRandom();
        var kills = TestScale.IsFull ? 20 : 3;
        for (_life = 0; _life < kills; _life++)
        {
            await StartAsync();
            var load = StartLoad();
            await _journal.AfterEventsAsync(random.Next(1, 1500));
            await Task.Delay(TimeSpan.FromMilliseconds(random.NextDouble() * 20), TimeProvider.System, Token);
            await _node!.Process.KillAsync();
            await _node.DisposeAsync();
            await Task.WhenAll(load).WaitAsync(Patience, Token);
        }

        await StartAsync();
        await DrainAsync();

        _journal.Check();
        Assert.Equal("ok", await _store.QueryAsync("pragma integrity_check"));
        Assert.True(_journal.ConfirmedCount > 0 && _journal.SettledCount > 0 && _journal.PairCount > 0);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{kills} kills, {_journal.ConfirmedCount} receipts, {_journal.PairCount} transactions, "
            + $"{_journal.DeliveryCount} deliveries, {_journal.SettledCount} acknowledgements confirmed");
    }

    [Fact]
    public async Task ACutConnection_ReturnsWhatItHeld_AtOnce_InOrder()
    {
        const int Count = 50;
        await StartAsync();
        var holder = await StompSocket.ConnectAsync(_port);
        await holder.WriteAndConfirmAsync("SUBSCRIBE", $"destination:{Queue}\nid:1\nack:client-individual\nprefetch-count:{Count}");
        using var sender = await StompSocket.ConnectAsync(_port);
        foreach (var number in Enumerable.Range(0, Count))
        {
            await sender.WriteAndConfirmAsync("SEND", $"destination:{Queue}\npersistent:true", $"{number}");
            Assert.Equal($"{number}", (await holder.ReadAsync("MESSAGE")).Body);
        }

        using var waiting = await StompSocket.ConnectAsync(_port);
        await waiting.WriteAndConfirmAsync("SUBSCRIBE", $"destination:{Queue}\nid:1\nack:client-individual\nprefetch-count:{Count}");
        var stopwatch = Stopwatch.StartNew();
        holder.Cut();
        for (var number = 0; number < Count; number++)
        {
            var message = await waiting.ReadAsync("MESSAGE");
            Assert.Equal(($"{number}", true), (message.Body, message.IsRedelivered));
        }

        // The lease is 30 s: what came sooner did not wait for its end.
        Assert.InRange(stopwatch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        TestContext.Current.TestOutputHelper?.WriteLine($"{Count} messages were with the other client after {stopwatch.Elapsed.TotalMilliseconds:0.0} ms");
    }

    private async Task StartAsync() =>
        _node = await RunningNode.StartAsync(_store.Path, ["--url", $"{_store.Url}?durability=full", "--stomp", $"stomp://127.0.0.1:{_port}"]);

    private Task[] StartLoad() => [ProduceAsync(0), ProduceAsync(1), ProduceInPairsAsync(), ConsumeAsync(), ConsumeAsync()];

    private Task ProduceAsync(int producer) => UntilKilledAsync(async connection =>
    {
        for (var number = 0;; number += Window)
        {
            var ids = Enumerable.Range(number, Window).Select(each => $"{_life}/{producer}/{each}").ToArray();
            var frames = new StringBuilder();
            foreach (var id in ids)
            {
                frames.Append(CultureInfo.InvariantCulture, $"SEND\ndestination:{Queue}\npersistent:true\nreceipt:{id}\n\n{id}\0\n");
            }

            await connection.WriteAsync(frames.ToString());
            foreach (var id in ids)
            {
                Assert.Equal(id, (await connection.ReadAsync("RECEIPT"))["receipt-id"]);
                _journal.Confirmed(id);
            }
        }
    });

    private Task ProduceInPairsAsync() => UntilKilledAsync(async connection =>
    {
        for (var number = 0;; number++)
        {
            var (one, other) = ($"{_life}/one/{number}", $"{_life}/other/{number}");
            _journal.Paired(one, other);
            await connection.WriteAsync(
                $"BEGIN\ntransaction:t\n\n\0SEND\ndestination:{Queue}\npersistent:true\ntransaction:t\n\n{one}\0"
                + $"SEND\ndestination:{Queue}\npersistent:true\ntransaction:t\n\n{other}\0COMMIT\ntransaction:t\nreceipt:{one}\n\n\0");
            Assert.Equal(one, (await connection.ReadAsync("RECEIPT"))["receipt-id"]);
            _journal.Confirmed(one);
            _journal.Confirmed(other);
        }
    });

    private Task ConsumeAsync() => UntilKilledAsync(async connection =>
    {
        await connection.WriteAsync($"SUBSCRIBE\ndestination:{Queue}\nid:1\nack:client-individual\nprefetch-count:{Prefetch}\n\n\0");
        while (true)
        {
            Take(await connection.ReadAsync(), out var acknowledgement);
            if (acknowledgement is not null)
            {
                await connection.WriteAsync(acknowledgement);
            }
        }
    });

    /// <summary>What a consumer does with a frame: it notes it, and acknowledges messages with a receipt that bears their name.</summary>
    private void Take(StompFrame frame, out string? acknowledgement)
    {
        acknowledgement = null;
        if (frame.Command == "RECEIPT")
        {
            _journal.Settled(frame["receipt-id"], _life);
            return;
        }

        Assert.True(frame.Command == "MESSAGE", $"{frame.Command}: {frame.Body}");
        _journal.Delivered(frame.Body, _life, frame.IsRedelivered);
        acknowledgement = $"ACK\nid:{frame["ack"]}\nreceipt:{frame.Body}\n\n\0";
    }

    /// <summary>Everything that is left goes to one consumer, up to a last message behind all others.</summary>
    private async Task DrainAsync()
    {
        using var consumer = await StompSocket.ConnectAsync(_port);
        await consumer.WriteAndConfirmAsync("SEND", $"destination:{Queue}\npriority:0", "last");
        await consumer.WriteAsync($"SUBSCRIBE\ndestination:{Queue}\nid:1\nack:client-individual\nprefetch-count:{Prefetch}\n\n\0");
        while (await consumer.ReadAsync().WaitAsync(Patience, Token) is var frame && frame.Body != "last")
        {
            Take(frame, out var acknowledgement);
            await consumer.WriteAsync(acknowledgement ?? "\n");
        }
    }

    /// <summary>Runs with a connection of its own until the broker is gone.</summary>
    private async Task UntilKilledAsync(Func<StompSocket, Task> workAsync)
    {
        try
        {
            using var connection = await StompSocket.ConnectAsync(_port);
            await workAsync(connection);
        }
        catch (Exception exception) when (exception is IOException or System.Net.Sockets.SocketException)
        {
            // Killed.
        }
    }
}
