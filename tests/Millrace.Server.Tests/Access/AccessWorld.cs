using System.Globalization;
using System.Text;
using Millrace.Client;
using Millrace.Scheduling;
using Millrace.Scheduling.Triggers;
using Millrace.Storage;
using Millrace.Streams;
using Xunit;

namespace Millrace.Server.Tests.Access;

/// <summary>
/// Everything of one name, so that each request finds what it is about: a queue with a message <c>m</c>, a dead letter <c>d</c> and a leased message, bound to topics; a lock that
/// <c>me</c> holds; a document; a stream of two partitions with a record and a group <c>g</c>; a schedule that
/// sends to the queue.
/// </summary>
internal sealed class AccessWorld
{
    private readonly MillraceClient _store;

    private AccessWorld(MillraceClient store, string name) => (_store, Name) = (store, name);

    public string Name { get; }

    public string Topic => Name + ".new";

    public string Pattern => Name + ".*";

    public LeaseToken Leased { get; private init; }

    /// <summary>The token as requests have it.</summary>
    public string LeasedText => $"{Leased.High:x16}{Leased.Low:x16}";

    public long FencingToken { get; private init; }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<AccessWorld> MakeAsync(MillraceClient store, string name)
    {
        var queues = store.Require<IQueueStore>();
        await store.Require<IQueueAdmin>().CreateQueueAsync(name, QueueSettings.Default, Token);
        await store.Require<IQueueRouting>().BindAsync(name, TopicPattern.Parse(name + ".*"), Token);
        var receiver = await queues.OpenReceiverAsync(name, new ReceiverOptions { LeaseDuration = TimeSpan.FromHours(1) }, Token);
        await queues.EnqueueAsync(name, new[] { Message("d"), Message("l") }, default, Token);
        var deliveries = new Delivery[2];
        Assert.Equal(2, await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Token));
        await queues.SettleAsync(name, new[] { Settlement.DeadLetter(deliveries[0].Token, "test") }, default, Token);
        await queues.EnqueueAsync(name, new[] { Message("m") }, default, Token);
        var grant = await store.Require<ILockStore>().TryAcquireAsync(name, "me", TimeSpan.FromHours(1), Token);
        await store.Require<IStateStore>().PutAsync(name, new byte[] { 1 }, IStateStore.Absent, Token);
        await store.Streams.CreateAsync(name, new StreamSettings { Partitions = 2 }, Token);
        var partition = await store.Streams.OpenPartitionAsync(name, 0, Token);
        await partition.AppendAsync(new AppendRequest(new[] { new StreamRecord { Body = new byte[] { 1 } } }), Token);
        await store.Streams.SeekGroupAsync(name, "g", 0, 0, Token);
        await store.Schedules.PutAsync(ScheduleOf(name), cancellationToken: Token);
        return new AccessWorld(store, name) { Leased = deliveries[1].Token, FencingToken = grant!.FencingToken };
    }

    /// <summary>All that a request could have changed.</summary>
    public async Task<string> DescribeAsync()
    {
        var text = new StringBuilder();
        var admin = _store.Require<IQueueAdmin>();
        text.AppendJoin(',', await admin.ListQueuesAsync(Name, null, 100, Token)).AppendLine();
        var stats = await admin.GetStatsAsync(Name, Token);
        text.Append(CultureInfo.InvariantCulture, $"{stats.Ready} {stats.Scheduled} {stats.Leased} {stats.Dead} {stats.Enqueued}").AppendLine();
        text.Append(await admin.GetSettingsAsync(Name, Token)).AppendLine();
        text.Append((await admin.GetMessageAsync(Name, new MessageId("m"), Token))?.State).AppendLine();
        text.AppendJoin(',', (await _store.Require<IQueueRouting>().ListBindingsAsync(Name, Token)).Select(binding => binding.Pattern.Text)).AppendLine();
        text.Append((await _store.Require<IChannelTransport>().GetHistoryAsync(TopicPattern.Parse(Pattern), null, 100, Token)).Count).AppendLine();
        text.Append((await _store.Require<ILockStore>().InspectAsync(Name, Token))?.FencingToken).AppendLine();
        text.Append((await _store.Require<IStateStore>().GetAsync(Name, Token))?.Version).AppendLine();
        text.Append(await _store.Streams.GetAsync(Name, Token)).Append(await _store.Streams.GetAsync(Name + "new", Token)).AppendLine();
        text.AppendJoin(',', await _store.Streams.GetGroupAsync(Name, "g", Token)).AppendLine();
        text.Append(await (await _store.Streams.OpenPartitionAsync(Name, 0, Token)).GetStatsAsync(Token)).AppendLine();
        foreach (var schedule in await _store.Schedules.ListAsync(new ScheduleQuery { Prefix = Name }, cancellationToken: Token))
        {
            text.Append(CultureInfo.InvariantCulture, $"{schedule.Definition.Name} {schedule.Version} {schedule.Status} {schedule.Fired}").AppendLine();
        }

        return text.ToString();
    }

    /// <summary>A schedule that sends to the queue of its name, not soon.</summary>
    public static ScheduleDefinition ScheduleOf(string name, string? queue = null) => new()
    {
        Name = name,
        Trigger = Trigger.Parse("0 3 29 2 *"),
        Target = new MessageTarget { Body = "x"u8.ToArray() },
        Queue = queue ?? name,
    };

    private static Envelope Message(string id) => new("{}"u8.ToArray()) { Id = new MessageId(id) };
}
