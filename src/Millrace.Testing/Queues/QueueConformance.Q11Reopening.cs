using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Q11_WhatWasAcknowledged_IsThereAfterReopening(bool crash)
    {
        RequireReopening();
        var headers = MessageHeaders.Create(new KeyValuePair<string, string>("h", "ü"));
        await SendAsync(Make("low", 0), Make("keyed 1", key: "k"), Make("keyed 2", key: "k"));
        await SendAsync(Make("full", 9, ttl: Clock.LongLease, id: "x") with { Headers = headers, ContentType = "text/plain" });

        await RestartAsync(crash);

        await SendTextsAsync("sent after");
        var receiver = await OpenAsync();
        var full = await TakeAsync(receiver, "full");
        Assert.Equal((new MessageId("x"), "text/plain", 9, 1), (full.Message.Id, full.Message.ContentType, full.Message.Priority, full.Attempt));
        Assert.Equal(headers.ToArray(), full.Message.Headers.ToArray());
        Assert.NotNull(full.Message.ExpiresAt);
        Assert.Equal(["keyed 1", "keyed 2", "sent after", "low"], await DrainAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Q11_WhatWasSettled_DoesNotComeBack(bool crash)
    {
        RequireReopening();
        await SendTextsAsync("completed", "released", "delayed", "dead", "open");
        var receiver = await OpenAsync(Clock.Unit);
        var deliveries = await PollAsync(receiver);
        await SettleAsync(
            Settlement.Complete(deliveries[0].Token),
            Settlement.Release(deliveries[1].Token, error: "e1"),
            Settlement.Release(deliveries[2].Token, 4 * Clock.Unit, error: "e2"),
            Settlement.DeadLetter(deliveries[3].Token, "spoilt", "e3"));

        await RestartAsync(crash);

        // The open lease ends with its time at the latest.
        await PassAsync(Clock.Unit);
        Assert.Equal(["released", "open"], await DrainAsync());
        await AssertDepthsAsync(scheduled: 1, dead: 1);
        var info = (await TakeAsync(await OpenAsync(queue: DeadQueue), "dead")).Message.DeadLetter!;
        Assert.Equal(("spoilt", "e3", 1), (info.Reason, info.LastError, info.Attempts));
        await PassAsync(4 * Clock.Unit);
        Assert.Equal(2, (await TakeAsync(await OpenAsync(), "delayed")).Attempt);
    }

    [Fact]
    public async Task Q7_Attempts_SurviveACrash()
    {
        Require(QueueFeatures.CountsAttempts);
        RequireReopening();
        await CreateAsync(new QueueSettings { MaxDeliveries = 3 });
        await SendTextsAsync("poison");
        for (var attempt = 1; attempt <= 3; attempt++)
        {
            var delivery = await TakeAsync(await OpenAsync(Clock.Unit), "poison");
            Assert.Equal((attempt, attempt > 1), (delivery.Attempt, delivery.Redelivered));
            await CrashAsync();
            await PassAsync(Clock.Unit);
        }

        await AssertNothingReadyAsync(await OpenAsync());
        await AssertDepthsAsync(dead: 1);
    }

    [Fact]
    public async Task Q11_DueTimes_SurviveReopening()
    {
        RequireReopening();
        await SendAsync(Make("second", delay: 3 * Clock.Unit), Make("first", delay: 2 * Clock.Unit));
        await PassAsync(Clock.Unit);
        await ReopenAsync();
        await AssertNothingReadyAsync(await OpenAsync());
        await PassAsync(2 * Clock.Unit);
        Assert.Equal(["first", "second"], await DrainAsync());
    }

    [Fact]
    public async Task Q11_Settings_SurviveReopening()
    {
        RequireReopening();
        var settings = new QueueSettings
        {
            MaxDeliveries = 7, MaxLength = 70, MaxBytes = 700, Overflow = QueueOverflow.DropOldest, DeadLetterExpired = true,
            DedupWindow = TimeSpan.FromMinutes(7), DedupMaxEntries = 77, DeleteAfterIdle = TimeSpan.FromDays(7),
        };
        await CreateAsync(settings);
        await ReopenAsync();
        Assert.Equal(settings, await Soon(Admin.GetSettingsAsync(Queue, Cancellation)));
    }

    [Fact]
    public async Task Q11_ATokenOfBeforeACrash_NeverSettlesALaterLease()
    {
        RequireReopening();
        await SendTextsAsync("m");
        var old = await TakeAsync(await OpenAsync(Clock.Unit));
        await CrashAsync();
        await PassAsync(Clock.Unit);
        var current = await TakeAsync(await OpenAsync(), "m");
        Assert.NotEqual(old.Token, current.Token);
        await LostAsync(Settlement.Complete(old.Token));
        await CompleteAsync(current);
    }

    [Fact]
    public async Task Q11_ManyReopenings_KeepOrderAndCounts()
    {
        RequireReopening();
        var expected = new List<string>();
        for (var round = 0; round < 6; round++)
        {
            for (var i = 0; i < 5; i++)
            {
                await SendTextsAsync($"{round}.{i}");
                expected.Add($"{round}.{i}");
            }

            await CompleteAsync(await TakeAsync(await OpenAsync(), expected[0]));
            expected.RemoveAt(0);
            await RestartAsync(round % 2 == 0);
        }

        Assert.Equal(expected, await DrainAsync());
    }

    private ValueTask RestartAsync(bool crash) => crash ? CrashAsync() : ReopenAsync();
}
