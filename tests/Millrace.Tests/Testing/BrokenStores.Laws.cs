using Millrace.Storage;

namespace Millrace.Tests.Testing;

/// <summary>Nothing is broken here: what a suite finds in the others does not come from the wrapping.</summary>
internal sealed class Sound : BrokenFixture
{
    protected override object Break(Backend memory) => new ForwardingQueueStore(memory);
}

/// <summary>Q1, Q9: stores a batch one message at a time.</summary>
internal sealed class StoresPiecemeal : BrokenFixture
{
    protected override object Break(Backend memory) => new Store(memory);

    private sealed class Store(Backend memory) : ForwardingQueueStore(memory)
    {
        public override async ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default)
        {
            for (var i = 0; i < batch.Length; i++)
            {
                await Inner.EnqueueAsync(queue, batch.Slice(i, 1), results.IsEmpty ? default : results.Slice(i, 1), cancellationToken);
            }
        }
    }
}

/// <summary>Changes what is sent.</summary>
internal abstract class ChangesEnvelopes(Func<Envelope, Envelope> change) : BrokenFixture
{
    protected override object Break(Backend memory) => new Store(memory, change);

    private sealed class Store(Backend memory, Func<Envelope, Envelope> change) : ForwardingQueueStore(memory)
    {
        public override ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default) =>
            Inner.EnqueueAsync(queue, Map(batch, change), results, cancellationToken);
    }
}

/// <summary>Q1: keeps no headers.</summary>
internal sealed class LosesHeaders() : ChangesEnvelopes(envelope => envelope with { Headers = null });

/// <summary>Q2: takes no notice of ids.</summary>
internal sealed class IgnoresIds() : ChangesEnvelopes(envelope => envelope with { Id = default });

/// <summary>Q3: takes no notice of priorities, so that bad ones pass as well.</summary>
internal sealed class IgnoresPriorities() : ChangesEnvelopes(envelope => envelope with { Priority = MessagePriority.Default });

/// <summary>Q4: delivers at once.</summary>
internal sealed class IgnoresDelays() : ChangesEnvelopes(envelope => envelope with { Delay = TimeSpan.Zero });

/// <summary>Q4: lets nothing expire.</summary>
internal sealed class IgnoresExpiry() : ChangesEnvelopes(envelope => envelope with { TimeToLive = null });

/// <summary>Q8: takes no notice of keys.</summary>
internal sealed class IgnoresKeys() : ChangesEnvelopes(envelope => envelope with { Key = null });

/// <summary>Changes how deliveries are settled.</summary>
internal abstract class ChangesSettlements(Func<Settlement, Settlement> change) : BrokenFixture
{
    protected override object Break(Backend memory) => new Store(memory, change);

    private sealed class Store(Backend memory, Func<Settlement, Settlement> change) : ForwardingQueueStore(memory)
    {
        public override ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default) =>
            Inner.SettleAsync(queue, Array.ConvertAll(batch.ToArray(), one => change(one)), results, cancellationToken);
    }
}

/// <summary>Q6: completes nothing.</summary>
internal sealed class RevivesTheCompleted() : ChangesSettlements(one => one.Kind == SettlementKind.Complete ? Settlement.Release(one.Token) : one);

/// <summary>Q7: counts no attempt that ends in a release.</summary>
internal sealed class CountsNoReleases() : ChangesSettlements(
    one => one.Kind == SettlementKind.Release ? Settlement.Release(one.Token, one.Delay, countAttempt: false, one.Error) : one);

/// <summary>Q6: forgets why a message died.</summary>
internal sealed class ForgetsErrors() : ChangesSettlements(one => one.Kind == SettlementKind.DeadLetter ? Settlement.DeadLetter(one.Token, one.Reason!) : one);

/// <summary>Q5: calls every settlement a success.</summary>
internal sealed class HidesLostLeases : BrokenFixture
{
    protected override object Break(Backend memory) => new Store(memory);

    private sealed class Store(Backend memory) : ForwardingQueueStore(memory)
    {
        public override async ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default)
        {
            await Inner.SettleAsync(queue, batch, results, cancellationToken);
            results.Span.Clear();
        }
    }
}

/// <summary>Gives out receivers that are spoilt.</summary>
internal abstract class ChangesReceivers(Func<IQueueStore, string, IQueueReceiver, IQueueReceiver> change) : BrokenFixture
{
    protected override object Break(Backend memory) => new Store(memory, change);

    private sealed class Store(Backend memory, Func<IQueueStore, string, IQueueReceiver, IQueueReceiver> change) : ForwardingQueueStore(memory)
    {
        public override async ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default) =>
            change(Inner, queue, await Inner.OpenReceiverAsync(queue, options, cancellationToken));
    }
}

/// <summary>Q5: gives a message to everyone who asks.</summary>
internal sealed class SharesDeliveries() : ChangesReceivers((store, queue, inner) => new Receiver(store, queue, inner))
{
    private sealed class Receiver(IQueueStore store, string queue, IQueueReceiver inner) : ForwardingReceiver(inner)
    {
        public override async ValueTask<int> LeaseAsync(Memory<Delivery> into, TimeSpan maxWait, CancellationToken cancellationToken = default)
        {
            var count = await base.LeaseAsync(into, maxWait, cancellationToken);
            for (var i = 0; i < count; i++)
            {
                await store.SettleAsync(queue, new[] { Settlement.Release(into.Span[i].Token) }, default, cancellationToken);
            }

            return count;
        }
    }
}

/// <summary>Q6: a renewal does nothing.</summary>
internal sealed class RenewsNothing() : ChangesReceivers((_, _, inner) => new Receiver(inner))
{
    private sealed class Receiver(IQueueReceiver inner) : ForwardingReceiver(inner)
    {
        public override ValueTask<IReadOnlyList<LeaseToken>> RenewAsync(CancellationToken cancellationToken = default) => new(Array.Empty<LeaseToken>());
    }
}

/// <summary>Q10: a cancelled wait goes on behind its caller's back, and leases for nobody.</summary>
internal sealed class StrandsLeases() : ChangesReceivers((_, _, inner) => new Receiver(inner))
{
    private sealed class Receiver(IQueueReceiver inner) : ForwardingReceiver(inner)
    {
        public override async ValueTask<int> LeaseAsync(Memory<Delivery> into, TimeSpan maxWait, CancellationToken cancellationToken = default)
        {
            var behind = new Delivery[into.Length];
            var count = await base.LeaseAsync(behind, maxWait, CancellationToken.None).AsTask().WaitAsync(cancellationToken);
            behind.AsMemory(0, count).CopyTo(into);
            return count;
        }
    }
}

/// <summary>Q7, Q3: a dropped receiver keeps its messages until their leases end.</summary>
internal sealed class KeepsWhatItDropped() : ChangesReceivers((_, _, inner) => new Receiver(inner))
{
    private sealed class Receiver(IQueueReceiver inner) : IQueueReceiver
    {
        public ValueTask<int> LeaseAsync(Memory<Delivery> into, TimeSpan maxWait, CancellationToken cancellationToken = default) =>
            inner.LeaseAsync(into, maxWait, cancellationToken);

        public ValueTask<IReadOnlyList<LeaseToken>> RenewAsync(CancellationToken cancellationToken = default) => inner.RenewAsync(cancellationToken);

        public ValueTask DisposeAsync() => default;
    }
}

/// <summary>Q9: knows no bounds.</summary>
internal sealed class HasNoBounds : BrokenFixture
{
    protected override object Break(Backend memory) => new Store(memory);

    private sealed class Store(Backend memory) : ForwardingQueueStore(memory)
    {
        public override ValueTask<bool> CreateQueueAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default) =>
            InnerAdmin.CreateQueueAsync(queue, settings with { MaxLength = 1_000_000, MaxBytes = null }, cancellationToken);
    }
}

/// <summary>Q12: redrives everything.</summary>
internal sealed class IgnoresFilters : BrokenFixture
{
    protected override object Break(Backend memory) => new Store(memory);

    private sealed class Store(Backend memory) : ForwardingQueueStore(memory)
    {
        public override ValueTask<long> RedriveAsync(string queue, DeadLetterFilter filter, CancellationToken cancellationToken = default) =>
            InnerAdmin.RedriveAsync(queue, DeadLetterFilter.All, cancellationToken);
    }
}

/// <summary>Lacks a feature, and says so; the heirs differ in whether their fixture allows that.</summary>
internal abstract class LacksKeys : BrokenFixture
{
    protected override object Break(Backend memory) => new Store(memory);

    private sealed class Store(Backend memory) : ForwardingQueueStore(memory)
    {
        public override QueueCapabilities Capabilities => Inner.Capabilities with { Features = QueueFeatures.All & ~QueueFeatures.OrderedKeys };
    }
}

/// <summary>Lacks Q8 without leave.</summary>
internal sealed class LacksKeysSecretly : LacksKeys;

/// <summary>Lacks Q8 with leave.</summary>
internal sealed class LacksKeysOpenly : LacksKeys
{
    public override IReadOnlyCollection<string> AllowedSkips => ["Q8"];
}
