using Millrace.Diagnostics;
using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>
/// One consumer of a queue: its credit, its settlements, its end. Made by <see cref="QueueDispatcher.AddConsumer"/>. Safe for concurrent use.
/// </summary>
/// <remarks>
/// A delivery uses one credit from when it is pushed until it is settled; every delivery is settled once, also one whose lease was lost (that only gives the credit back).
/// Deliveries that were settled on lease give theirs back by <see cref="AddCredit"/>.
/// </remarks>
public sealed class DispatchConsumer : IAsyncDisposable
{
    /// <summary>The largest credit of one consumer.</summary>
    public const int MaxCredit = 10_000_000;

    private readonly DispatchLane _lane;
    private readonly IDeliverySink _sink;

    // Held around each call into the sink, so that they come one at a time, and a loss after the delivery that it is about. Taken before the ledger's gate, never inside it.
    private readonly Lock _callbackGate = new();
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal DispatchConsumer(DispatchLane lane, IDeliverySink sink) => (_lane, _sink) = (lane, sink);

    /// <summary>The queue.</summary>
    public string Queue => _lane.Queue;

    /// <summary>
    /// Ends when the queue's receiver is open for the first time; transient faults are repeated until then. Fails when it cannot be opened, for instance because the queue
    /// does not exist; cancelled when the consumer was disposed before.
    /// </summary>
    public Task Opened => _lane.Opened;

    /// <summary>
    /// Ends when the consumer has been closed. Fails when nothing more will be delivered to it: leasing met a fault that is not transient, or the sink threw. Its deliveries
    /// can still be settled then, and it must still be disposed.
    /// </summary>
    public Task Completion => _completion.Task;

    /// <summary>Whether it has been closed and its share handed back.</summary>
    internal bool IsGone => _closed.Task.IsCompleted;

    // The next fields are guarded by the ledger's gate, and belong to it.
    internal LeaseList Leases;
    internal int Window;
    internal int FreeCredit;
    internal bool InRing;
    internal bool IsClosed;
    internal int CallbacksRunning;
    internal TaskCompletionSource? Quiet;

    /// <summary>Sets the most deliveries that the consumer holds unsettled at one time. Less than it holds now: nothing more comes until enough are settled.</summary>
    /// <param name="credit">0 (pause) to <see cref="MaxCredit"/>.</param>
    public void SetCredit(int credit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(credit);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(credit, MaxCredit);
        _lane.OnCreditChanged(_lane.Ledger.SetWindow(this, credit));
    }

    /// <summary>Gives back the credit of deliveries that were settled on lease and are done with. Free credit does not grow beyond <see cref="MaxCredit"/>.</summary>
    /// <param name="count">How many; 1 to <see cref="MaxCredit"/>.</param>
    public void AddCredit(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MaxCredit);
        _lane.OnCreditChanged(_lane.Ledger.AddCredit(this, count));
    }

    /// <summary>Settles deliveries of this consumer, in order, in one operation of the store. When it fails nothing is settled as far as is known, and it can be repeated.</summary>
    /// <param name="batch">What to do with each. Not to be changed before the call has ended.</param>
    /// <param name="results">One result a settlement, in order; at least as long as the batch, or empty when they are not wanted.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the batch.</param>
    public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results = default, CancellationToken cancellationToken = default)
    {
        if (!results.IsEmpty)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(results.Length, batch.Length);
        }

        return batch.IsEmpty ? ValueTask.CompletedTask : _lane.SettleAsync(this, batch, results, cancellationToken);
    }

    /// <summary>Closes the consumer and hands its deliveries back, in order and without counting an attempt. No call into the sink is made after this has ended.</summary>
    public ValueTask DisposeAsync() => CloseAsync(default);

    /// <summary>Closes the consumer and hands its deliveries back, in order; settlements that run are left to end. No call into the sink is made after this has ended.</summary>
    /// <param name="handled">The deliveries that somebody has begun to handle: their attempt counts. Those not named here were not handled, and their attempt does not count.</param>
    /// <remarks>Never fails: a transient fault of the store is repeated in the background, another one logged. Not to be awaited inside a call into the sink.</remarks>
    public async ValueTask CloseAsync(ReadOnlyMemory<LeaseToken> handled)
    {
        if (_lane.Ledger.Close(this) is not { } closing)
        {
            await _closed.Task.ConfigureAwait(false);
            return;
        }

        _lane.OnCreditChanged(closing.Change);
        await closing.Quiet.ConfigureAwait(false);
        await _lane.ReturnAsync(_lane.Ledger.TakeShare(this, handled.Span)).ConfigureAwait(false);
        await _lane.LeaveAsync(this).ConfigureAwait(false);
        _completion.TrySetResult();
        _closed.SetResult();
    }

    /// <summary>Takes as much of a batch as its credit allows, and pushes it. Returns how many.</summary>
    internal int Push(ReceiverSession session, ReadOnlySpan<Delivery> batch, long basis)
    {
        lock (_callbackGate)
        {
            var count = _lane.Ledger.Assign(this, session, batch, basis);
            if (count == 0)
            {
                return 0;
            }

            try
            {
                _sink.OnDeliveries(batch[..count]);
            }
            catch (Exception exception)
            {
                FaultFromSink(exception);
            }
            finally
            {
                _lane.Ledger.LeaveCallback(this);
            }

            return count;
        }
    }

    internal void AnnounceLost(LeaseToken token)
    {
        lock (_callbackGate)
        {
            if (!_lane.Ledger.TryEnterCallback(this))
            {
                return;
            }

            try
            {
                _sink.OnLeaseLost(token);
            }
            catch (Exception exception)
            {
                FaultFromSink(exception);
            }
            finally
            {
                _lane.Ledger.LeaveCallback(this);
            }
        }
    }

    internal void Fault(Exception exception)
    {
        if (_completion.TrySetException(exception))
        {
            // It has been logged; whoever does not look at Completion must not meet it again as an unobserved exception.
            _ = _completion.Task.Exception;
        }
    }

    private void FaultFromSink(Exception exception)
    {
        _lane.Logger.SinkFailed(exception, Queue);
        Fault(exception);

        // Ends after this callback has; it never fails.
        _ = CloseAsync(default).AsTask();
    }
}
