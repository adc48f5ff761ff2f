using Millrace.Storage;

namespace Millrace.Queues;

/// <content>The settlements of consumers, which the close of the lane lets decide.</content>
internal sealed partial class DispatchLane
{
    /// <summary>Settles for a consumer; its credit comes back when the store has answered.</summary>
    public async ValueTask SettleAsync(DispatchConsumer consumer, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _settlesRunning++;
        }

        try
        {
            await SettleCountedAsync(consumer, batch, results, cancellationToken).ConfigureAwait(false);
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
                var lost = new List<LeaseToken>();
                var orphans = Ledger.AbortSettle(consumer, batch.Span, lost);
                lost.ForEach(consumer.AnnounceLost);
                await ReturnAsync(orphans).ConfigureAwait(false);
                throw;
            }
        }
        else if (!results.IsEmpty)
        {
            results.Span[..batch.Length].Fill(SettleResult.LeaseLost);
        }

        OnCreditChanged(Ledger.EndSettle(consumer, batch.Span));
        CloseIdleRetired();
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
