using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Client;

/// <summary>A store that keeps what it is sent and gives nothing out, to look at what a client stores.</summary>
internal sealed class RecordingStore : IQueueStore, IQueueRouting
{
    private readonly List<(string Destination, Envelope[] Batch)> _calls = [];
    private readonly HashSet<MessageId> _ids = [];

    public QueueCapabilities Capabilities { get; } = new() { Backend = "recording", Durability = StoreDurability.None };

    public IReadOnlyList<(string Destination, Envelope[] Batch)> Calls => _calls;

    public Envelope Single => Assert.Single(Assert.Single(_calls).Batch);

    public Exception? Fault { get; set; }

    /// <summary>What a receiver's lease call waits for; null: receivers cannot be opened.</summary>
    public Task? LeaseFault { get; set; }

    public BackendRegistry Registry()
    {
        var registry = new BackendRegistry();
        registry.Add("recording", (_, _) => Backend.Of("recording", this));
        return registry;
    }

    public ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default)
    {
        Keep(queue, batch);
        for (var i = 0; i < batch.Length; i++)
        {
            var id = batch.Span[i].Id;
            results.Span[i] = id.IsEmpty
                ? new EnqueueResult(new MessageId(Guid.CreateVersion7()), EnqueueOutcome.Stored)
                : new EnqueueResult(id, _ids.Add(id) ? EnqueueOutcome.Stored : EnqueueOutcome.Duplicate);
        }

        return default;
    }

    public ValueTask<int> PublishAsync(string topic, ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken = default)
    {
        Keep(topic, batch);
        return new(2);
    }

    public ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default) =>
        LeaseFault is { } fault ? new(new FaultyReceiver(fault)) : throw new NotSupportedException();

    public ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask BindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<bool> UnbindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<IReadOnlyList<QueueBinding>> ListBindingsAsync(string? queue = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => default;

    // Bodies live in the caller's pooled memory: a store copies what it keeps.
    private void Keep(string destination, ReadOnlyMemory<Envelope> batch)
    {
        if (Fault is not null)
        {
            throw Fault;
        }

        EnvelopeRules.Require(batch.Span, Capabilities);
        _calls.Add((destination, [.. batch.ToArray().Select(envelope => envelope with { Body = envelope.Body.ToArray() })]));
    }

    private sealed class FaultyReceiver(Task fault) : IQueueReceiver
    {
        public async ValueTask<int> LeaseAsync(Memory<Delivery> into, TimeSpan maxWait, CancellationToken cancellationToken = default)
        {
            await fault.WaitAsync(cancellationToken);
            return 0;
        }

        public ValueTask<IReadOnlyList<LeaseToken>> RenewAsync(CancellationToken cancellationToken = default) => new([]);

        public ValueTask DisposeAsync() => default;
    }
}
