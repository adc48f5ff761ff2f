using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Millrace.Storage.Engine;

/// <summary>
/// The queues of one backend in this process: finds the <see cref="QueueCore"/> of a name, and lets it act. With a journal they outlive the process: every operation is applied in
/// memory, written down in the order in which queues applied it, and answered when that is durable.
/// </summary>
internal sealed partial class QueueEngine : IQueueStore
{
    // Sections by name, so that a dead-letter queue is found without taking its name apart.
    private readonly ConcurrentDictionary<string, QueueSection> _sections = new(StringComparer.Ordinal);
    private readonly bool _createsQueues;
    private uint _lastSerial;

    /// <summary>Queues that live in memory alone.</summary>
    public QueueEngine(MonotonicClock clock, TimerHeap timers, bool createsQueues)
        : this(clock, timers, createsQueues, new QueueCapabilities { Backend = "memory", Durability = StoreDurability.None })
    {
    }

    /// <summary>Queues with a journal, if it is not null.</summary>
    public QueueEngine(MonotonicClock clock, TimerHeap timers, bool createsQueues, QueueCapabilities capabilities, IEngineJournal? journal = null, MessageMemory? memory = null)
    {
        Debug.Assert(journal is null == memory is null, "Messages that a journal has need not be in memory; others must.");
        Clock = clock;
        Timers = timers;
        Capabilities = capabilities;
        Journal = journal;
        Memory = memory;
        _createsQueues = createsQueues;
    }

    public QueueCapabilities Capabilities { get; }

    /// <summary>Where changes are written down; null: nowhere.</summary>
    public IEngineJournal? Journal { get; }

    /// <summary>Counts the memory of waiting messages; null without a journal.</summary>
    public MessageMemory? Memory { get; }

    public MonotonicClock Clock { get; }

    public TimerHeap Timers { get; }

    /// <summary>The hash of ids, under a key that a journal keeps.</summary>
    public IdHash IdHash { get; init; } = new();

    /// <summary>Where damaged messages are reported.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

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
                var (opened, receiver, end) = Under(FindOrCreate(queue), (Store: this, options), static (section, request) =>
                {
                    section.Core.Receivers++;
                    return (IQueueReceiver)new QueueReceiver(request.Store, section, request.options);
                });
                EndUnflushed(end);
                if (opened)
                {
                    return new ValueTask<IQueueReceiver>(receiver!);
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
            return Settle(Find(queue), batch.Span, results.Span);
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
            OperationEnd end;
            lock (section.Core.Gate)
            {
                section.Core.EndWaitsLocked(static _ => new ObjectDisposedException(nameof(IQueueStore), "The store was disposed while the receiver waited."));
                end = section.Core.FinishLocked(default);
            }

            QueueReceiver.CompleteAll(end.Served);
        }

        return default;
    }

    /// <summary>The journal has failed: whoever waits learns of it, as whoever calls does.</summary>
    public void FailWaits()
    {
        foreach (var section in _sections.Values)
        {
            lock (section.Core.Gate)
            {
                section.Core.EndWaitsLocked(static section => new BackendUnavailableException(
                    $"A receiver of queue '{section.Name}' waited when the journal of its store failed, which takes nothing more until the store is opened again."));
                section.Core.FailServedLocked(new BackendUnavailableException("The journal of the store has failed; it takes nothing more until the store is opened again."));
            }
        }
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

        if (Journal is not null)
        {
            // Copied into the journal under the gate anyway, and kept in memory only near the head of the queue.
            return Enqueue(queue, batch, [], results);
        }

        if (batch.Length == 1)
        {
            var body = CopyOf(batch[0].Body);
            return Enqueue(queue, batch, new ReadOnlySpan<byte[]>(in body), results);
        }

        // Bodies are copied before the gate is taken.
        var bodies = ArrayPool<byte[]>.Shared.Rent(batch.Length);
        try
        {
            for (var i = 0; i < batch.Length; i++)
            {
                bodies[i] = CopyOf(batch[i].Body);
            }

            return Enqueue(queue, batch, bodies, results);
        }
        finally
        {
            bodies.AsSpan(0, batch.Length).Clear();
            ArrayPool<byte[]>.Shared.Return(bodies);
        }
    }

    private ValueTask Enqueue(string queue, ReadOnlySpan<Envelope> batch, ReadOnlySpan<byte[]> bodies, Span<EnqueueResult> results)
    {
        while (true)
        {
            var core = FindOrCreateForSending(queue);
            var now = Clock.Now;
            var acceptedAt = Clock.UtcNow;
            string? bound = null;
            OperationEnd end;
            bool isDeleted;
            var room = RoomFor(batch);
            lock (core.Gate)
            {
                core.AdvanceLocked(now);
                isDeleted = core.IsDeleted;
                if (!isDeleted)
                {
                    bound = RoomPlan.MakeRoomLocked(core, batch);
                    for (var i = 0; i < batch.Length && bound is null; i++)
                    {
                        var result = core.StoreLocked(in batch[i], bodies.IsEmpty ? null : bodies[i], acceptedAt);
                        if (!results.IsEmpty)
                        {
                            results[i] = result;
                        }
                    }
                }

                end = core.FinishLocked(room);
            }

            if (bound is null && !isDeleted)
            {
                return EndAsync(end, WaitsForFlush(batch));
            }

            EndUnflushed(end);
            if (bound is not null)
            {
                throw new QueueFullException(queue, bound);
            }
        }
    }

    private ValueTask Settle(QueueSection? section, ReadOnlySpan<Settlement> batch, Span<SettleResult> results)
    {
        if (section is null)
        {
            // No queue, no lease.
            results[..Math.Min(results.Length, batch.Length)].Fill(SettleResult.LeaseLost);
            return default;
        }

        var core = section.Core;
        var now = Clock.Now;
        OperationEnd end;
        var room = RoomFor(batch);
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

            end = core.FinishLocked(room);
        }

        return EndAsync(end, waitsForFlush: true);
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

            if (TryCreate(ResourceName.SourceOf(queue), QueueSettings.Default, out var end))
            {
                // Whoever creates a queue to use it waits for the flush of that.
                EndUnflushed(end);
            }
        }
    }

    private bool TryCreate(string name, QueueSettings settings, out OperationEnd end)
    {
        end = default;
        var core = new QueueCore(this, Interlocked.Increment(ref _lastSerial), name, settings);
        var room = Journal?.Reserve(ChangeBytes, isEssential: false) ?? default;
        lock (core.Gate)
        {
            // Under its gate, so that nobody deletes it before both names are there.
            if (!_sections.TryAdd(name, core.Main))
            {
                Journal?.Release(room);
                return false;
            }

            _sections[core.Dead.Name] = core.Dead;

            // A queue that nobody uses counts its idle time from here.
            core.AdvanceLocked(Clock.Now);
            core.WriteCreatedLocked();
            end = core.FinishLocked(room);
        }

        return true;
    }
}
