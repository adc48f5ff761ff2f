using System.Text;
using Millrace.App;
using Millrace.Storage;
using Millrace.Streams;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class MigrateCommandTests : IDisposable
{
    private static readonly DateTimeOffset Past = new(2020, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private readonly MigrationWorld _world = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _world.Dispose();

    [Theory]
    [InlineData("sqlite", "file")]
    [InlineData("file", "sqlite")]
    public Task Migrate_MovesEverything_AndARepeatFindsItThere(string from, string to) => MoveEverythingAsync(_world.Url(from), _world.Url(to));

    [Fact]
    public async Task Migrate_ToRedis_AndFromThere_MovesEverything()
    {
        await using var redis = await LocalRedis.StartAsync(cancellationToken: Token);
        await MoveEverythingAsync(_world.Url("sqlite"), $"redis://{redis.EndPoint}/0");
        await MoveEverythingAsync($"redis://{redis.EndPoint}/1", _world.Url("file"));
    }

    private static async Task MoveEverythingAsync(string source, string target)
    {
        string[] ready = [];
        await MigrationWorld.WithAsync(source, async backend =>
        {
            await FillAsync(backend);
            ready = await MigrationWorld.IdsAsync(backend, "q");
        });

        var first = (await MigrationWorld.MigrateAsync(source, target)).Succeeded();

        Assert.Equal(
            ["queue 'empty': 0 moved, 0 there already, 0 left", "queue 'q': 7 moved, 0 there already, 0 left", "stream 's': 3 moved, 0 there already, 0 left",
                "documents: 1 moved, 0 there already, 0 left", "Done: 11 moved, 0 there already, 0 left."],
            first.Lines);
        Assert.Equal("", first.Error);
        await MigrationWorld.WithAsync(target, async backend =>
        {
            await RequireQueueAsync(backend, ready);
            await RequireStreamAsync(backend);
            Assert.Equal("v"u8.ToArray(), (await backend.State!.GetAsync("k", Token))!.Value.ToArray());
        });
        await MigrationWorld.WithAsync(source, async backend => Assert.Equal(0, Total(await backend.Require<IQueueAdmin>().GetStatsAsync("q", Token))));

        var again = (await MigrationWorld.MigrateAsync(source, target, "--json")).Succeeded();

        Assert.Equal(
            ["queue empty 0 0 0", "queue q 0 0 0", "stream s 0 3 0", "documents  0 1 0"],
            again.Objects.Select(line => $"{line.GetProperty("kind")} {line.GetProperty("name")} {line.GetProperty("moved")} {line.GetProperty("skipped")} {line.GetProperty("left")}"));
        await MigrationWorld.WithAsync(target, async backend => await RequireQueueAsync(backend, ready));
    }

    [Theory]
    [InlineData("sqlite", "file")]
    [InlineData("file", "sqlite")]
    public async Task ARepeat_AfterARunThatEndedBetweenTargetAndSource_StoresNothingTwice(string from, string to)
    {
        var (source, target) = (_world.Url(from), _world.Url(to));
        var scheduled = MigrationWorld.Text("later") with { Delay = TimeSpan.FromHours(1) };
        await MigrationWorld.WithAsync(source, async backend =>
        {
            await MigrationWorld.BuryAsync(backend, "q", "bad", "e", MigrationWorld.Text("dead-1"), MigrationWorld.Text("dead-2"), MigrationWorld.Text("dead-3"), MigrationWorld.Text("dead-4"));
            await MigrationWorld.SendAsync(backend, "q", scheduled);
            await MigrationWorld.SendAsync(backend, "other", MigrationWorld.Text("a"), MigrationWorld.Text("b"), scheduled);
            await MigrationWorld.AppendAsync(backend, "s", "0", "1", "2");
        });

        // One is dead already, the next one is not dead yet, the third one was leased too often before it was, the last one has not come.
        await MigrationWorld.WithAsync(target, async backend =>
        {
            await MigrationWorld.BuryAsync(backend, "q", "bad", "e", MigrationWorld.Text("dead-1"));
            await MigrationWorld.BuryAsync(backend, "q", DeadLetterInfo.MaxDeliveriesReason, null, MigrationWorld.Text("dead-3"));
            await MigrationWorld.SendAsync(backend, "q", MigrationWorld.Text("dead-2"));
            await MigrationWorld.SendAsync(backend, "other", scheduled, MigrationWorld.Text("a"));
        });

        var result = (await MigrationWorld.MigrateAsync(source, target)).Succeeded();

        Assert.Contains("queue 'other': 1 moved, 2 there already, 0 left", result.Lines);
        await MigrationWorld.WithAsync(target, async backend =>
        {
            Assert.Equal(["dead-1", "dead-2", "dead-3", "dead-4"], (await MigrationWorld.IdsAsync(backend, "q!dead")).Order());
            Assert.All(await MigrationWorld.BrowseAsync(backend, "q!dead"), dead => Assert.Equal(("bad", "e"), (dead.Message.DeadLetter!.Reason, dead.Message.DeadLetter.LastError)));
            Assert.Empty(await MigrationWorld.IdsAsync(backend, "q"));
            Assert.Equal(["later"], await MigrationWorld.IdsAsync(backend, "q", MessageState.Scheduled));
            Assert.Equal(["a", "b"], await MigrationWorld.IdsAsync(backend, "other"));
            Assert.Equal(["later"], await MigrationWorld.IdsAsync(backend, "other", MessageState.Scheduled));
            Assert.Equal(["0 0", "1 1", "2 2"], await MigrationWorld.RecordsAsync(backend, "s"));
        });
    }

    [Fact]
    public async Task WhatTheTargetHasOtherwise_StaysInTheSource_AndIsAFailure()
    {
        var (source, target) = (_world.Url("sqlite"), _world.Url("file"));
        await MigrationWorld.WithAsync(source, async backend =>
        {
            await backend.Require<IQueueAdmin>().CreateQueueAsync("q", QueueSettings.Default with { MaxDeliveries = 3 }, Token);
            await MigrationWorld.BuryAsync(backend, "q", "bad", null, MigrationWorld.Text("dead"));
            await MigrationWorld.SendAsync(backend, "q", MigrationWorld.Text("a"), MigrationWorld.Text("b"));
            await MigrationWorld.AppendAsync(backend, "s", "mine");
            await backend.State!.PutAsync("k", "mine"u8.ToArray(), null, Token);
        });
        await MigrationWorld.WithAsync(target, async backend =>
        {
            await MigrationWorld.SendAsync(backend, "q", MigrationWorld.Text("a", "another body"));
            await MigrationWorld.AppendAsync(backend, "s", "theirs");
            await backend.State!.PutAsync("k", "theirs"u8.ToArray(), null, Token);
        });

        var result = await MigrationWorld.MigrateAsync(source, target);

        Assert.Equal(ExitCodes.Failed, result.Code);
        Assert.Equal(
            ["queue 'q': 1 moved, 0 there already, 2 left", "stream 's': 0 moved, 0 there already, 1 left", "documents: 0 moved, 0 there already, 1 left",
                "Not everything was moved: 1 moved, 0 there already, 4 left."],
            result.Lines);
        foreach (var warning in (string[])["other settings", "the dead letters of queue 'q' stay", "other messages with their ids, such as 'a'", "other records in the target", "others under their keys"])
        {
            Assert.Contains(warning, result.Error, StringComparison.Ordinal);
        }

        await MigrationWorld.WithAsync(source, async backend =>
        {
            var left = Assert.Single(await MigrationWorld.BrowseAsync(backend, "q"));
            Assert.Equal(("a", 0), (left.Message.Id.ToString(), left.Attempts));
            Assert.Equal(["dead"], await MigrationWorld.IdsAsync(backend, "q!dead"));
            Assert.Equal(3, (await backend.Require<IQueueAdmin>().GetSettingsAsync("q", Token)).MaxDeliveries);
        });
        await MigrationWorld.WithAsync(target, async backend => Assert.Equal(["a", "b"], await MigrationWorld.IdsAsync(backend, "q")));
    }

    [Fact]
    public async Task ATrimmedStream_IsLeftOut_UnlessItIsRenumbered()
    {
        var (source, target) = (_world.Url("sqlite"), _world.Url("file"));
        await MigrationWorld.WithAsync(source, async backend =>
        {
            await MigrationWorld.AppendAsync(backend, "s", "a", "b", "c");
            await using var catalog = MigrationWorld.StreamsOf(backend);
            var streams = catalog.Streams;
            await (await streams.OpenPartitionAsync("s", 0, Token)).TrimAsync(1, Token);
            await streams.SeekGroupAsync("s", "g", 0, 2, Token);
        });

        var refused = await MigrationWorld.MigrateAsync(source, target);
        Assert.Equal(ExitCodes.Failed, refused.Code);
        Assert.Contains("begins at offset 1", refused.Error, StringComparison.Ordinal);
        Assert.Contains("stream 's': 0 moved, 0 there already, 2 left", refused.Lines);

        foreach (var counts in (string[])["2 moved, 0 there already", "0 moved, 2 there already"])
        {
            var renumbered = (await MigrationWorld.MigrateAsync(source, target, "--renumber")).Succeeded();
            Assert.Contains($"stream 's': {counts}, 0 left", renumbered.Lines);
            Assert.Contains("groups of stream 's' are not copied", renumbered.Error, StringComparison.Ordinal);
        }

        await MigrationWorld.WithAsync(target, async backend => Assert.Equal(["0 b", "1 c"], await MigrationWorld.RecordsAsync(backend, "s")));
    }

    [Fact]
    public async Task ADryRun_TellsWhatWouldMove_AndMakesNoTarget()
    {
        var (source, target) = (_world.Url("sqlite"), _world.Url("file"));
        await MigrationWorld.WithAsync(source, FillAsync);

        var result = (await MigrationWorld.MigrateAsync(source, target, "--dry-run")).Succeeded();

        Assert.Equal(
            ["queue 'empty': 0 ready, 0 scheduled, 0 dead, 0 with receivers", "queue 'q': 4 ready, 1 scheduled, 2 dead, 0 with receivers", "stream 's': 3 records", "documents: 1"],
            result.Lines);
        Assert.False(Path.Exists(Path.Combine(_world.Folder, "store.file")));
    }

    [Fact]
    public async Task OneStore_UnderTwoNames_AndNoStore_AreRefused()
    {
        var url = _world.Url("sqlite");
        await MigrationWorld.WithAsync(url, backend => MigrationWorld.SendAsync(backend, "q", MigrationWorld.Text("a")));

        (await MigrationWorld.MigrateAsync(url, url)).Failed(ExitCodes.Usage, "are one store");
        (await MigrationWorld.MigrateAsync(url, $"sqlite:{_world.Folder}/../{Path.GetFileName(_world.Folder)}/store.sqlite")).Failed(ExitCodes.Usage, "are one store");
        (await MigrationWorld.MigrateAsync(_world.Url("sqlite", "absent"), url)).Failed(ExitCodes.Usage, "There is no store at");
        (await MigrationWorld.MigrateAsync(url, _world.Url("file"), "--url", "memory:")).Failed(ExitCodes.Usage, "--from and --to");

        Assert.False(Path.Exists(Path.Combine(_world.Folder, "absent.sqlite")));
        await MigrationWorld.WithAsync(url, async backend => Assert.Equal(["a"], await MigrationWorld.IdsAsync(backend, "q")));
    }

    [Fact]
    public async Task AQueueThatDropsItsOldest_DropsNothing()
    {
        var (source, target) = (_world.Url("sqlite"), _world.Url("file"));
        var settings = QueueSettings.Default with { MaxLength = 2, Overflow = QueueOverflow.DropOldest };
        await MigrationWorld.WithAsync(source, async backend =>
        {
            await backend.Require<IQueueAdmin>().CreateQueueAsync("full", settings, Token);
            await MigrationWorld.BuryAsync(backend, "full", "bad", null, MigrationWorld.Text("1"), MigrationWorld.Text("2"));
            await MigrationWorld.BuryAsync(backend, "full", "bad", null, MigrationWorld.Text("3"));
            await MigrationWorld.SendAsync(backend, "full", MigrationWorld.Text("a"), MigrationWorld.Text("b"));
            await backend.Require<IQueueAdmin>().CreateQueueAsync("taken", settings, Token);
            await MigrationWorld.SendAsync(backend, "taken", MigrationWorld.Text("a"), MigrationWorld.Text("b"));
        });
        await MigrationWorld.WithAsync(target, async backend =>
        {
            await backend.Require<IQueueAdmin>().CreateQueueAsync("taken", settings, Token);
            await MigrationWorld.SendAsync(backend, "taken", MigrationWorld.Text("x"));
        });

        var result = await MigrationWorld.MigrateAsync(source, target);

        Assert.Equal(ExitCodes.Failed, result.Code);
        Assert.Contains("queue 'full': 5 moved, 0 there already, 0 left", result.Lines);
        Assert.Contains("queue 'taken': 0 moved, 0 there already, 2 left", result.Lines);
        Assert.Contains("queue 'taken' stays, because the target's would drop messages", result.Error, StringComparison.Ordinal);
        await MigrationWorld.WithAsync(target, async backend =>
        {
            Assert.Equal(["a", "b"], await MigrationWorld.IdsAsync(backend, "full"));
            Assert.Equal(["1", "2", "3"], await MigrationWorld.IdsAsync(backend, "full!dead"));
            Assert.Equal(["x"], await MigrationWorld.IdsAsync(backend, "taken"));
        });
    }

    private static async Task FillAsync(Backend backend)
    {
        var admin = backend.Require<IQueueAdmin>();
        await admin.CreateQueueAsync("empty", QueueSettings.Default, Token);
        await admin.CreateQueueAsync("q", QueueSettings.Default with { MaxDeliveries = 3, MaxLength = 100 }, Token);
        await backend.Require<IQueueRouting>().BindAsync("q", TopicPattern.Parse("orders.*"), Token);
        await MigrationWorld.BuryAsync(
            backend, "q", "bad", "went wrong", MigrationWorld.Text("dead-1") with { Headers = MessageHeaders.Of(("h", "v")) }, MigrationWorld.Text("dead-2") with { Priority = 0 });
        await MigrationWorld.SendAsync(
            backend,
            "q",
            new Envelope("assigned"u8.ToArray()),
            MigrationWorld.Text("rich") with
            {
                Priority = 9, Key = "k", ContentType = "text/x", Headers = MessageHeaders.Of(("b", "2"), ("a", "1")), TimeToLive = TimeSpan.FromHours(1),
            },
            MigrationWorld.Text("key-1") with { Key = "line", Priority = 1 },
            MigrationWorld.Text("key-2") with { Key = "line", Priority = 8 },
            MigrationWorld.Text("later") with { Delay = TimeSpan.FromHours(2) });
        await using var catalog = MigrationWorld.StreamsOf(backend);
        var streams = catalog.Streams;
        await streams.CreateAsync("s", new StreamSettings { Partitions = 2, Retention = new StreamRetention { MaxRecords = 1000 } }, Token);
        StreamRecord[] records =
        [
            new() { Body = "r0"u8.ToArray(), Key = "key"u8.ToArray(), Headers = MessageHeaders.Of(("h", "v")), Timestamp = Past },
            new() { Body = "r1"u8.ToArray(), Timestamp = Past.AddSeconds(1) },
        ];
        await (await streams.OpenPartitionAsync("s", 0, Token)).AppendAsync(new AppendRequest(records), Token);
        await (await streams.OpenPartitionAsync("s", 1, Token)).AppendAsync(new AppendRequest(records.AsMemory(1)), Token);
        await streams.SeekGroupAsync("s", "g", 0, 1, Token);
        await backend.State!.PutAsync("k", "v"u8.ToArray(), null, Token);
    }

    private static async Task RequireQueueAsync(Backend backend, string[] ready)
    {
        var admin = backend.Require<IQueueAdmin>();
        Assert.Equal(QueueSettings.Default with { MaxDeliveries = 3, MaxLength = 100 }, await admin.GetSettingsAsync("q", Token));
        Assert.Equal("orders.*", Assert.Single(await backend.Require<IQueueRouting>().ListBindingsAsync("q", Token)).Pattern.ToString());
        Assert.Equal(ready.Order(), (await MigrationWorld.IdsAsync(backend, "q")).Order());
        var rich = (await admin.GetMessageAsync("q", "rich", Token))!.Message;
        Assert.Equal((9, "k", "text/x", "b=2 a=1", "rich"), (rich.Priority, rich.Key, rich.ContentType, string.Join(' ', rich.Headers.Select(header => $"{header.Key}={header.Value}")), Body(rich)));
        Assert.InRange(rich.ExpiresAt!.Value - DateTimeOffset.UtcNow, TimeSpan.FromMinutes(50), TimeSpan.FromMinutes(60));
        var later = Assert.Single(await MigrationWorld.BrowseAsync(backend, "q", MessageState.Scheduled));
        Assert.Equal("later", later.Message.Id.ToString());
        Assert.InRange(later.DueAt!.Value - DateTimeOffset.UtcNow, TimeSpan.FromMinutes(110), TimeSpan.FromMinutes(120));
        var dead = await MigrationWorld.BrowseAsync(backend, "q!dead");
        Assert.Equal(["dead-1 bad went wrong", "dead-2 bad went wrong"], dead.Select(letter => $"{letter.Message.Id} {letter.Message.DeadLetter!.Reason} {letter.Message.DeadLetter.LastError}").Order());
        Assert.Equal("v", dead.Single(letter => letter.Message.Id == "dead-1").Message.Headers["h"]);
        await RequireKeyOrderAsync(backend);
    }

    // Within a key the priority means nothing; the order stays that of the source.
    private static async Task RequireKeyOrderAsync(Backend backend)
    {
        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Token);
        var deliveries = new Delivery[10];
        var leased = await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Token);
        Assert.Equal("key-1", deliveries.Take(leased).Single(delivery => delivery.Message.Key == "line").Message.Id.ToString());
    }

    private static async Task RequireStreamAsync(Backend backend)
    {
        await using var catalog = MigrationWorld.StreamsOf(backend);
        var streams = catalog.Streams;
        Assert.Equal(1000, (await streams.GetAsync("s", Token))!.Settings.Retention.MaxRecords);
        Assert.Equal((0, 1L), Assert.Single((await streams.GetGroupAsync("s", "g", Token)).Select(position => (position.Partition, position.Offset))));
        using (var page = await (await streams.OpenPartitionAsync("s", 0, Token)).ReadAsync(0, 10, 1000, Token))
        {
            var record = page.Records.Span[0];
            Assert.Equal(("r0", "key", "v", Past), (Encoding.UTF8.GetString(record.Body.Span), Encoding.UTF8.GetString(record.Key.Span), record.Headers!["h"], record.Timestamp));
            Assert.Equal(Past.AddSeconds(1), page.Records.Span[1].Timestamp);
        }

        Assert.Equal(["0 r1"], await MigrationWorld.RecordsAsync(backend, "s", 1));
    }

    private static string Body(Message message) => Encoding.UTF8.GetString(message.Body.Span);

    private static long Total(QueueStats stats) => stats.Ready + stats.Scheduled + stats.Leased + stats.Dead;
}
