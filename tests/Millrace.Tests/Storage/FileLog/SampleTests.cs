using System.Text;
using Millrace.Storage;
using Millrace.Storage.FileLog;
using Millrace.Storage.FileLog.Disk;
using Xunit;

namespace Millrace.Tests.Storage.FileLog;

/// <summary>
/// A folder of each format that has ever been written must open for ever. The sample of the current one was made by <c>MILLRACE_WRITE_SAMPLE=FOLDER</c>, once, without the files
/// of the lock; a sample that is committed is never changed.
/// </summary>
public sealed class SampleTests
{
    private const string Queue = "work";

    private static readonly DateTimeOffset Start = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static string Sample => Path.Combine(AppContext.BaseDirectory, "Storage", "FileLog", "Samples", "format-1");

    [Fact]
    public async Task TheSampleOfFormat1_Opens()
    {
        if (Environment.GetEnvironmentVariable("MILLRACE_WRITE_SAMPLE") is { } target)
        {
            await WriteAsync(target);
        }

        using var folder = new TemporaryFolder();
        Copy(Sample, folder.Data);
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(folder.Url("segmentBytes=1024"), cancellationToken: Cancellation);
        var partition = await backend.Streams!.OpenPartitionAsync(new StreamPartitionContext { Stream = "Orders/EU", Partition = 1, PartitionCount = 2 }, Cancellation);
        Assert.Equal(new StreamPartitionStats(31, 60, (await partition.GetStatsAsync(Cancellation)).Bytes), await partition.GetStatsAsync(Cancellation));
        var records = new List<StreamRecord>();
        for (var offset = 31L; offset < 60;)
        {
            var page = await partition.ReadAsync(offset, 100, 1 << 20, Cancellation);
            records.AddRange(page.Records.ToArray());
            offset = page.NextOffset;
        }

        Assert.All(records, record =>
        {
            var expected = Record((int)record.Offset);
            Assert.Equal(expected.Body.ToArray(), record.Body.ToArray());
            Assert.Equal(expected.Key.ToArray(), record.Key.ToArray());
            Assert.Equal(expected.Timestamp, record.Timestamp);
            Assert.Equal((expected.Headers ?? MessageHeaders.Empty).ToArray(), (record.Headers ?? MessageHeaders.Empty).ToArray());
        });
        Assert.Equal(new AppendResult(0, true), await partition.AppendAsync(Request(0, "early", 5), Cancellation));
        Assert.Equal(new AppendResult(58, true), await partition.AppendAsync(Request(58, "late", 0), Cancellation));
        Assert.Equal(60, (await partition.AppendAsync(Request(60, null, 0), Cancellation)).FirstOffset);
        await Assert.ThrowsAsync<OffsetOutOfRangeException>(async () => await partition.ReadAsync(30, 1, 1, Cancellation));
    }

    [Fact]
    public async Task TheSampleOfFormat1_HasItsQueuesDocumentsAndLocks()
    {
        using var folder = new TemporaryFolder();
        Copy(Sample, folder.Data);
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(folder.Url("segmentBytes=1024"), cancellationToken: Cancellation);
        var admin = backend.Require<IQueueAdmin>();
        Assert.Equal(new QueueSettings { MaxDeliveries = 3, MaxLength = 1000 }, await admin.GetSettingsAsync(Queue, Cancellation));
        Assert.Equal("orders.*", Assert.Single(await backend.Require<IQueueRouting>().ListBindingsAsync(Queue, Cancellation)).Pattern.Text);
        var ready = await admin.BrowseAsync(Queue, new BrowseQuery(), Cancellation);
        Assert.Equal(["keyed", "plain", "mortal"], ready.Messages.Select(message => Encoding.UTF8.GetString(message.Message.Body.Span)));
        Assert.Equal(("customer-1", "sent-1", 7, 1, "try again"), (ready.Messages[0].Message.Key, ready.Messages[0].Message.Id.ToString(), ready.Messages[0].Message.Priority, ready.Messages[0].Attempts, ready.Messages[0].LastError));
        Assert.Equal(("text/plain", "acme"), (ready.Messages[2].Message.ContentType, ready.Messages[2].Message.Headers["tenant"]));
        Assert.NotNull(ready.Messages[2].Message.ExpiresAt);
        Assert.Equal("later", Encoding.UTF8.GetString(Assert.Single((await admin.BrowseAsync(Queue, new BrowseQuery { State = MessageState.Scheduled }, Cancellation)).Messages).Message.Body.Span));
        var dead = Assert.Single((await admin.BrowseAsync(Queue + "!dead", new BrowseQuery(), Cancellation)).Messages).Message;
        Assert.Equal(("dead-1", "refused", "no such order", 1), (dead.Id.ToString(), dead.DeadLetter!.Reason, dead.DeadLetter.LastError, dead.DeadLetter.Attempts));
        var document = await backend.State!.GetAsync("settings/a", Cancellation);
        Assert.Equal("one"u8.ToArray(), document!.Value.ToArray());
        Assert.Null(await backend.State.GetAsync("settings/b", Cancellation));
        Assert.True((await backend.State.PutAsync("settings/b", default, IStateStore.Absent, Cancellation)).Version > document.Version + 2);
        Assert.NotNull(await backend.Locks!.TryAcquireAsync("leader", "reader", TimeSpan.FromMinutes(1), Cancellation));
    }

    private static async Task WriteAsync(string folder)
    {
        var options = new FileBackendOptions
        {
            Folder = folder,
            Durability = "full",
            Log = new FileLogOptions { SegmentBytes = FileLogOptions.MinSegmentBytes },
        };
        await using var backend = await FileBackend.OpenAsync(NativeFileSystem.Instance, options, new BackendContext());
        var partition = await backend.Streams.OpenPartitionAsync(new StreamPartitionContext { Stream = "Orders/EU", Partition = 1, PartitionCount = 2 }, Cancellation);
        for (var i = 0; i < 60; i += 2)
        {
            await partition.AppendAsync(Request(i, i == 0 ? "early" : i == 58 ? "late" : null, i == 0 ? 5 : 0), Cancellation);
        }

        await partition.TrimAsync(31, Cancellation);
        await WriteQueuesAsync(backend);
        await backend.State.PutAsync("settings/a", "one"u8.ToArray(), IStateStore.Absent, Cancellation);
        await backend.State.PutAsync("settings/b", "gone"u8.ToArray(), IStateStore.Absent, Cancellation);
        await backend.State.DeleteAsync("settings/b", null, Cancellation);
        Assert.NotNull(await backend.Locks.TryAcquireAsync("leader", "writer", TimeSpan.FromMinutes(1), Cancellation));
    }

    private static async Task WriteQueuesAsync(Backend backend)
    {
        var store = backend.Queues!;
        await backend.Require<IQueueAdmin>().CreateQueueAsync(Queue, new QueueSettings { MaxDeliveries = 3, MaxLength = 1000 }, Cancellation);
        await backend.Require<IQueueRouting>().BindAsync(Queue, TopicPattern.Parse("orders.*"), Cancellation);
        await store.EnqueueAsync(Queue, new Envelope[] { new("dies"u8.ToArray()) { Priority = 9, Id = new MessageId("dead-1") } }, default, Cancellation);
        await using var receiver = await store.OpenReceiverAsync(Queue, new ReceiverOptions(), Cancellation);
        var deliveries = new Delivery[1];
        await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Cancellation);
        await store.SettleAsync(Queue, new[] { Settlement.DeadLetter(deliveries[0].Token, "refused", "no such order") }, default, Cancellation);
        await store.EnqueueAsync(
            Queue,
            new Envelope[]
            {
                new("plain"u8.ToArray()),
                new("keyed"u8.ToArray()) { Key = "customer-1", Id = new MessageId("sent-1"), Priority = 7 },
                new("later"u8.ToArray()) { Delay = TimeSpan.FromDays(3650) },
                new("mortal"u8.ToArray()) { TimeToLive = TimeSpan.FromDays(3650), ContentType = "text/plain", Headers = MessageHeaders.Of(("tenant", "acme")) },
            },
            default,
            Cancellation);
        await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Cancellation);
        await store.SettleAsync(Queue, new[] { Settlement.Release(deliveries[0].Token, error: "try again") }, default, Cancellation);
    }

    private static AppendRequest Request(int offset, string? producer, long sequence) =>
        new(new[] { Record(offset), Record(offset + 1) }) { ProducerId = producer, FirstSequence = sequence };

    private static StreamRecord Record(int offset) => new()
    {
        Body = Encoding.UTF8.GetBytes($"body {offset} {new string('b', offset % 40)}"),
        Key = offset % 3 == 0 ? default : Encoding.UTF8.GetBytes($"key {offset}"),
        Headers = offset % 4 == 0 ? MessageHeaders.Of(("number", $"{offset}"), ("größe", "🙂")) : null,
        Timestamp = Start.AddSeconds(offset % 7 == 0 ? -offset : offset).AddTicks(offset),
    };

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }

        foreach (var folder in Directory.EnumerateDirectories(from))
        {
            Copy(folder, Path.Combine(to, Path.GetFileName(folder)));
        }
    }
}
