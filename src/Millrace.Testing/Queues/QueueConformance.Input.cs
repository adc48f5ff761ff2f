using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    [Theory]
    [MemberData(nameof(QueueTheories.BadQueueNames), MemberType = typeof(QueueTheories))]
    public async Task Input_ABadQueueName_IsRefusedEverywhere(string name)
    {
        var options = new ReceiverOptions();
        await Assert.ThrowsAsync<InvalidNameException>(() => SendToAsync(name, Make("m")));
        await Assert.ThrowsAsync<InvalidNameException>(() => Soon(Store.OpenReceiverAsync(name, options, Cancellation)));
        await Assert.ThrowsAsync<InvalidNameException>(() => SettleInAsync(name, Settlement.Complete(new LeaseToken(1, 1))));
    }

    [Fact]
    public async Task Input_TheLongestName_AndUnusualOnes_Work()
    {
        foreach (var name in new[] { new string('x', 200), new string('ä', 100), "with space / and: ' \" % _ * [x] ; --", "日本語🙂", "UPPER", "upper", "." })
        {
            await SendToAsync(name, Make(name));
            Assert.Equal([name], await DrainAsync(name));
        }
    }

    [Fact]
    public async Task Input_QueueNames_ThatDifferInCase_AreDifferentQueues()
    {
        await SendToAsync(Queue + "-a", Make("lower"));
        await SendToAsync(Queue + "-A", Make("upper"));
        Assert.Equal(["lower"], await DrainAsync(Queue + "-a"));
        Assert.Equal(["upper"], await DrainAsync(Queue + "-A"));
    }

    [Theory]
    [MemberData(nameof(QueueTheories.BadEnvelopes), MemberType = typeof(QueueTheories))]
    public async Task Input_ABadMessage_IsRefused_WithItsWholeBatch_AndNothingIsStored(string fault)
    {
        var bad = Spoil(fault);
        var error = await Assert.ThrowsAsync<InvalidMessageException>(() => SendAsync(Make("good", id: "x"), bad, Make("good")));
        Assert.Contains("2 of 3", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidMessageException>(() => SendAsync(bad));
        Assert.Equal(EnqueueOutcome.Stored, (await SendAsync(Make("good", id: "x")))[0].Outcome);
        Assert.Equal(["good"], await DrainAsync());
    }

    [Fact]
    public async Task Input_AMessageAtItsLimits_IsTaken()
    {
        var limits = Store.Capabilities;
        var headers = MessageHeaders.Create(new KeyValuePair<string, string>("h", new string('v', limits.MaxHeaderBytes - 1)));
        var text = new string('ä', EnvelopeRules.MaxTextBytes / 2);
        await SendAsync(Make("m", key: text, id: text) with { ContentType = text, Headers = headers });
        var message = (await TakeAsync(await OpenAsync(), "m")).Message;
        Assert.Equal((new MessageId(text), text, text), (message.Id, message.Key, message.ContentType));
        Assert.Equal(headers.ToArray(), message.Headers.ToArray());
    }

    [Fact]
    public async Task Input_ALargeBody_ArrivesByteForByte()
    {
        var body = new byte[Math.Min(Store.Capabilities.MaxBodyBytes, 4 * 1024 * 1024)];
        new Random(17).NextBytes(body);
        await SendAsync(new Envelope(body));
        Assert.True((await TakeAsync(await OpenAsync())).Message.Body.Span.SequenceEqual(body));
    }

    [Fact]
    public async Task Input_ABadLeaseLength_IsRefusedWhenTheReceiverIsOpened()
    {
        foreach (var lease in new[] { TimeSpan.Zero, TimeSpan.FromSeconds(-1), TimeSpan.FromMicroseconds(1) })
        {
            await Assert.ThrowsAsync<MillraceConfigurationException>(() => OpenAsync(lease));
        }
    }

    [Fact]
    public async Task Input_ALeaseIntoNothing_IsRefused()
    {
        var receiver = await OpenAsync();
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Soon(receiver.LeaseAsync(Memory<Delivery>.Empty, TimeSpan.Zero, Cancellation)));
    }

    [Fact]
    public async Task Input_Null_IsRefused()
    {
        await Assert.ThrowsAnyAsync<ArgumentException>(() => SendToAsync(null!, Make("m")));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Soon(Store.OpenReceiverAsync(Queue, null!, Cancellation)));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Soon(Store.OpenReceiverAsync(null!, new ReceiverOptions(), Cancellation)));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => SettleInAsync(null!, Settlement.Complete(default)));
    }

    [Fact]
    public async Task Input_OpeningAReceiver_CreatesTheQueue()
    {
        await OpenAsync();
        await AssertDepthsAsync();
        await OpenAsync(queue: ResourceName.DeadLetterQueueOf(Queue + "-2"));
        Assert.Equal(0, (await StatsAsync(Queue + "-2")).Dead);
    }

    [Fact]
    public async Task Input_AfterDisposal_EveryCallSaysSo()
    {
        var store = Store;
        var receiver = await OpenAsync();
        await Soon(Backend.DisposeAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(store.EnqueueAsync(Queue, new[] { Make("m") }, default, Cancellation)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(store.OpenReceiverAsync(Queue, new ReceiverOptions(), Cancellation)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(store.SettleAsync(Queue, new[] { Settlement.Complete(default) }, default, Cancellation)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(receiver.LeaseAsync(new Delivery[1], TimeSpan.Zero, Cancellation)));
    }

    [Fact]
    public async Task Input_ADisposedReceiver_LeasesNoMore()
    {
        await SendTextsAsync("m");
        var receiver = await OpenAsync();
        await Soon(receiver.DisposeAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(receiver.LeaseAsync(new Delivery[1], TimeSpan.Zero, Cancellation)));
        Assert.Equal(["m"], await DrainAsync());
    }

    [Fact]
    public void Input_TheCapabilities_AreStated()
    {
        var capabilities = Store.Capabilities;
        Assert.Equal(Backend.Name, capabilities.Backend);
        Assert.Same(capabilities, Store.Capabilities);
        Assert.True(capabilities.MaxBodyBytes > 0);
        Assert.True(capabilities.MaxDelay > TimeSpan.Zero);
        Assert.Equal(Fixture.CanReopen, capabilities.Durability != StoreDurability.None);
    }

    private Envelope Spoil(string fault)
    {
        var limits = Store.Capabilities;
        var tooLong = new string('ä', (EnvelopeRules.MaxTextBytes / 2) + 1);
        return fault switch
        {
            "priority -1" => Make("bad", -1),
            "priority 10" => Make("bad", 10),
            "negative delay" => Make("bad", delay: TimeSpan.FromTicks(-1)),
            "delay over the limit" => Make("bad", delay: limits.MaxDelay + TimeSpan.FromTicks(1)),
            "no time to live" => Make("bad", ttl: TimeSpan.Zero),
            "negative time to live" => Make("bad", ttl: TimeSpan.FromSeconds(-1)),
            "time to live over the limit" => Make("bad", ttl: limits.MaxDelay + TimeSpan.FromTicks(1)),
            "body over the limit" => new Envelope(new byte[limits.MaxBodyBytes + 1]),
            "headers over the limit" => Make("bad") with { Headers = MessageHeaders.Create(new KeyValuePair<string, string>("h", new string('v', limits.MaxHeaderBytes))) },
            "too many headers" => Make("bad") with
            {
                Headers = MessageHeaders.Create(Enumerable.Range(0, EnvelopeRules.MaxHeaders + 1).Select(i => new KeyValuePair<string, string>($"h{i}", ""))),
            },
            "id too long" => Make("bad", id: tooLong),
            "id with a control character" => Make("bad", id: "a\nb"),
            "empty key" => Make("bad", key: ""),
            "key too long" => Make("bad", key: tooLong),
            "key with a control character" => Make("bad", key: "a\0b"),
            "empty content type" => Make("bad") with { ContentType = "" },
            "content type too long" => Make("bad") with { ContentType = tooLong },
            _ => throw new ArgumentOutOfRangeException(nameof(fault), fault, "No such fault."),
        };
    }
}
