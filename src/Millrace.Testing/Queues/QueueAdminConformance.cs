using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

/// <summary>What <see cref="IQueueAdmin"/> promises beside the laws: creation, settings, lists, counts, and its errors. Derive from it to prove a queue store.</summary>
/// <typeparam name="TFixture">The backend under test.</typeparam>
public abstract partial class QueueAdminConformance<TFixture> : QueueSuite<TFixture>
    where TFixture : BackendFixture, new()
{
    [Fact]
    public async Task Admin_Creating_TellsWhetherItWasNew_AndLeavesTheSettingsOfAnOldOne()
    {
        Assert.True(await Soon(Admin.CreateQueueAsync(Queue, new QueueSettings { MaxLength = 5 }, Cancellation)));
        Assert.False(await Soon(Admin.CreateQueueAsync(Queue, new QueueSettings { MaxLength = 6 }, Cancellation)));
        Assert.Equal(5, (await Soon(Admin.GetSettingsAsync(Queue, Cancellation))).MaxLength);
    }

    [Fact]
    public async Task Admin_AQueueMadeByUse_HasTheDefaults()
    {
        await SendTextsAsync("m");
        Assert.False(await Soon(Admin.CreateQueueAsync(Queue, QueueSettings.Default, Cancellation)));
        Assert.Equal(QueueSettings.Default, await Soon(Admin.GetSettingsAsync(Queue, Cancellation)));
    }

    [Fact]
    public async Task Admin_Settings_AreKeptAsTheyWereGiven()
    {
        var settings = new QueueSettings
        {
            MaxDeliveries = 7, MaxLength = 70, MaxBytes = 700, Overflow = QueueOverflow.DropOldest, DeadLetterExpired = true,
            DedupWindow = TimeSpan.FromMinutes(7), DedupMaxEntries = 77, DeleteAfterIdle = TimeSpan.FromDays(7),
        };
        await CreateAsync(settings);
        Assert.Equal(settings, await Soon(Admin.GetSettingsAsync(Queue, Cancellation)));
        await Soon(Admin.UpdateSettingsAsync(Queue, QueueSettings.Default, Cancellation));
        Assert.Equal(QueueSettings.Default, await Soon(Admin.GetSettingsAsync(Queue, Cancellation)));
    }

    [Theory]
    [MemberData(nameof(QueueTheories.BadSettings), MemberType = typeof(QueueTheories))]
    public async Task Admin_BadSettings_AreRefused_AndChangeNothing(string setting)
    {
        var bad = setting switch
        {
            "MaxDeliveries" => new QueueSettings { MaxDeliveries = 0 },
            "MaxLength" => new QueueSettings { MaxLength = 0 },
            "MaxBytes" => new QueueSettings { MaxBytes = 0 },
            "Overflow" => new QueueSettings { Overflow = (QueueOverflow)9 },
            "DeleteAfterIdle" => new QueueSettings { DeleteAfterIdle = TimeSpan.Zero },
            "DedupWindow" => new QueueSettings { DedupWindow = TimeSpan.FromTicks(-1) },
            _ => new QueueSettings { DedupMaxEntries = -1 },
        };
        var error = await Assert.ThrowsAsync<MillraceConfigurationException>(() => Soon(Admin.CreateQueueAsync(Queue, bad, Cancellation)));
        Assert.Contains(setting, error.Message, StringComparison.Ordinal);
        await CreateAsync(QueueSettings.Default);
        await Assert.ThrowsAsync<MillraceConfigurationException>(() => Soon(Admin.UpdateSettingsAsync(Queue, bad, Cancellation)));
        Assert.Equal(QueueSettings.Default, await Soon(Admin.GetSettingsAsync(Queue, Cancellation)));
    }

    [Fact]
    public async Task Admin_ADeadLetterQueue_HasNoSettingsOfItsOwn()
    {
        await CreateAsync(QueueSettings.Default);
        await Assert.ThrowsAsync<InvalidNameException>(() => Soon(Admin.CreateQueueAsync(DeadQueue, QueueSettings.Default, Cancellation)));
        await Assert.ThrowsAsync<InvalidNameException>(() => Soon(Admin.UpdateSettingsAsync(DeadQueue, QueueSettings.Default, Cancellation)));
    }

    [Theory]
    [MemberData(nameof(QueueTheories.MembersThatNeedAQueue), MemberType = typeof(QueueTheories))]
    public async Task Admin_AnUnknownQueue_IsAnError(string member)
    {
        var error = await Assert.ThrowsAsync<QueueNotFoundException>(() => Soon(CallAsync(member, Queue)));
        Assert.Equal(Queue, error.Queue);
        await Assert.ThrowsAsync<InvalidNameException>(() => Soon(CallAsync(member, "bad\nname")));
        Assert.DoesNotContain(Queue, await Soon(Admin.ListQueuesAsync(Queue, cancellationToken: Cancellation)));
    }

    [Fact]
    public async Task Admin_Deleting_RemovesMessagesDeadLettersSettingsAndWindow()
    {
        await CreateAsync(new QueueSettings { MaxLength = 50 });
        await BuryAsync(Make("dead", id: "dead"));
        await SendAsync(Make("ready", id: "ready"), Make("scheduled", delay: Clock.LongLease), Make("leased", 9));
        var leased = await TakeAsync(await OpenAsync(), "leased");

        Assert.True(await Soon(Admin.DeleteQueueAsync(Queue, Cancellation)));
        Assert.False(await Soon(Admin.DeleteQueueAsync(Queue, Cancellation)));

        await Assert.ThrowsAsync<QueueNotFoundException>(() => StatsAsync());
        await LostAsync(Settlement.Complete(leased.Token));
        var outcomes = await SendAsync(Make("new", id: "ready"), Make("new", id: "dead"));
        Assert.All(outcomes, outcome => Assert.Equal(EnqueueOutcome.Stored, outcome.Outcome));
        await AssertDepthsAsync(ready: 2);
        Assert.Equal(QueueSettings.Default, await Soon(Admin.GetSettingsAsync(Queue, Cancellation)));
    }

    [Fact]
    public async Task Admin_ATokenOfADeletedQueue_IsLostInItsSuccessor()
    {
        await SendTextsAsync("old");
        var old = await TakeAsync(await OpenAsync());
        await Soon(Admin.DeleteQueueAsync(Queue, Cancellation));
        await SendTextsAsync("new");
        await TakeAsync(await OpenAsync(), "new");
        await LostAsync(Settlement.Complete(old.Token));
        await AssertDepthsAsync(leased: 1);
    }

    [Fact]
    public async Task Admin_Lists_AreInOrdinalOrder_ByPrefix_InPages_WithoutDeadLetterQueues()
    {
        string[] names = [Queue + ".b", Queue + ".a", Queue + ".B", Queue + ".a%", Queue + ".aa", Queue + ".ä", Queue + "_x"];
        foreach (var name in names)
        {
            await Soon(Admin.CreateQueueAsync(name, QueueSettings.Default, Cancellation));
        }

        string[] expected = [Queue + ".B", Queue + ".a", Queue + ".a%", Queue + ".aa", Queue + ".b", Queue + ".ä"];
        Assert.Equal(expected, await Soon(Admin.ListQueuesAsync(Queue + ".", cancellationToken: Cancellation)));
        Assert.Equal(expected[1..4], await Soon(Admin.ListQueuesAsync(Queue + ".a", cancellationToken: Cancellation)));
        Assert.Equal([Queue + "_x"], await Soon(Admin.ListQueuesAsync(Queue + "_", cancellationToken: Cancellation)));

        var paged = new List<string>();
        while (await Soon(Admin.ListQueuesAsync(Queue + ".", paged.LastOrDefault(), 2, Cancellation)) is { Count: > 0 } page)
        {
            Assert.InRange(page.Count, 1, 2);
            paged.AddRange(page);
        }

        Assert.Equal(expected, paged);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(1001)]
    public async Task Admin_ALimitOutOfRange_IsRefused(int limit)
    {
        await CreateAsync(QueueSettings.Default);
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Soon(Admin.ListQueuesAsync(limit: limit, cancellationToken: Cancellation)));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Soon(Admin.BrowseAsync(Queue, new BrowseQuery { Limit = limit }, Cancellation)));
    }

    [Fact]
    public async Task Admin_Stats_CountEveryStateAndEveryMove()
    {
        await CreateAsync(new QueueSettings { MaxLength = 6, Overflow = QueueOverflow.DropOldest });
        await BuryAsync(Make("dead letter"));
        await SendAsync(Make("1", 9), Make("22", 9), Make("333"), Make("4444"), Make("55555", delay: Clock.LongLease), Make("expires", 8, ttl: Clock.Unit, id: "x"));
        await SendAsync(Make("again", id: "x"));
        var deliveries = await PollAsync(await OpenAsync(), 2);
        await CompleteAsync(deliveries[0]);
        await PassAsync(Clock.Unit);
        await TakeAsync(await OpenAsync(), "333");
        await SendAsync(Make("a", 5), Make("b", 5), Make("c", 5));

        var stats = await StatsAsync();

        Assert.Equal((3, 1, 2, 1), (stats.Ready, stats.Scheduled, stats.Leased, stats.Dead));
        Assert.Equal((10, 1, 1, 1, 1, 1), (stats.Enqueued, stats.Completed, stats.Duplicates, stats.Expired, stats.Dropped, stats.DeadLettered));
        Assert.Equal(2 + 3 + 5 + 3, stats.Bytes);
        var dead = await StatsAsync(DeadQueue);
        Assert.Equal((1, 0, 11), (dead.Ready, dead.Dead, dead.Bytes));
    }

    [Fact]
    public async Task Admin_Stats_TellHowLongTheOldestReadyMessageHasWaited()
    {
        await CreateAsync(QueueSettings.Default);
        Assert.Null((await StatsAsync()).OldestReadyAge);
        await SendAsync(Make("old", 0), Make("scheduled", delay: Clock.LongLease));
        await PassAsync(Clock.Unit);
        await SendAsync(Make("young", 9));
        Assert.InRange((await StatsAsync()).OldestReadyAge!.Value, Clock.Unit, Clock.Unit + (2 * Clock.Margin) + TimeSpan.FromMilliseconds(1));
        Assert.Equal(2, (await PollAsync(await OpenAsync())).Length);
        Assert.Null((await StatsAsync()).OldestReadyAge);
    }

    [Fact]
    public async Task Admin_AnIdleQueue_IsDeletedWhenItsTimeIsUp()
    {
        await CreateAsync(new QueueSettings { DeleteAfterIdle = 2 * Clock.Unit });
        await SendTextsAsync("m");
        await PassAsync(3 * Clock.Unit);
        await AssertDepthsAsync(ready: 1);

        var receiver = await OpenAsync();
        await CompleteAsync(await TakeAsync(receiver));
        await PassAsync(3 * Clock.Unit);
        await AssertDepthsAsync();

        await Soon(receiver.DisposeAsync());
        await PassAlmostAsync(2 * Clock.Unit);
        await AssertDepthsAsync();
        await PassAsync(3 * Clock.Unit);
        await Assert.ThrowsAsync<QueueNotFoundException>(() => StatsAsync());
        Assert.Empty(await Soon(Admin.ListQueuesAsync(Queue, cancellationToken: Cancellation)));
    }

    [Fact]
    public async Task Admin_AnIdleQueueWithDeadLetters_Stays()
    {
        await CreateAsync(new QueueSettings { DeleteAfterIdle = Clock.Unit });
        var receiver = await OpenAsync();
        await SendTextsAsync("m");
        await SettledAsync(Settlement.DeadLetter((await TakeAsync(receiver)).Token, "x"));
        await Soon(receiver.DisposeAsync());
        await PassAsync(3 * Clock.Unit);
        await AssertDepthsAsync(dead: 1);
    }

    [Fact]
    public async Task Admin_IsTheSameThroughEveryOpening()
    {
        var other = (await ShareAsync()).Require<IQueueAdmin>();
        await SendTextsAsync("m");
        await TakeAsync(await OpenAsync());
        var stats = await Soon(other.GetStatsAsync(Queue, Cancellation));
        Assert.Equal((0, 1), (stats.Ready, stats.Leased));
        await Soon(other.UpdateSettingsAsync(Queue, new QueueSettings { MaxLength = 1 }, Cancellation));
        await Within(Clock.Unit, Task.Run(() => Assert.ThrowsAsync<QueueFullException>(() => SendTextsAsync("too many")), Cancellation));
        Assert.True(await Soon(other.DeleteQueueAsync(Queue, Cancellation)));
        await Assert.ThrowsAsync<QueueNotFoundException>(() => StatsAsync());
    }

    private async ValueTask CallAsync(string member, string queue)
    {
        var admin = Admin;
        switch (member)
        {
            case "GetSettings":
                await admin.GetSettingsAsync(queue, Cancellation);
                break;
            case "UpdateSettings":
                await admin.UpdateSettingsAsync(queue, QueueSettings.Default, Cancellation);
                break;
            case "GetStats":
                await admin.GetStatsAsync(queue, Cancellation);
                break;
            case "Browse":
                await admin.BrowseAsync(queue, new BrowseQuery(), Cancellation);
                break;
            case "GetMessage":
                await admin.GetMessageAsync(queue, "x", Cancellation);
                break;
            case "RemoveMessage":
                await admin.RemoveMessageAsync(queue, "x", Cancellation);
                break;
            case "RescheduleMessage":
                await admin.RescheduleMessageAsync(queue, "x", TimeSpan.Zero, Cancellation);
                break;
            case "Redrive":
                await admin.RedriveAsync(queue, DeadLetterFilter.All, Cancellation);
                break;
            default:
                await admin.PurgeAsync(queue, Cancellation);
                break;
        }
    }
}
