using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    private static readonly EnqueueOutcome[] Stored = [EnqueueOutcome.Stored];
    private static readonly EnqueueOutcome[] Duplicate = [EnqueueOutcome.Duplicate];

    [Fact]
    public async Task Q2_StoreAssignedIds_AreUuidsOfVersion7_InTimeOrder()
    {
        var ids = new List<Guid>();
        for (var i = 0; i < 3; i++)
        {
            var result = (await SendTextsAsync("m"))[0];
            Assert.True(result.Id.TryGetUuid(out var uuid), $"'{result.Id}' is no UUID.");
            Assert.Equal(7, uuid.Version);
            ids.Add(uuid);
            await PassAsync(Clock.Unit);
        }

        Assert.Equal(ids.Select(id => id.ToString()).Order(StringComparer.Ordinal), ids.Select(id => id.ToString()));
    }

    [Fact]
    public async Task Q2_ARepeatOfALiveMessage_IsADuplicate_AndTheFirstStands()
    {
        Require(QueueFeatures.Deduplication);
        Assert.Equal(new EnqueueResult("x", EnqueueOutcome.Stored), Assert.Single(await SendAsync(Make("first", id: "x"))));
        Assert.Equal(new EnqueueResult("x", EnqueueOutcome.Duplicate), Assert.Single(await SendAsync(Make("second", id: "x"))));
        Assert.Equal(1, (await StatsAsync()).Duplicates);
        Assert.Equal(["first"], await DrainAsync());
    }

    [Fact]
    public async Task Q2_ARepeatInsideOneBatch_IsADuplicateOfTheFirst()
    {
        Require(QueueFeatures.Deduplication);
        var results = await SendAsync(Make("a", id: "x"), Make("b"), Make("c", id: "x"), Make("d", id: "y"));
        Assert.Equal(
            [EnqueueOutcome.Stored, EnqueueOutcome.Stored, EnqueueOutcome.Duplicate, EnqueueOutcome.Stored],
            results.Select(result => result.Outcome));
        Assert.Equal(new MessageId("x"), results[2].Id);
        Assert.Equal(["a", "b", "d"], await DrainAsync());
    }

    [Fact]
    public async Task Q2_ARepeat_IsFoundWhileTheMessageIsScheduledOrLeased()
    {
        Require(QueueFeatures.Deduplication);
        await SendAsync(Make("later", id: "s", delay: Clock.LongLease), Make("now", id: "l"));
        await TakeAsync(await OpenAsync(), "now");
        Assert.Equal(Duplicate, await OutcomesAsync(Make("again", id: "s")));
        Assert.Equal(Duplicate, await OutcomesAsync(Make("again", id: "l")));
    }

    [Fact]
    public async Task Q2_ALiveMessage_IsFoundHoweverOldItIs()
    {
        Require(QueueFeatures.Deduplication);
        await CreateAsync(new QueueSettings { DedupWindow = Clock.Unit });
        await SendAsync(Make("old", id: "x"));
        await PassAsync(3 * Clock.Unit);
        Assert.Equal(Duplicate, await OutcomesAsync(Make("new", id: "x")));
    }

    [Fact]
    public async Task Q2_ARepeatOfACompletedMessage_IsADuplicateForTheWindow_AndNewAfterIt()
    {
        Require(QueueFeatures.Deduplication);
        await CreateAsync(new QueueSettings { DedupWindow = 2 * Clock.Unit });
        await SendAsync(Make("first", id: "x"));
        await PassAsync(Clock.Unit);
        Assert.Equal(["first"], await DrainAsync());

        // The window runs from completion, not from the send; and a repeat does not prolong it.
        await PassAlmostAsync(2 * Clock.Unit);
        Assert.Equal(Duplicate, await OutcomesAsync(Make("second", id: "x")));
        await PassAsync(2 * Clock.Unit);
        Assert.Equal(Stored, await OutcomesAsync(Make("third", id: "x")));
        Assert.Equal(["third"], await DrainAsync());
    }

    [Fact]
    public async Task Q2_WithAWindowOfZero_OnlyLiveMessagesAreFound()
    {
        Require(QueueFeatures.Deduplication);
        await CreateAsync(new QueueSettings { DedupWindow = TimeSpan.Zero });
        await SendAsync(Make("first", id: "x"));
        Assert.Equal(Duplicate, await OutcomesAsync(Make("second", id: "x")));
        Assert.Equal(["first"], await DrainAsync());
        Assert.Equal(Stored, await OutcomesAsync(Make("third", id: "x")));
    }

    [Fact]
    public async Task Q2_TheWindow_AlsoFollowsDeadLetteringRemovalAndPurge()
    {
        Require(QueueFeatures.Deduplication);
        await CreateAsync(new QueueSettings { DedupWindow = Clock.Unit });
        await BuryAsync(Make("m", id: "dead"));
        await SendAsync(Make("m", id: "removed"), Make("m", id: "purged"));
        Assert.Equal(MessageChange.Done, await Soon(Admin.RemoveMessageAsync(Queue, "removed", Cancellation)));
        Assert.Equal(1, await Soon(Admin.PurgeAsync(Queue, Cancellation)));

        foreach (var id in new[] { "dead", "removed", "purged" })
        {
            Assert.Equal(Duplicate, await OutcomesAsync(Make("again", id: id)));
        }

        await PassAsync(Clock.Unit);
        foreach (var id in new[] { "dead", "removed", "purged" })
        {
            Assert.Equal(Stored, await OutcomesAsync(Make("again", id: id)));
        }
    }

    [Fact]
    public async Task Q2_TheWindow_AlsoFollowsExpiryAndDropping()
    {
        Require(QueueFeatures.Deduplication);
        await CreateAsync(new QueueSettings { MaxLength = 1, Overflow = QueueOverflow.DropOldest, DedupWindow = 3 * Clock.Unit });
        await SendAsync(Make("m", id: "dropped"));
        await SendAsync(Make("m", id: "expired", ttl: Clock.Unit));
        await PassAsync(Clock.Unit);
        await AssertNothingReadyAsync(await OpenAsync());
        Assert.Equal(Duplicate, await OutcomesAsync(Make("again", id: "dropped")));
        Assert.Equal(Duplicate, await OutcomesAsync(Make("again", id: "expired")));
    }

    [Fact]
    public async Task Q2_AtMostDedupMaxEntriesAreRemembered_TheOldestGoFirst_AndAreCounted()
    {
        Require(QueueFeatures.Deduplication);
        await CreateAsync(new QueueSettings { DedupMaxEntries = 3 });
        for (var i = 1; i <= 5; i++)
        {
            await SendAsync(Make($"m{i}", id: $"id{i}"));
            Assert.Equal([$"m{i}"], await DrainAsync());
            await PassAsync(TimeSpan.FromMilliseconds(10));
        }

        Assert.Equal(2, (await StatsAsync()).DedupEvictions);
        Assert.Equal(Duplicate, await OutcomesAsync(Make("again", id: "id3")));
        Assert.Equal(Duplicate, await OutcomesAsync(Make("again", id: "id5")));
        Assert.Equal(Stored, await OutcomesAsync(Make("again", id: "id1")));
        Assert.Equal(Stored, await OutcomesAsync(Make("again", id: "id2")));
    }

    [Fact]
    public async Task Q2_WithNoEntries_OnlyLiveMessagesAreFound()
    {
        Require(QueueFeatures.Deduplication);
        await CreateAsync(new QueueSettings { DedupMaxEntries = 0 });
        await SendAsync(Make("first", id: "x"));
        Assert.Equal(Duplicate, await OutcomesAsync(Make("second", id: "x")));
        Assert.Equal(["first"], await DrainAsync());
        Assert.Equal(Stored, await OutcomesAsync(Make("third", id: "x")));
    }

    [Fact]
    public async Task Q2_IdsThatTheStoreAssigned_TakeNoPlaceInTheWindow()
    {
        Require(QueueFeatures.Deduplication);
        await CreateAsync(new QueueSettings { DedupMaxEntries = 1 });
        await SendAsync(Make("mine", id: "x"));
        Assert.Equal(["mine"], await DrainAsync());
        await SendTextsAsync("a", "b", "c");
        Assert.Equal(["a", "b", "c"], await DrainAsync());
        Assert.Equal(0, (await StatsAsync()).DedupEvictions);
        Assert.Equal(Duplicate, await OutcomesAsync(Make("again", id: "x")));
    }

    [Fact]
    public async Task Q2_Ids_AreUniqueAQueue_NotAStore()
    {
        await SendAsync(Make("here", id: "x"));
        var results = await SendToAsync(Queue + "-other", Make("there", id: "x"));
        Assert.Equal(EnqueueOutcome.Stored, results[0].Outcome);
        Assert.Equal(["there"], await DrainAsync(Queue + "-other"));
    }

    [Fact]
    public async Task Q2_AUuid_AndItsCanonicalText_AreOneId()
    {
        Require(QueueFeatures.Deduplication);
        var uuid = Guid.NewGuid();
        await SendAsync(Make("first") with { Id = new MessageId(uuid) });
        Assert.Equal(Duplicate, await OutcomesAsync(Make("second", id: uuid.ToString())));
        Assert.Equal(Stored, await OutcomesAsync(Make("third", id: uuid.ToString().ToUpperInvariant() + "!")));
    }

    [Fact]
    public async Task Q2_SimilarIds_AreDifferent()
    {
        await SendAsync(Make("1", id: "a"), Make("2", id: "A"), Make("3", id: "a "), Make("4", id: "ä"), Make("5", id: "a\u0308"));
        Assert.Equal(["1", "2", "3", "4", "5"], await DrainAsync());
    }

    [Fact]
    public async Task Q2_ManySendersOfOneId_StoreItOnce()
    {
        Require(QueueFeatures.Deduplication);
        for (var round = 0; round < 20; round++)
        {
            var id = $"id{round}";
            var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => OutcomesAsync(Make(id, id: id)), Cancellation)));
            Assert.Equal(1, outcomes.Count(outcome => outcome[0] == EnqueueOutcome.Stored));
        }

        Assert.Equal(20, (await DrainAsync()).Length);
    }

    [Fact]
    public async Task Q2_ARefusedBatch_LeavesNoIdBehind()
    {
        Require(QueueFeatures.Deduplication | QueueFeatures.AtomicBatches);
        await Assert.ThrowsAsync<InvalidMessageException>(() => SendAsync(Make("m", id: "x"), Make("bad", priority: 99)));
        Assert.Equal(Stored, await OutcomesAsync(Make("m", id: "x")));
    }

    [Fact]
    public async Task Q2_TheWindow_SurvivesReopening()
    {
        Require(QueueFeatures.Deduplication);
        RequireReopening();
        await SendAsync(Make("live", id: "live"), Make("done", id: "done"));
        var receiver = await OpenAsync();
        var deliveries = await PollAsync(receiver);
        await CompleteAsync(deliveries[1]);
        await ReopenAsync();
        Assert.Equal(Duplicate, await OutcomesAsync(Make("again", id: "live")));
        Assert.Equal(Duplicate, await OutcomesAsync(Make("again", id: "done")));
    }

    private async Task<EnqueueOutcome[]> OutcomesAsync(params Envelope[] batch) => Array.ConvertAll(await SendAsync(batch), result => result.Outcome);
}
