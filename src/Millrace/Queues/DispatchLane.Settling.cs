using System.Runtime.InteropServices;
using Millrace.Storage;

namespace Millrace.Queues;

/// <content>The settlements of consumers, alone and in transactions, which the close of the lane lets decide.</content>
internal sealed partial class DispatchLane
{
    /// <summary>Settles for a consumer; its credit comes back when the store has answered.</summary>
    public async ValueTask SettleAsync(DispatchConsumer consumer, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        BeginSettle();
        try
        {
            await SettleCountedAsync(consumer, batch, results, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            EndSettle();
        }
    }

    /// <summary>
    /// Takes from its consumers what a transaction settles; null when they hold none of it. What is known to be lost goes to <paramref name="lost"/>. A claim ends by
    /// <see cref="EndClaim"/> or <see cref="ReopenClaimAsync"/>, and the lane does not close before.
    /// </summary>
    public LaneClaim? TryClaim(List<Settlement> settlements, List<LeaseToken> lost)
    {
        BeginSettle();
        var shares = Ledger.Claim(settlements, lost);
        if (shares.Count > 0)
        {
            return new LaneClaim(this, shares);
        }

        EndSettle();
        return null;
    }

    /// <summary>The transaction has been committed: the deliveries are gone, and their credit comes back.</summary>
    public void EndClaim(LaneClaim claim)
    {
        foreach (var (consumer, batch) in claim.Shares)
        {
            OnSettled(consumer, CollectionsMarshal.AsSpan(batch));
        }

        EndSettle();
    }

    /// <summary>The transaction has not been committed: the deliveries are open again, or go back where their consumer has gone.</summary>
    public async ValueTask ReopenClaimAsync(LaneClaim claim)
    {
        try
        {
            foreach (var (consumer, batch) in claim.Shares)
            {
                await ReopenAsync(consumer, batch.ToArray()).ConfigureAwait(false);
            }
        }
        finally
        {
            EndSettle();
        }
    }

    private async ValueTask SettleCountedAsync(DispatchConsumer consumer, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        if (Ledger.BeginSettle(consumer, batch.Span))
        {
            try
            {
                await _store.SettleAsync(Queue, batch, results, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                await ReopenAsync(consumer, batch).ConfigureAwait(false);
                throw;
            }
        }
        else if (!results.IsEmpty)
        {
            results.Span[..batch.Length].Fill(SettleResult.LeaseLost);
        }

        OnSettled(consumer, batch.Span);
    }

    private void OnSettled(DispatchConsumer consumer, ReadOnlySpan<Settlement> batch)
    {
        OnCreditChanged(Ledger.EndSettle(consumer, batch));
        CloseIdleRetired();
    }

    private ValueTask ReopenAsync(DispatchConsumer consumer, ReadOnlyMemory<Settlement> batch)
    {
        var lost = new List<LeaseToken>();
        var orphans = Ledger.AbortSettle(consumer, batch.Span, lost);
        lost.ForEach(consumer.AnnounceLost);
        return ReturnAsync(orphans);
    }

    /// <summary>
    /// Ends when no settlement runs. Closing a receiver returns what it has open, so a message whose completion is on its way would come again; a store that does not answer
    /// is waited for no longer than a third of the lease.
    /// </summary>
    private async Task SettlesEndAsync()
    {
        Task settled;
        lock (_gate)
        {
            if (_settlesRunning == 0)
            {
                return;
            }

            _settled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            settled = _settled.Task;
        }

        try
        {
            await settled.WaitAsync(Options.LeaseDuration / 3, TimeProvider).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // What has not been answered by now may come again, as after a crash.
        }
    }

    private void BeginSettle()
    {
        lock (_gate)
        {
            _settlesRunning++;
        }
    }

    private void EndSettle()
    {
        lock (_gate)
        {
            if (--_settlesRunning == 0)
            {
                _settled?.TrySetResult();
            }
        }
    }
}
