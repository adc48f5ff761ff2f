using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    [Fact]
    public async Task Q6_SettlingInAnotherQueue_IsRefused_AndTheLeaseIsStillRenewed()
    {
        await SendTextsAsync("m");
        var receiver = await OpenAsync(Clock.Unit);
        var delivery = await TakeAsync(receiver, "m");
        await SendToAsync(Queue + "-other", Make("n"));
        await LostAsync(Settlement.Complete(delivery.Token), Queue + "-other");
        for (var i = 0; i < 3; i++)
        {
            await PassAlmostAsync(Clock.Unit);
            Assert.Empty(await Soon(receiver.RenewAsync(Cancellation)));
        }

        await CompleteAsync(delivery);
    }

    [Fact]
    public async Task Q6_Renewing_ProlongsEveryOpenDeliveryToTheFullLease()
    {
        await SendTextsAsync("a", "b");
        var receiver = await OpenAsync(2 * Clock.Unit);
        var deliveries = await PollAsync(receiver);
        for (var i = 0; i < 4; i++)
        {
            await PassAsync(Clock.Unit);
            Assert.Empty(await Soon(receiver.RenewAsync(Cancellation)));
        }

        await AssertNothingReadyAsync(await OpenAsync());
        await CompleteAsync(deliveries);
    }

    [Fact]
    public async Task Q6_ARenewedLease_EndsOneFullLeaseAfterTheRenewal()
    {
        await SendTextsAsync("m");
        var receiver = await OpenAsync(2 * Clock.Unit);
        var delivery = await TakeAsync(receiver);
        await PassAsync(Clock.Unit);
        Assert.Empty(await Soon(receiver.RenewAsync(Cancellation)));
        await PassAsync(2 * Clock.Unit);
        await LostAsync(Settlement.Complete(delivery.Token));
        await TakeAsync(await OpenAsync(), "m");
    }

    [Fact]
    public async Task Q6_Renewing_ReportsEachLostLeaseOnce_AndDoesNotReviveIt()
    {
        await SendTextsAsync("a", "b");
        var receiver = await OpenAsync(2 * Clock.Unit);
        var a = await TakeAsync(receiver, "a");
        await PassAsync(Clock.Unit);
        var b = await TakeAsync(receiver, "b");
        await PassAsync(Clock.Unit);

        Assert.Equal([a.Token], await Soon(receiver.RenewAsync(Cancellation)));
        Assert.Empty(await Soon(receiver.RenewAsync(Cancellation)));

        await LostAsync(Settlement.Complete(a.Token));
        await TakeAsync(await OpenAsync(), "a");
        await CompleteAsync(b);
    }

    [Fact]
    public async Task Q6_Renewing_ReportsALostLeaseAlsoAfterAnotherReceiverTookTheMessage()
    {
        await SendTextsAsync("m");
        var receiver = await OpenAsync(Clock.Unit);
        var lost = await TakeAsync(receiver);
        await PassAsync(Clock.Unit);
        var current = await TakeAsync(await OpenAsync());
        Assert.Equal([lost.Token], await Soon(receiver.RenewAsync(Cancellation)));
        await CompleteAsync(current);
    }

    [Fact]
    public async Task Q6_Renewing_IgnoresWhatIsSettled()
    {
        await SendTextsAsync("a", "b", "c");
        var receiver = await OpenAsync(Clock.Unit);
        var deliveries = await PollAsync(receiver);
        await SettleAsync(Settlement.Complete(deliveries[0].Token), Settlement.Release(deliveries[1].Token, Clock.LongLease), Settlement.DeadLetter(deliveries[2].Token, "x"));
        await PassAsync(Clock.Unit);
        Assert.Empty(await Soon(receiver.RenewAsync(Cancellation)));
        await AssertDepthsAsync(scheduled: 1, dead: 1);
    }

    [Fact]
    public async Task Q6_Renewing_TouchesNoOtherReceiver()
    {
        await SendTextsAsync("a", "b");
        var one = await OpenAsync(2 * Clock.Unit);
        var two = await OpenAsync(2 * Clock.Unit);
        var a = await TakeAsync(one, "a");
        var b = await TakeAsync(two, "b");
        await PassAsync(Clock.Unit);
        Assert.Empty(await Soon(one.RenewAsync(Cancellation)));
        await PassAsync(Clock.Unit);
        await LostAsync(Settlement.Complete(b.Token));
        await SettledAsync(Settlement.Complete(a.Token));
    }

    [Fact]
    public async Task Q6_Renewing_RunsBesideAWaitingLease()
    {
        await SendTextsAsync("a");
        var receiver = await OpenAsync(2 * Clock.Unit);
        var a = await TakeAsync(receiver, "a");
        var waiting = WaitAsync(receiver);
        for (var i = 0; i < 3; i++)
        {
            await PassAsync(Clock.Unit);
            Assert.Empty(await Soon(receiver.RenewAsync(Cancellation)));
        }

        await StillWaits(waiting);
        await SendTextsAsync("b");
        Assert.Equal("b", Text(await Soon(waiting)));
        await CompleteAsync(a);
    }

    [Fact]
    public async Task Q6_RenewingNothing_IsEmpty() => Assert.Empty(await Soon((await OpenAsync()).RenewAsync(Cancellation)));
}
