using System.Buffers;
using System.Collections.Concurrent;

namespace Millrace.Storage.Engine;

/// <summary>The queues of one backend in this process: finds the <see cref="QueueCore"/> of a name, and lets it act.</summary>
internal sealed partial class QueueEngine : IQueueStore
{
    // Sections by name, so that a dead-letter queue is found without taking its name apart.
    private readonly ConcurrentDictionary<string, QueueSection> _sections = new(StringComparer.Ordinal);
    private readonly bool _createsQueues;
    private uint _lastSerial;

    public QueueEngine(MonotonicClock clock, TimerHeap timers, bool createsQueues)
    {
        Clock = clock;
        Timers = timers;
        _createsQueues = createsQueues;
    }

    public QueueCapabilities Capabilities { get; } = new() { Backend = "memory", Durability = StoreDurability.None };

    public MonotonicClock Clock { get; }

    public TimerHeap Timers { get; }

    public IdHash IdHash { get; } = new();

    public bool IsDisposed { get; private set; }

    /// <summary>How many queues there are, without their dead-letter queues.</summary>
    public int QueueCount => _sections.Count / 2;

    public ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default)
    {
        try
        {
            return Enqueue(queue, batch.Span, results.Span, cancellationToken);
        }
        catch (MillraceException exception)
        {
            return ValueTask.FromException(exception);
        }
    }

    public ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<IQueueReceiver>(cancellationToken);
        }

        try
        {
            options.Validate();
            while (true)
            {
                var opened = Under(FindOrCreate(queue), (Store: this, options), static (section, request) =>
                {
                    section.Core.Receivers++;
                    return (IQueueReceiver)new QueueReceiver(request.Store, section, request.options);
                });
                if (opened.Done)
                {
                    return new ValueTask<IQueueReceiver>(opened.Result!);
                }
            }
        }
        catch (MillraceException exception)
        {
            return ValueTask.FromException<IQueueReceiver>(exception);
        }
    }

    public ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default)
    {
        RequireResults(batch.Length, results.Length);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        try
        {
            Settle(Find(queue), batch.Span, results.Span);
            return default;
        }
        catch (MillraceException exception)
        {
            return ValueTask.FromException(exception);
        }
    }

    /// <summary>Ends every wait; whoever calls later learns that the store is gone.</summary>
    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        foreach (var section in _sections.Values)
        {
            QueueReceiver? served;
            lock (section.Core.Gate)
            {
                while (section.Waiting.First is { } receiver)
                {
                    receiver.EndWaitLocked(0, new ObjectDisposedException(nameof(IQueueStore), "The store was disposed while the receiver waited."));
                }

                served = section.Core.FinishLocked();
            }

            QueueReceiver.CompleteAll(served);
        }

        return default;
    }

    /// <summary>Removes a deleted queue from the names. Called under its gate.</summary>
    public void Forget(QueueCore core)
    {
        // First, while nobody can create a successor: bindings go by name, and its own must stay.
        _bindings.RemoveAll(core.Name);
        _sections.TryRemove(new(core.Main.Name, core.Main));
        _sections.TryRemove(new(core.Dead.Name, core.Dead));
    }

    private ValueTask Enqueue(string queue, ReadOnlySpan<Envelope> batch, Span<EnqueueResult> results, CancellationToken cancellationToken)
    {
        RequireResults(batch.Length, results.Length);
        EnvelopeRules.Require(batch, Capabilities);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (batch.IsEmpty)
        {
            RequireSendable(queue);
            return default;
        }

        if (batch.Length == 1)
        {
            var body = CopyOf(batch[0].Body);
            Enqueue(queue, batch, new ReadOnlySpan<byte[]>(in body), results);
            return default;
        }

        // Bodies are copied before the gate is taken.
        var bodies = ArrayPool<byte[]>.Shared.Rent(batch.Length);
        try
        {
            for (var i = 0; i < batch.Length; i++)
            {
                bodies[i] = CopyOf(batch[i].Body);
            }

            Enqueue(queue, batch, bodies, results);
        }
        finally
        {
            bodies.AsSpan(0, batch.Length).Clear();
            ArrayPool<byte[]>.Shared.Return(bodies);
        }

        return default;
    }

    private void Enqueue(string queue, ReadOnlySpan<Envelope> batch, ReadOnlySpan<byte[]> bodies, Span<EnqueueResult> results)
    {
        while (true)
        {
            var core = FindOrCreateForSending(queue);
            var now = Clock.Now;
            var acceptedAt = Clock.UtcNow;
            string? bound = null;
            QueueReceiver? served;
            bool isDeleted;
            lock (core.Gate)
            {
                core.AdvanceLocked(now);
                isDeleted = core.IsDeleted;
                if (!isDeleted)
                {
                    bound = RoomPlan.MakeRoomLocked(core, batch);
                    for (var i = 0; i < batch.Length && bound is null; i++)
                    {
                        var result = core.StoreLocked(in batch[i], bodies[i], acceptedAt);
                        if (!results.IsEmpty)
                        {
                            results[i] = result;
                        }
                    }
                }

                served = core.FinishLocked();
            }

            QueueReceiver.CompleteAll(served);
            if (bound is not null)
            {
                throw new QueueFullException(queue, bound);
            }

            if (!isDeleted)
            {
                return;
            }
        }
    }

    private void Settle(QueueSection? section, ReadOnlySpan<Settlement> batch, Span<SettleResult> results)
    {
        if (section is null)
        {
            // No queue, no lease.
            results[..Math.Min(results.Length, batch.Length)].Fill(SettleResult.LeaseLost);
            return;
        }

        var core = section.Core;
        var now = Clock.Now;
        QueueReceiver? served;
        lock (core.Gate)
        {
            core.AdvanceLocked(now);
            for (var i = 0; i < batch.Length; i++)
            {
                var result = core.SettleLocked(section, in batch[i]);
                if (!results.IsEmpty)
                {
                    results[i] = result;
                }
            }

            served = core.FinishLocked();
        }

        QueueReceiver.CompleteAll(served);
    }

    private static byte[] CopyOf(ReadOnlyMemory<byte> body) => body.IsEmpty ? [] : body.ToArray();

    private static void RequireResults(int batch, int results)
    {
        if (results != 0 && results < batch)
        {
            throw new ArgumentException($"There is room for {results} results of a batch of {batch}: give as many, or none.", nameof(results));
        }
    }

    private static void RequireSendable(string queue)
    {
        ArgumentNullException.ThrowIfNull(queue);
        ResourceName.Require(queue, "queue");
    }

    private QueueCore FindOrCreateForSending(string queue)
    {
        var section = FindOrCreate(queue);
        if (section.IsDead)
        {
            RequireSendable(queue);
        }

        return section.Core;
    }

    /// <summary>The section of a name; null when there is no such queue.</summary>
    /// <exception cref="InvalidNameException">No queue can bear the name.</exception>
    private QueueSection? Find(string queue)
    {
        ArgumentNullException.ThrowIfNull(queue);
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (_sections.TryGetValue(queue, out var section))
        {
            return section;
        }

        ResourceName.RequireQueue(queue);
        return null;
    }

    private QueueSection FindOrCreate(string queue)
    {
        while (true)
        {
            if (Find(queue) is { } section)
            {
                return section;
            }

            if (!_createsQueues)
            {
                throw new QueueNotFoundException(queue);
            }

            TryCreate(ResourceName.SourceOf(queue), QueueSettings.Default);
        }
    }

    private bool TryCreate(string name, QueueSettings settings)
    {
        var core = new QueueCore(this, Interlocked.Increment(ref _lastSerial), name, settings);
        lock (core.Gate)
        {
            // Under its gate, so that nobody deletes it before both names are there.
            if (!_sections.TryAdd(name, core.Main))
            {
                return false;
            }

            _sections[core.Dead.Name] = core.Dead;

            // A queue that nobody uses counts its idle time from here.
            core.AdvanceLocked(Clock.Now);
            core.FinishLocked();
        }

        return true;
    }
}
