using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>Queues in the database file: the hot path. Administration, routing and transactions are in the other parts.</summary>
internal sealed partial class SqliteQueueStore : IQueueStore, IQueueAdmin, IQueueRouting, IQueueTransactions
{
    private const int MaxPooled = 256;

    private readonly SqliteStore _store;
    private readonly ConcurrentQueue<EnqueueOperation> _enqueues = new();
    private readonly ConcurrentQueue<SettleOperation> _settles = new();
    private readonly ConcurrentDictionary<ulong, SqliteReceiver> _holders = new();

    public SqliteQueueStore(SqliteStore store) => _store = store;

    public QueueCapabilities Capabilities => _store.Capabilities;

    public SqliteStore Store => _store;

    public ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default)
    {
        RequireBatch(queue, batch.Span, results.Length);
        _store.RequireUsable();
        return batch.IsEmpty ? default : EnqueueAcceptedAsync(queue, batch, results, cancellationToken);
    }

    public async ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _store.RequireUsable();
        _store.AddReceiver(queue);
        try
        {
            await _store.Writer.RunAsync(ledger => ledger.OpenOrCreate(queue).Id, cancellationToken, needsFlush: false).ConfigureAwait(false);
            return new SqliteReceiver(this, queue, options);
        }
        catch
        {
            _store.RemoveReceiver(queue);
            throw;
        }
    }

    public ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        RequireRoom(batch.Length, results.Length);
        _store.RequireUsable();
        return batch.IsEmpty ? default : SettleAcceptedAsync(queue, batch, results, cancellationToken);
    }

    /// <summary>The store is closed with its backend.</summary>
    public ValueTask DisposeAsync() => _store.DisposeAsync();

    /// <summary>Remembers who holds a lease, to tell its receiver when it is settled.</summary>
    public void AddHolder(ulong leaseId, SqliteReceiver receiver) => _holders[leaseId] = receiver;

    public void RemoveHolder(ulong leaseId) => _holders.TryRemove(leaseId, out _);

    /// <summary>Checks a batch at the door.</summary>
    public void RequireBatch(string queue, ReadOnlySpan<Envelope> batch, int results)
    {
        ResourceName.Require(queue, "queue");
        RequireRoom(batch.Length, results);
        EnvelopeRules.Require(batch, Capabilities);
    }

    private static void RequireRoom(int batch, int results)
    {
        if (results != 0 && results < batch)
        {
            throw new ArgumentException($"There is room for {results} results, and the batch has {batch}. Pass as many, or none.", nameof(results));
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask EnqueueAcceptedAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken)
    {
        if (!_enqueues.TryDequeue(out var operation))
        {
            operation = new EnqueueOperation();
        }

        operation.Set(queue, batch, results);
        try
        {
            await _store.Writer.CommitAsync(operation, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            operation.Clear();
            if (_enqueues.Count < MaxPooled)
            {
                _enqueues.Enqueue(operation);
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SettleAcceptedAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        if (!_settles.TryDequeue(out var operation))
        {
            operation = new SettleOperation();
        }

        operation.Set(queue, batch, results);
        try
        {
            await _store.Writer.CommitAsync(operation, cancellationToken).ConfigureAwait(false);
            MarkSettled(queue, batch.Span);
        }
        finally
        {
            operation.Clear();
            if (_settles.Count < MaxPooled)
            {
                _settles.Enqueue(operation);
            }
        }
    }

    /// <summary>Tells receivers of this process which of their deliveries need no renewal any more: those that were settled, and those whose lease had ended.</summary>
    private void MarkSettled(string queue, ReadOnlySpan<Settlement> batch)
    {
        foreach (ref readonly var settlement in batch)
        {
            MarkSettled(queue, settlement.Token);
        }
    }

    private void MarkSettled(string queue, LeaseToken token)
    {
        if (_holders.TryGetValue(token.High, out var receiver))
        {
            receiver.MarkSettled(queue, token);
        }
    }
}
