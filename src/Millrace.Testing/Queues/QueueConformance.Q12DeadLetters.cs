using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    [Fact]
    public async Task Q12_DeadLetters_CanBeBrowsed()
    {
        Require(QueueFeatures.Browsing);
        await BuryAsync(Make("a", id: "a"), "r1", "e1");
        await BuryAsync(Make("b"), "r2");
        var seen = await BrowseAsync(queue: DeadQueue);
        Assert.Equal(["a", "b"], seen.Select(one => Text(one.Message)));
        Assert.Equal(["r1", "r2"], seen.Select(one => one.Message.DeadLetter!.Reason));
        Assert.Equal(["e1", null], seen.Select(one => one.Message.DeadLetter!.LastError));
        Assert.All(seen, one => Assert.Equal(MessageState.Ready, one.State));
        Assert.Equal("a", Text((await Soon(Admin.GetMessageAsync(DeadQueue, "a", Cancellation)))!.Message));
        Assert.Null(await Soon(Admin.GetMessageAsync(Queue, "a", Cancellation)));
    }

    [Fact]
    public async Task Q12_ADeadLettersTexts_MayContainAnyCharacter()
    {
        Require(QueueFeatures.Browsing);
        await BuryAsync(Make("m"), "before\0after", "one\0two\n\u00e9");
        var dead = Assert.Single(await BrowseAsync(queue: DeadQueue)).Message.DeadLetter!;
        Assert.Equal(("before\0after", "one\0two\n\u00e9"), (dead.Reason, dead.LastError));
    }

    [Fact]
    public async Task Q12_AMessageWhoseLastLeaseEnded_DiedThen_HoweverLateThatIsNoticed()
    {
        Require(QueueFeatures.Browsing);
        await CreateAsync(new QueueSettings { MaxDeliveries = 1 });
        await SendTextsAsync("m");
        await TakeAsync(await OpenAsync(Clock.Unit), "m");
        await PassAsync(5 * Clock.Unit);
        var dead = Assert.Single(await BrowseAsync(queue: DeadQueue)).Message;
        Assert.InRange(dead.DeadLetter!.At - dead.EnqueuedAt, Clock.Unit, (2 * Clock.Unit) + Clock.Margin);
    }

    [Fact]
    public async Task Q12_Redriving_KeepsIdHeadersAndBody_AndStartsAfresh()
    {
        var headers = MessageHeaders.Create(new KeyValuePair<string, string>("h", "1"));
        await BuryAsync(Make("m", 7, "k", ttl: Clock.Unit, id: "x") with { Headers = headers, ContentType = "text/plain" }, error: "e");
        Assert.Equal(1, await Soon(Admin.RedriveAsync(Queue, DeadLetterFilter.All, Cancellation)));
        await AssertDepthsAsync(ready: 1);
        await PassAsync(2 * Clock.Unit);

        var delivery = await TakeAsync(await OpenAsync(), "m");

        Assert.Equal((new MessageId("x"), "text/plain", "k", 7), (delivery.Message.Id, delivery.Message.ContentType, delivery.Message.Key, delivery.Message.Priority));
        Assert.Equal(headers.ToArray(), delivery.Message.Headers.ToArray());
        Assert.Null(delivery.Message.DeadLetter);
        Assert.Null(delivery.Message.ExpiresAt);
        Assert.Equal((1, true), (delivery.Attempt, delivery.Redelivered));
    }

    [Fact]
    public async Task Q12_Redriving_AfterMaxDeliveries_GivesAllAttemptsAgain()
    {
        Require(QueueFeatures.CountsAttempts);
        await CreateAsync(new QueueSettings { MaxDeliveries = 2 });
        await SendTextsAsync("m");
        var receiver = await OpenAsync();
        for (var round = 0; round < 2; round++)
        {
            for (var attempt = 1; attempt <= 2; attempt++)
            {
                var delivery = await TakeAsync(receiver, "m");
                Assert.Equal(attempt, delivery.Attempt);
                await SettledAsync(Settlement.Release(delivery.Token));
            }

            await AssertDepthsAsync(dead: 1);
            Assert.Equal(1, await Soon(Admin.RedriveAsync(Queue, DeadLetterFilter.All, Cancellation)));
        }
    }

    [Fact]
    public async Task Q12_Redriven_Messages_KeepTheirOrder_AndStandBehindWhatWaits()
    {
        await BuryAsync(Make("a"));
        await BuryAsync(Make("b"));
        await BuryAsync(Make("c"));
        await SendTextsAsync("waiting");
        Assert.Equal(3, await Soon(Admin.RedriveAsync(Queue, DeadLetterFilter.All, Cancellation)));
        Assert.Equal(["waiting", "a", "b", "c"], await DrainAsync());
    }

    [Fact]
    public async Task Q12_Redriving_TakesAFilter()
    {
        Require(QueueFeatures.Browsing);
        await BuryAsync(Make("a", id: "a"), "timeout", "host one did not answer");
        await BuryAsync(Make("b", id: "b"), "timeout", "host two did not answer");
        await PassAsync(Clock.Unit);
        await BuryAsync(Make("c", id: "c"), "bad", "host one sent rubbish");
        await BuryAsync(Make("d", id: "d"), "timeout");
        var since = (await Soon(Admin.GetMessageAsync(DeadQueue, "c", Cancellation)))!.Message.DeadLetter!.At;

        await AssertRedrivenAsync(new DeadLetterFilter { Since = since }, "c", "d");
        await AssertRedrivenAsync(new DeadLetterFilter { Reason = "timeout", Since = since }, "d");
        await AssertRedrivenAsync(new DeadLetterFilter { Id = "b" }, "b");
        await AssertRedrivenAsync(new DeadLetterFilter { Reason = "timeout" }, "a", "b", "d");
        await AssertRedrivenAsync(new DeadLetterFilter { Reason = "time" });
        await AssertRedrivenAsync(new DeadLetterFilter { ErrorContains = "host one" }, "a", "c");
        await AssertRedrivenAsync(new DeadLetterFilter { ErrorContains = "HOST" });
        await AssertRedrivenAsync(new DeadLetterFilter { ErrorContains = "%" });
        await AssertRedrivenAsync(new DeadLetterFilter { Limit = 0 });
        await AssertRedrivenAsync(new DeadLetterFilter { Id = "absent" });
        await AssertDepthsAsync(dead: 4);
    }

    [Fact]
    public async Task Q12_Redriving_TakesALimit()
    {
        await BuryAsync(Make("a"));
        await BuryAsync(Make("b"));
        await BuryAsync(Make("c"));
        Assert.Equal(2, await Soon(Admin.RedriveAsync(Queue, new DeadLetterFilter { Limit = 2 }, Cancellation)));
        Assert.Equal(["a", "b"], await DrainAsync());
        Assert.Equal(["c"], await DrainAsync(DeadQueue));
    }

    [Fact]
    public async Task Q12_Redriving_LeavesLeasedDeadLettersAlone()
    {
        await BuryAsync(Make("leased"));
        await BuryAsync(Make("free"));
        var leased = await TakeAsync(await OpenAsync(queue: DeadQueue), "leased");
        Assert.Equal(1, await Soon(Admin.RedriveAsync(Queue, DeadLetterFilter.All, Cancellation)));
        Assert.Equal(["free"], await DrainAsync());
        await CompleteInAsync(DeadQueue, leased);
    }

    [Fact]
    public async Task Q12_RedrivingNothing_IsZero()
    {
        await SendTextsAsync("alive");
        Assert.Equal(0, await Soon(Admin.RedriveAsync(Queue, DeadLetterFilter.All, Cancellation)));
        Assert.Equal(["alive"], await DrainAsync());
    }

    [Fact]
    public async Task Q12_RedrivingMany_MovesThemAll()
    {
        const int Messages = 250;
        await SendTextsAsync([.. Enumerable.Range(0, Messages).Select(i => $"{i:000}")]);
        await SettleAsync(Array.ConvertAll(await PollAsync(await OpenAsync(), Messages), delivery => Settlement.DeadLetter(delivery.Token, "x")));
        await AssertDepthsAsync(dead: Messages);
        Assert.Equal(Messages, await Soon(Admin.RedriveAsync(Queue, DeadLetterFilter.All, Cancellation)));
        Assert.Equal(Enumerable.Range(0, Messages).Select(i => $"{i:000}"), Texts(await PollAsync(await OpenAsync(), 1000)));
    }

    [Fact]
    public async Task Q12_Redriving_BypassesTheWindow_AndBothLive()
    {
        Require(QueueFeatures.Deduplication);
        await CreateAsync(new QueueSettings { DedupWindow = Clock.Unit });
        await BuryAsync(Make("old", id: "x"));
        await PassAsync(Clock.Unit);
        Assert.Equal(Stored, await OutcomesAsync(Make("new", id: "x")));
        Assert.Equal(1, await Soon(Admin.RedriveAsync(Queue, DeadLetterFilter.All, Cancellation)));
        await AssertDepthsAsync(ready: 2);
        Assert.Equal("old", Text((await Soon(Admin.GetMessageAsync(Queue, "x", Cancellation)))!.Message));
        Assert.Equal(["new", "old"], await DrainAsync());
    }

    [Fact]
    public async Task Q12_Redriving_WithinTheWindow_IsNoDuplicate()
    {
        Require(QueueFeatures.Deduplication);
        await BuryAsync(Make("m", id: "x"));
        Assert.Equal(1, await Soon(Admin.RedriveAsync(Queue, DeadLetterFilter.All, Cancellation)));
        Assert.Equal(Duplicate, await OutcomesAsync(Make("again", id: "x")));
        Assert.Equal(["m"], await DrainAsync());
    }

    [Fact]
    public async Task Q12_DeadLetters_CanBePurged()
    {
        await SendTextsAsync("alive");
        await BuryAsync(Make("a", 9));
        await BuryAsync(Make("b", 9));
        Assert.Equal(2, await Soon(Admin.PurgeAsync(DeadQueue, Cancellation)));
        Assert.Equal(0, await Soon(Admin.PurgeAsync(DeadQueue, Cancellation)));
        await AssertDepthsAsync(ready: 1);
    }

    [Fact]
    public async Task Q12_ADeadLetter_CanBeRemoved()
    {
        Require(QueueFeatures.Browsing);
        await BuryAsync(Make("a", id: "a"));
        await BuryAsync(Make("b", id: "b"));
        Assert.Equal(MessageChange.Done, await Soon(Admin.RemoveMessageAsync(DeadQueue, "a", Cancellation)));
        Assert.Equal(MessageChange.NotFound, await Soon(Admin.RemoveMessageAsync(DeadQueue, "a", Cancellation)));
        Assert.Equal(["b"], await DrainAsync(DeadQueue));
    }

    // Redrives what the filter finds, looks, and buries it again.
    private async Task AssertRedrivenAsync(DeadLetterFilter filter, params string[] expected)
    {
        var before = (await BrowseAsync(queue: DeadQueue)).ToDictionary(one => Text(one.Message), one => one.Message.DeadLetter!);
        var receiver = await OpenAsync();
        Assert.Equal(expected.Length, await Soon(Admin.RedriveAsync(Queue, filter, Cancellation)));
        var deliveries = await PollAsync(receiver);
        Assert.Equal(expected, Texts(deliveries).Order(StringComparer.Ordinal));

        // Their times of death change thereby, so filters by time come first in a test.
        foreach (var delivery in deliveries)
        {
            var info = before[Text(delivery)];
            await SettledAsync(Settlement.DeadLetter(delivery.Token, info.Reason, info.LastError));
        }
    }
}
