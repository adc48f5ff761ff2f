using Millrace.Testing;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>Heart-beats, both ways, on a clock that moves when it is told to.</summary>
public sealed class HeartBeatTests
{
    private readonly ManualTimeProvider _clock = new();

    [Theory]
    [InlineData("0,0", "0,0")]
    [InlineData("1000,0", "0,1000")]
    [InlineData("0,2000", "2000,0")]
    [InlineData("1000,2000", "2000,1000")]
    [InlineData("1,1", "100,100")]
    [InlineData("1000, 2000", "2000,1000")]
    public async Task Connected_SaysWhatWasAgreed(string asked, string agreed)
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Clock = _clock });
        await using var client = await broker.OpenAsync();

        await client.SendAsync("CONNECT", "accept-version:1.2", "host:test", $"heart-beat:{asked}");

        Assert.Equal(agreed, (await client.NextAsync())["heart-beat"]);
    }

    [Theory]
    [InlineData("10")]
    [InlineData("a,b")]
    [InlineData("-1,0")]
    [InlineData("1,2,3")]
    [InlineData(",")]
    [InlineData("99999999999,0")]
    public async Task Connect_WithAHeaderThatIsNone_IsAnError(string asked)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.OpenAsync();

        await client.SendAsync("CONNECT", "accept-version:1.2", "host:test", $"heart-beat:{asked}");

        Assert.Equal("malformed frame", (await client.ErrorAsync())["message"]);
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task Broker_Beats_WithinWhatItPromised(string version)
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Clock = _clock });
        await using var client = await broker.ConnectAsync(version, "heart-beat:0,1000");

        // Behind it, the broker has begun to count.
        await client.FenceAsync();
        for (var i = 1; i <= 5; i++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));

            Assert.Equal(i, await client.HeartBeatAsync());
        }
    }

    [Fact]
    public async Task Broker_DoesNotBeat_WhereNobodyWantsIt()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Clock = _clock });
        await using var client = await broker.ConnectAsync("1.2", "heart-beat:0,0");

        _clock.Advance(TimeSpan.FromMinutes(10));
        await client.FenceAsync();

        Assert.Equal(0, client.HeartBeats);
    }

    [Fact]
    public async Task Broker_FramesAreBeats()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Clock = _clock });
        await using var client = await broker.ConnectAsync("1.2", "heart-beat:0,1000");
        for (var i = 0; i < 10; i++)
        {
            _clock.Advance(TimeSpan.FromMilliseconds(500));
            await client.FenceAsync();
        }

        Assert.Equal(0, client.HeartBeats);
    }

    [Fact]
    public async Task Client_ThatBeats_Stays()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Clock = _clock });
        await using var client = await broker.ConnectAsync("1.2", "heart-beat:1000,0");
        for (var i = 0; i < 20; i++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            await client.SendTextAsync(i % 2 == 0 ? "\n" : "\r\n");
            await client.FenceAsync();
        }

        Assert.Equal(1, broker.Broker.ConnectionCount);
    }

    [Fact]
    public async Task Client_ThatPromisedAndIsSilent_IsCut_AfterSlack()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Clock = _clock });
        await using var client = await broker.ConnectAsync("1.2", "heart-beat:1000,0");
        await client.FenceAsync();

        _clock.Advance(TimeSpan.FromSeconds(2.9));
        Assert.Equal(1, broker.Broker.ConnectionCount);
        await client.FenceAsync();
        _clock.Advance(TimeSpan.FromSeconds(3.1));

        Assert.Equal("no heart-beat", (await client.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task Client_ThatPromisedNothing_MayBeSilent()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Clock = _clock });
        await using var client = await broker.ConnectAsync("1.2");

        _clock.Advance(TimeSpan.FromHours(1));
        await client.FenceAsync();

        Assert.Equal(1, broker.Broker.ConnectionCount);
    }

    [Fact]
    public async Task StoreIsSlow_AClientWhoseBeatsWaitToBeRead_IsNotCut()
    {
        var (broker, store) = await RunningBroker.StartPlainAsync(new() { Clock = _clock });
        await using var running = broker;
        await using var client = await broker.ConnectAsync("1.2", "heart-beat:1000,0");
        store.Close();
        await client.SendMessageAsync("/queue/a", "x", "receipt:r");
        await store.Reached;
        for (var i = 0; i < 100; i++)
        {
            await client.SendTextAsync("\n");
            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        store.Open();

        await client.ReceiptAsync("r");
        await client.ConfirmMessageAsync("/queue/a", "y");
        Assert.Equal(1, broker.Broker.ConnectionCount);
    }

    [Fact]
    public async Task FrameThatDoesNotGoOn_IsAnError()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Clock = _clock, Options = new() { FrameTimeout = TimeSpan.FromSeconds(10) } });
        await using var client = await broker.ConnectAsync("1.2");
        await client.SendBytesAsync((byte[])[.. WireClient.Frame("BEGIN", "", "transaction:t", "receipt:1"), .. "SEND\ndestination:/queue/a\n\nhalf"u8]);
        await client.ReceiptAsync("1");
        await RunningBroker.UntilAsync(
            () =>
            {
                _clock.Advance(TimeSpan.FromSeconds(1));
                return broker.Broker.ConnectionCount == 0 || broker.Log.Entries.Any(entry => entry.Id == 3003);
            },
            "the frame times out");

        Assert.Equal("malformed frame", (await client.ErrorAsync())["message"]);
        Assert.True(_clock.GetTimestamp() >= TimeSpan.FromSeconds(10).Ticks);
    }

    [Fact]
    public async Task FrameThatGoesOnSlowly_IsRead()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Clock = _clock, Options = new() { FrameTimeout = TimeSpan.FromSeconds(10) } });
        await using var client = await broker.ConnectAsync("1.2");
        await client.SendTextAsync("SEND\ndestination:/queue/a\nreceipt:r\n\n");
        for (var i = 1; i <= 20; i++)
        {
            var bytes = i * 16 * 1024;
            await client.SendTextAsync(new string('x', 16 * 1024));
            await RunningBroker.UntilAsync(() => broker.Broker.Resources.Budget.Used >= bytes, "the piece is read");
            _clock.Advance(TimeSpan.FromSeconds(6));
        }

        await client.SendTextAsync("\0");

        await client.ReceiptAsync("r");
        Assert.Equal(1, broker.Broker.ConnectionCount);
    }
}
