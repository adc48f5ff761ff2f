using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

/// <summary>One random history of a queue: each step does the same to the store and to the model, and compares what they answer.</summary>
internal sealed class QueueHistory(
    IQueueStore store,
    IQueueAdmin admin,
    IConformanceClock clock,
    string queue,
    QueueModel model,
    Random random,
    (bool Keys, bool Lifetimes, bool Repeats, bool Time) uses,
    CancellationToken cancellation) : IAsyncDisposable
{
    private const int ShownSteps = 60;

    private readonly List<string> _log = [];
    private readonly List<(Delivery Delivery, QueueModel.Entry Entry, int Lease)> _deliveries = [];
    private readonly HashSet<LeaseToken> _lost = [];

    // Lost leases of which the holder has learned by a settlement: whether a renewal tells it again is the store's choice.
    private readonly HashSet<LeaseToken> _told = [];
    private readonly ReceiverSlot[] _receivers = [new(3_000), new(9_000), new(60_000)];
    private int _messages;

    /// <summary>The latest steps, for a failure's message.</summary>
    public string Log => string.Join('\n', _log.TakeLast(ShownSteps));

    public async Task OpenAsync()
    {
        foreach (var slot in _receivers)
        {
            await OpenAsync(slot);
        }
    }

    public Task StepAsync() => random.Next(100) switch
    {
        < 30 => EnqueueAsync(),
        < 55 => PollAsync(_receivers[random.Next(_receivers.Length)], random.Next(1, 5)),
        < 78 => SettleAsync(),
        < 88 => uses.Time ? AdvanceAsync(random.Next(1, 6_000)) : EnqueueAsync(),
        < 91 => RenewAsync(_receivers[random.Next(_receivers.Length)]),
        < 93 => ReplaceAsync(_receivers[random.Next(_receivers.Length)]),
        < 95 => RemoveAsync(),
        < 97 => RescheduleAsync(),
        < 99 => RedriveAsync(),
        _ => PurgeAsync(),
    };

    /// <summary>Lets everything come back and become due, then takes all that is left and compares the counts.</summary>
    public async Task FinishAsync()
    {
        foreach (var slot in _receivers)
        {
            await ReplaceAsync(slot);
        }

        if (uses.Time)
        {
            await AdvanceAsync(120_000);
        }

        do
        {
            await PollAsync(_receivers[2], 1);
            await SettleAsync(_deliveries.Count == 0 ? [] : [Settlement.Complete(_deliveries[^1].Delivery.Token)]);
        }
        while (model.Entries.Any(entry => entry.Place is QueueModel.Place.Ready or QueueModel.Place.Leased));

        Assert.Equal(0, await _receivers[2].Receiver.LeaseAsync(new Delivery[1], TimeSpan.Zero, cancellation));
        var stats = await admin.GetStatsAsync(queue, cancellation);
        var dead = model.Entries.Where(entry => entry.Place == QueueModel.Place.Dead).ToList();
        Assert.Equal((0, 0, dead.Count), (stats.Ready, stats.Leased, stats.Dead));
        Assert.Equal(model.Entries.Count(entry => entry.Place is QueueModel.Place.Scheduled or QueueModel.Place.Backoff), stats.Scheduled);
        Assert.Equal((model.Expired, model.Dropped), (stats.Expired, stats.Dropped));
        await CompareDeadAsync(dead);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var slot in _receivers)
        {
            if (slot.IsOpen)
            {
                await slot.Receiver.DisposeAsync();
            }
        }
    }

    private async Task EnqueueAsync()
    {
        var texts = new string[random.Next(1, 4)];
        var batch = new Envelope[texts.Length];
        for (var i = 0; i < batch.Length; i++)
        {
            texts[i] = $"m{++_messages}";
            var expires = uses.Time && uses.Lifetimes && random.Next(2) == 0;
            batch[i] = new Envelope(Encoding.UTF8.GetBytes(texts[i]))
            {
                // Few ids are sent twice; the others are unique, so that single messages can be named. When a store notices an expiry that nobody
                // can see is its own business, so ids that expire are not sent twice.
                Id = uses.Repeats && !expires && random.Next(6) == 0 ? $"repeated{random.Next(4)}" : $"id-{texts[i]}",
                Priority = random.Next(2) == 0 ? MessagePriority.Default : random.Next(10),
                Key = uses.Keys && random.Next(2) == 0 ? $"k{random.Next(3)}" : null,
                Delay = uses.Time && random.Next(4) == 0 ? UniqueDelay() : TimeSpan.Zero,
                TimeToLive = expires ? TimeSpan.FromMilliseconds(random.Next(1, 15_000)) : null,
            };
        }

        Note($"enqueue {string.Join(", ", batch.Zip(texts, (envelope, text) => $"{text}(p{envelope.Priority} {envelope.Key} {envelope.Id} +{envelope.Delay.TotalMilliseconds} ttl {envelope.TimeToLive?.TotalMilliseconds})"))}");
        var expected = model.Enqueue(batch, texts);
        var results = new EnqueueResult[batch.Length];
        try
        {
            await store.EnqueueAsync(queue, batch, results, cancellation);
        }
        catch (QueueFullException) when (expected is null)
        {
            return;
        }

        Assert.True(expected is not null, "The batch should have been refused.");
        Assert.Equal(expected, Array.ConvertAll(results, result => result.Outcome));
    }

    private async Task PollAsync(ReceiverSlot slot, int max)
    {
        var into = new Delivery[max];
        var count = await slot.Receiver.LeaseAsync(into, TimeSpan.Zero, cancellation);
        Note($"lease {max} for {slot.LeaseMs}: {string.Join(", ", into[..count].Select(Describe))}");
        var expected = model.Lease(slot.Receiver, max, slot.LeaseMs);
        Assert.Equal(
            expected.Select(entry => $"{entry.Text} attempt {entry.Attempts} {(entry.Leases > 1 ? "again" : "first")}"), into[..count].Select(Describe));
        for (var i = 0; i < count; i++)
        {
            _deliveries.Add((into[i], expected[i], expected[i].Leases));
            slot.Open.Add(into[i].Token);
        }
    }

    private Task SettleAsync()
    {
        var batch = new List<Settlement>();
        for (var i = random.Next(1, 4); i > 0 && _deliveries.Count > 0; i--)
        {
            // Mostly a late delivery, at times an old one whose lease has ended or is settled.
            var back = random.Next(Math.Min(_deliveries.Count, random.Next(8) == 0 ? 40 : 5));
            var token = _deliveries[_deliveries.Count - 1 - back].Delivery.Token;
            batch.Add(random.Next(10) switch
            {
                < 5 => Settlement.Complete(token),
                < 7 => Settlement.Release(token, default, random.Next(3) != 0, random.Next(2) == 0 ? $"e{_log.Count}" : null),
                7 => Settlement.Release(token, uses.Time ? UniqueDelay() : default, random.Next(3) != 0, $"e{_log.Count}"),
                _ => Settlement.DeadLetter(token, $"r{random.Next(3)}", random.Next(2) == 0 ? $"e{_log.Count}" : null),
            });
        }

        return SettleAsync([.. batch]);
    }

    private async Task SettleAsync(Settlement[] batch)
    {
        Note($"settle {string.Join(", ", batch.Select(one => $"{Text(one.Token)} {one.Kind} +{one.Delay.TotalMilliseconds}{(one.Uncounted ? " uncounted" : "")}"))}");
        var results = new SettleResult[batch.Length];
        await store.SettleAsync(queue, batch, results, cancellation);
        var expected = Array.ConvertAll(batch, one => model.Settle(Current(one.Token), one));
        Assert.Equal(expected, results);
        _told.UnionWith(batch.Select(one => one.Token).Where(_lost.Contains));
    }

    private async Task AdvanceAsync(int milliseconds)
    {
        Note($"advance {milliseconds}");
        await clock.AdvanceAsync(TimeSpan.FromMilliseconds(milliseconds), cancellation);
        var leased = _deliveries.Where(one => Current(one.Delivery.Token) is { Place: QueueModel.Place.Leased }).ToList();
        model.Advance(milliseconds);
        _lost.UnionWith(leased.Where(one => one.Entry.Place != QueueModel.Place.Leased).Select(one => one.Delivery.Token));
    }

    private async Task RenewAsync(ReceiverSlot slot)
    {
        Note($"renew {slot.LeaseMs}");
        var lost = await slot.Receiver.RenewAsync(cancellation);
        model.Renew(slot.Receiver, slot.LeaseMs);
        Assert.Equal(slot.Open.Where(_lost.Contains).Except(_told).ToHashSet(), lost.Except(_told).ToHashSet());
        Assert.Equal(lost.Count, lost.Distinct().Count());
        slot.Open.RemoveAll(_lost.Contains);
    }

    private async Task ReplaceAsync(ReceiverSlot slot)
    {
        Note($"replace the receiver of {slot.LeaseMs}");
        await slot.Receiver.DisposeAsync();
        model.Drop(slot.Receiver);
        await OpenAsync(slot);
    }

    private async Task RemoveAsync()
    {
        if (AnyId() is { } id)
        {
            Note($"remove {id}");
            Assert.Equal(model.RemoveById(id), await admin.RemoveMessageAsync(queue, id, cancellation));
        }
    }

    private async Task RescheduleAsync()
    {
        if (AnyId() is { } id)
        {
            var delay = uses.Time && random.Next(2) == 0 ? UniqueDelay() : TimeSpan.Zero;
            Note($"reschedule {id} +{delay.TotalMilliseconds}");
            Assert.Equal(model.Reschedule(id, (long)delay.TotalMilliseconds), await admin.RescheduleMessageAsync(queue, id, delay, cancellation));
        }
    }

    private async Task RedriveAsync()
    {
        if (AnyId() is { } id)
        {
            Note($"redrive {id}");
            Assert.Equal(model.Redrive(id), await admin.RedriveAsync(queue, new DeadLetterFilter { Id = id }, cancellation));
        }
    }

    private async Task PurgeAsync()
    {
        // What has expired unseen may be gone already or still count, so lifetimes and purges don't meet.
        if (!uses.Lifetimes)
        {
            Note("purge");
            Assert.Equal(model.Purge(), await admin.PurgeAsync(queue, cancellation));
        }
    }

    private async Task CompareDeadAsync(List<QueueModel.Entry> dead)
    {
        var page = await admin.BrowseAsync(ResourceName.DeadLetterQueueOf(queue), new BrowseQuery { Limit = 1000 }, cancellation);
        var actual = page.Messages.Select(one => $"{Encoding.UTF8.GetString(one.Message.Body.Span)} {one.Message.DeadLetter!.Reason} {one.Message.DeadLetter.LastError} {one.Message.DeadLetter.Attempts}");
        var expected = dead.Select(entry => $"{entry.Text} {entry.Reason} {entry.LastError} {entry.Attempts}");
        Assert.Equal(expected.Order(StringComparer.Ordinal), actual.Order(StringComparer.Ordinal));
    }

    private async Task OpenAsync(ReceiverSlot slot)
    {
        slot.Use(await store.OpenReceiverAsync(queue, new ReceiverOptions { LeaseDuration = uses.Time ? TimeSpan.FromMilliseconds(slot.LeaseMs) : clock.LongLease }, cancellation));
    }

    // The entry that a token leases now, by the model; null when that lease has ended.
    private QueueModel.Entry? Current(LeaseToken token)
    {
        var index = _deliveries.FindIndex(one => one.Delivery.Token == token);
        return index >= 0 && _deliveries[index].Entry.Leases == _deliveries[index].Lease ? _deliveries[index].Entry : null;
    }

    // A message that can be named: alive or dead, but not expired unseen, and with an id of its own.
    private string? AnyId()
    {
        var named = model.Entries
            .Where(entry => entry.Id.StartsWith("id-", StringComparison.Ordinal)
                && (entry.ExpiresAt > model.Now || entry.Place is QueueModel.Place.Leased or QueueModel.Place.Dead))
            .ToList();
        return named.Count == 0 ? null : named[random.Next(named.Count)].Id;
    }

    // No two messages become due at one instant, because the laws order only what was delayed when it was sent.
    private TimeSpan UniqueDelay()
    {
        int delay;
        do
        {
            delay = random.Next(1, 12_000);
        }
        while (model.Entries.Any(entry => entry.DueAt == model.Now + delay));

        return TimeSpan.FromMilliseconds(delay);
    }

    private string Text(LeaseToken token) => _deliveries.Find(one => one.Delivery.Token == token).Entry.Text;

    private static string Describe(Delivery delivery) =>
        $"{Encoding.UTF8.GetString(delivery.Message.Body.Span)} attempt {delivery.Attempt} {(delivery.Redelivered ? "again" : "first")}";

    private void Note(string step) => _log.Add($"{model.Now,7} {step}");

    /// <summary>A receiver that is replaced now and then.</summary>
    private sealed class ReceiverSlot(long leaseMs)
    {
        private IQueueReceiver? _receiver;

        public long LeaseMs { get; } = leaseMs;

        public bool IsOpen => _receiver is not null;

        public IQueueReceiver Receiver => _receiver ?? throw new InvalidOperationException("The receiver is not open.");

        /// <summary>The tokens that it was given and that a renewal may still report as lost.</summary>
        public List<LeaseToken> Open { get; } = [];

        public void Use(IQueueReceiver receiver)
        {
            _receiver = receiver;
            Open.Clear();
        }
    }
}
