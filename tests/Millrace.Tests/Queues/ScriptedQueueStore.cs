using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Queues;

/// <summary>
/// A store of one queue that keeps order, leases and attempts, counts calls, and does what a test tells it: fail, hold a call up, lose an answer or a lease.
/// Leases do not end by time; delays of releases are recorded and not kept. Safe for concurrent use.
/// </summary>
internal sealed class ScriptedQueueStore : IQueueStore
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<int, int> _ready = [];
    private readonly Dictionary<LeaseToken, Leased> _leased = [];
    private readonly List<Settlement[]> _settleCalls = [];
    private readonly List<int> _leaseSizes = [];
    private TaskCompletionSource _changed = NewSignal();
    private ulong _lastToken;
    private int _lastMessage = -1;
    private int _openReceivers;

    public QueueCapabilities Capabilities { get; } = new() { Backend = "scripted", Durability = StoreDurability.None };

    /// <summary>Called before each operation, outside all locks: throw to fail it, wait to hold it up.</summary>
    public Func<StoreCall, Task> Before { get; set; } = _ => Task.CompletedTask;

    /// <summary>Called when an operation has been applied: throw to lose its answer.</summary>
    public Func<StoreCall, Task> After { get; set; } = _ => Task.CompletedTask;

    public List<int> Completed { get; } = [];

    public List<(int Message, string Reason, string? Error)> Dead { get; } = [];

    public int OpenedReceivers { get; private set; }

    public int RenewCalls { get; private set; }

    /// <summary>Lease calls that were cancelled while they waited.</summary>
    public int CutWaits { get; private set; }

    public int OpenReceivers => Read(() => _openReceivers);

    public int ReadyCount => Read(() => _ready.Count);

    public int LeasedCount => Read(() => _leased.Count);

    /// <summary>The messages that are ready, with the attempts counted so far, in order.</summary>
    public (int Message, int Attempts)[] Ready => Read(() => _ready.Select(entry => (entry.Key, entry.Value)).ToArray());

    public Settlement[][] SettleCalls => Read(() => _settleCalls.ToArray());

    public int[] LeaseSizes => Read(() => _leaseSizes.ToArray());

    /// <summary>Adds messages; their numbers go on from the last.</summary>
    public void Send(int count) => Change(() =>
    {
        for (var i = 0; i < count; i++)
        {
            _ready.Add(++_lastMessage, 0);
        }
    });

    /// <summary>Ends a lease: the message is ready again.</summary>
    public void LoseLease(LeaseToken token) => Change(() => EndLocked(token, counted: true));

    public static int NumberOf(in Delivery delivery) => BitConverter.ToInt32(delivery.Message.Body.Span);

    /// <summary>Ends when a condition holds; looked at after each change of the store.</summary>
    public async Task UntilAsync(Func<ScriptedQueueStore, bool> condition)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                changed = _changed.Task;
            }

            if (condition(this))
            {
                return;
            }

            await changed.WaitAsync(TestScale.Patience, TestContext.Current.CancellationToken);
        }
    }

    public ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("Use Send.");

    public async ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default)
    {
        await Before(StoreCall.Open);
        var receiver = new Receiver(this, options.SettleOnLease);
        Change(() =>
        {
            OpenedReceivers++;
            _openReceivers++;
        });
        await After(StoreCall.Open);
        return receiver;
    }

    public async ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default)
    {
        await Before(StoreCall.Settle);
        Change(() =>
        {
            _settleCalls.Add(batch.ToArray());
            for (var i = 0; i < batch.Length; i++)
            {
                var result = SettleLocked(batch.Span[i]);
                if (!results.IsEmpty)
                {
                    results.Span[i] = result;
                }
            }
        });
        await After(StoreCall.Settle);
    }

    public ValueTask DisposeAsync() => default;

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private SettleResult SettleLocked(in Settlement settlement)
    {
        if (!_leased.TryGetValue(settlement.Token, out var leased))
        {
            return SettleResult.LeaseLost;
        }

        switch (settlement.Kind)
        {
            case SettlementKind.Release:
                EndLocked(settlement.Token, !settlement.Uncounted);
                break;
            case SettlementKind.Complete:
                _leased.Remove(settlement.Token);
                leased.Receiver.Open.Remove(settlement.Token);
                Completed.Add(leased.Message);
                break;
            default:
                _leased.Remove(settlement.Token);
                leased.Receiver.Open.Remove(settlement.Token);
                Dead.Add((leased.Message, settlement.Reason!, settlement.Error));
                break;
        }

        return SettleResult.Settled;
    }

    private void EndLocked(LeaseToken token, bool counted)
    {
        if (_leased.Remove(token, out var leased))
        {
            _ready.Add(leased.Message, counted ? leased.Attempt : leased.Attempt - 1);
        }
    }

    private T Read<T>(Func<T> read)
    {
        lock (_gate)
        {
            return read();
        }
    }

    private void Change(Action change)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            change();
            changed = _changed;
            _changed = NewSignal();
        }

        changed.SetResult();
    }

    private sealed record Leased(int Message, int Attempt, Receiver Receiver);

    private sealed class Receiver(ScriptedQueueStore store, bool settleOnLease) : IQueueReceiver
    {
        private bool _disposed;

        public HashSet<LeaseToken> Open { get; } = [];

        public async ValueTask<int> LeaseAsync(Memory<Delivery> into, TimeSpan maxWait, CancellationToken cancellationToken = default)
        {
            await store.Before(StoreCall.Lease);
            while (true)
            {
                Task changed;
                lock (store._gate)
                {
                    changed = store._changed.Task;
                    ObjectDisposedException.ThrowIf(_disposed, this);
                    if (store._ready.Count > 0)
                    {
                        break;
                    }
                }

                try
                {
                    await changed.WaitAsync(cancellationToken);
                }
                catch (OperationCanceledException)
                {
                    store.Change(() => store.CutWaits++);
                    throw;
                }
            }

            var count = 0;
            store.Change(() => count = TakeLocked(into.Span));
            await store.After(StoreCall.Lease);
            return count;
        }

        public async ValueTask<IReadOnlyList<LeaseToken>> RenewAsync(CancellationToken cancellationToken = default)
        {
            await store.Before(StoreCall.Renew);
            LeaseToken[] lost = [];
            store.Change(() =>
            {
                store.RenewCalls++;
                lost = [.. Open.Where(token => !store._leased.ContainsKey(token))];
                Open.ExceptWith(lost);
            });
            await store.After(StoreCall.Renew);
            return lost;
        }

        public async ValueTask DisposeAsync()
        {
            if (_disposed)
            {
                return;
            }

            await store.Before(StoreCall.Close);
            store.Change(() =>
            {
                _disposed = true;
                store._openReceivers--;
                foreach (var token in Open)
                {
                    store.EndLocked(token, counted: false);
                }
            });
        }

        private int TakeLocked(Span<Delivery> into)
        {
            var count = Math.Min(into.Length, store._ready.Count);
            store._leaseSizes.Add(count);
            for (var i = 0; i < count; i++)
            {
                var (number, attempts) = store._ready.First();
                store._ready.Remove(number);
                var token = settleOnLease ? default : new LeaseToken(1, ++store._lastToken);
                if (!settleOnLease)
                {
                    store._leased.Add(token, new Leased(number, attempts + 1, this));
                    Open.Add(token);
                }

                into[i] = new Delivery
                {
                    Message = new Message { Id = new MessageId($"m{number}"), Body = BitConverter.GetBytes(number) },
                    Token = token,
                    Attempt = attempts + 1,
                    Redelivered = attempts > 0,
                };
            }

            return count;
        }
    }
}

internal enum StoreCall
{
    Open,
    Lease,
    Renew,
    Settle,
    Close,
}
