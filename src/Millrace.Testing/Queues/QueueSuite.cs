using System.Globalization;
using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

/// <summary>The words in which the queue suites speak: send, lease, settle, and what is in a queue.</summary>
/// <typeparam name="TFixture">The backend under test.</typeparam>
public abstract class QueueSuite<TFixture> : ConformanceSuite<TFixture>
    where TFixture : BackendFixture, new()
{
    private readonly List<IQueueReceiver> _receivers = [];

    /// <summary>A queue of this test alone.</summary>
    protected string Queue { get; } = "q-" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];

    /// <summary>Its dead letters.</summary>
    protected string DeadQueue => ResourceName.DeadLetterQueueOf(Queue);

    /// <summary>The store under test.</summary>
    protected IQueueStore Store => Contract<IQueueStore>();

    /// <summary>Its administration.</summary>
    protected IQueueAdmin Admin => Contract<IQueueAdmin>();

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        foreach (var receiver in _receivers)
        {
            await Soon(receiver.DisposeAsync());
        }

        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Skips the test where the store does not keep the law behind <paramref name="feature"/>.</summary>
    protected void Require(QueueFeatures feature)
    {
        if (!Store.Capabilities.Has(feature))
        {
            Skip(feature.ToString(), $"lacks {feature}");
        }
    }

    /// <summary>A second opening of the backend beside the first; the test is skipped where there is no such thing.</summary>
    protected async ValueTask<Backend> ShareAsync()
    {
        if (!Store.Capabilities.SharedAcrossProcesses)
        {
            Skip(BackendFixture.Sharing, "is not shared across processes");
        }

        return await OpenAnotherAsync();
    }

    /// <summary>An envelope with a text for its body.</summary>
    protected static Envelope Make(string text, int priority = MessagePriority.Default, string? key = null, TimeSpan delay = default, TimeSpan? ttl = null, string? id = null) =>
        new(Encoding.UTF8.GetBytes(text)) { Priority = priority, Key = key, Delay = delay, TimeToLive = ttl, Id = id };

    /// <summary>Sends one batch to the test's queue.</summary>
    protected Task<EnqueueResult[]> SendAsync(params Envelope[] batch) => SendToAsync(Queue, batch);

    /// <summary>Sends one batch.</summary>
    protected async Task<EnqueueResult[]> SendToAsync(string queue, params Envelope[] batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var results = new EnqueueResult[batch.Length];
        await Soon(Store.EnqueueAsync(queue, batch, results, Cancellation));
        return results;
    }

    /// <summary>Sends texts with defaults, in one batch.</summary>
    protected Task<EnqueueResult[]> SendTextsAsync(params string[] texts) => SendAsync(Array.ConvertAll(texts, text => Make(text)));

    /// <summary>Creates the test's queue with settings of its own.</summary>
    protected async Task CreateAsync(QueueSettings settings) => Assert.True(await Soon(Admin.CreateQueueAsync(Queue, settings, Cancellation)));

    /// <summary>Opens a receiver whose leases last the whole test unless told otherwise; disposed after the test.</summary>
    protected async Task<IQueueReceiver> OpenAsync(TimeSpan? lease = null, string? queue = null, bool settleOnLease = false, IQueueStore? store = null)
    {
        var options = new ReceiverOptions { LeaseDuration = lease ?? Clock.LongLease, SettleOnLease = settleOnLease };
        var receiver = await Soon((store ?? Store).OpenReceiverAsync(queue ?? Queue, options, Cancellation));
        _receivers.Add(receiver);
        return receiver;
    }

    /// <summary>Leases what is ready now, at most <paramref name="max"/>.</summary>
    protected static async Task<Delivery[]> PollAsync(IQueueReceiver receiver, int max = 100)
    {
        ArgumentNullException.ThrowIfNull(receiver);
        var into = new Delivery[max];
        var count = await Soon(receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation));
        Assert.InRange(count, 0, max);
        return into[..count];
    }

    /// <summary>Leases exactly one message that must be ready now.</summary>
    protected static async Task<Delivery> TakeAsync(IQueueReceiver receiver)
    {
        var taken = await PollAsync(receiver, 1);
        Assert.True(taken.Length == 1, "No message is ready, one was expected.");
        return taken[0];
    }

    /// <summary>Leases exactly one message that must be ready now, and must be <paramref name="text"/>.</summary>
    protected static async Task<Delivery> TakeAsync(IQueueReceiver receiver, string text)
    {
        var delivery = await TakeAsync(receiver);
        Assert.Equal(text, Text(delivery));
        return delivery;
    }

    /// <summary>Asserts that nothing is ready.</summary>
    protected static async Task AssertNothingReadyAsync(IQueueReceiver receiver) => Assert.Empty(Texts(await PollAsync(receiver)));

    /// <summary>Starts a lease call that waits without end for one message.</summary>
    protected static Task<Delivery> WaitAsync(IQueueReceiver receiver, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(receiver);
        return WaitCoreAsync(receiver, cancellationToken.CanBeCanceled ? cancellationToken : Cancellation);

        static async Task<Delivery> WaitCoreAsync(IQueueReceiver receiver, CancellationToken cancellationToken)
        {
            var into = new Delivery[1];
            Assert.Equal(1, await receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan, cancellationToken));
            return into[0];
        }
    }

    /// <summary>The body as text.</summary>
    protected static string Text(Delivery delivery) => Text(delivery.Message);

    /// <summary>The body as text.</summary>
    protected static string Text(Message message)
    {
        ArgumentNullException.ThrowIfNull(message);
        return Encoding.UTF8.GetString(message.Body.Span);
    }

    /// <summary>The bodies as texts.</summary>
    protected static string[] Texts(IEnumerable<Delivery> deliveries) => [.. deliveries.Select(Text)];

    /// <summary>Settles in one call, in the test's queue.</summary>
    protected Task<SettleResult[]> SettleAsync(params Settlement[] batch) => SettleInAsync(Queue, batch);

    /// <summary>Settles in one call.</summary>
    protected async Task<SettleResult[]> SettleInAsync(string queue, params Settlement[] batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var results = new SettleResult[batch.Length];
        await Soon(Store.SettleAsync(queue, batch, results, Cancellation));
        return results;
    }

    /// <summary>Settles one delivery whose lease must stand.</summary>
    protected async Task SettledAsync(Settlement settlement, string? queue = null) =>
        Assert.Equal([SettleResult.Settled], await SettleInAsync(queue ?? Queue, settlement));

    /// <summary>Settles one delivery whose lease must have ended.</summary>
    protected async Task LostAsync(Settlement settlement, string? queue = null) =>
        Assert.Equal([SettleResult.LeaseLost], await SettleInAsync(queue ?? Queue, settlement));

    /// <summary>Completes deliveries whose leases must stand.</summary>
    protected Task CompleteAsync(params Delivery[] deliveries) => CompleteInAsync(Queue, deliveries);

    /// <summary>Completes deliveries whose leases must stand.</summary>
    protected async Task CompleteInAsync(string queue, params Delivery[] deliveries)
    {
        ArgumentNullException.ThrowIfNull(deliveries);
        var results = await SettleInAsync(queue, Array.ConvertAll(deliveries, delivery => Settlement.Complete(delivery.Token)));
        Assert.All(results, result => Assert.Equal(SettleResult.Settled, result));
    }

    /// <summary>Leases and completes one message after the other until none is ready, and gives their texts in that order.</summary>
    protected async Task<string[]> DrainAsync(string? queue = null)
    {
        var receiver = await OpenAsync(queue: queue);
        var texts = new List<string>();
        while (await PollAsync(receiver, 1) is [var delivery])
        {
            texts.Add(Text(delivery));
            await CompleteInAsync(queue ?? Queue, delivery);
        }

        return [.. texts];
    }

    /// <summary>Sends one message and dead-letters it.</summary>
    protected async Task<Delivery> BuryAsync(Envelope envelope, string reason = "spoilt", string? error = null)
    {
        await SendAsync(envelope);
        var receiver = await OpenAsync();
        var delivery = await TakeAsync(receiver);
        await SettledAsync(Settlement.DeadLetter(delivery.Token, reason, error));
        return delivery;
    }

    /// <summary>The counts of a queue.</summary>
    protected Task<QueueStats> StatsAsync(string? queue = null) => Soon(Admin.GetStatsAsync(queue ?? Queue, Cancellation));

    /// <summary>Asserts how many messages stand where.</summary>
    protected async Task AssertDepthsAsync(long ready = 0, long scheduled = 0, long leased = 0, long dead = 0)
    {
        var stats = await StatsAsync();
        Assert.Equal((ready, scheduled, leased, dead), (stats.Ready, stats.Scheduled, stats.Leased, stats.Dead));
    }

    /// <summary>The first page of a browse.</summary>
    protected async Task<IReadOnlyList<BrowsedMessage>> BrowseAsync(MessageState state = MessageState.Ready, string? queue = null) =>
        (await Soon(Admin.BrowseAsync(queue ?? Queue, new BrowseQuery { State = state, Limit = 1000 }, Cancellation))).Messages;
}
