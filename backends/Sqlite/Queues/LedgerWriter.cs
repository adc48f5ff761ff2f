using Millrace.Sqlite.Engine;
using Millrace.Sqlite.Waiting;
using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>
/// The one writer of a store: takes the operations that have gathered, applies them in one transaction, and wakes who waits for their effects.
/// The ledger is used by one commit at a time, on the committer's thread or a lone caller's.
/// </summary>
internal sealed class LedgerWriter : IGroupCommitTarget<StoreOperation>, IAsyncDisposable
{
    // While others have the file open, a writer that never rests leaves it alone for a moment: they look every millisecond or so, and meet the gap. It costs
    // a twentieth of the time, and only under such a load.
    private const long LongestTurnMs = 40;
    private static readonly TimeSpan Gap = TimeSpan.FromMilliseconds(2);

    private readonly Ledger _ledger;
    private readonly StoreSignals _signals;
    private readonly StoreDurability _durability;
    private readonly GroupCommitter<StoreOperation> _committer;
    private bool _isFlushing;
    private bool _isShared;
    private long _turnBegan;
    private long _lastCommit;

    public LedgerWriter(Ledger ledger, StoreSignals signals, StoreDurability durability, string name)
    {
        (_ledger, _signals, _durability) = (ledger, signals, durability);
        _committer = new GroupCommitter<StoreOperation>(this, new GroupCommitterOptions { Name = name, LoneCallersCommit = true });
    }

    public Ledger Ledger => _ledger;

    public ValueTask CommitAsync(StoreOperation operation, CancellationToken cancellationToken)
    {
        // Where nothing is flushed there is nothing to keep out of the way of, and one commit is cheaper than two.
        operation.WaitsForNoFlush = _durability == StoreDurability.Full && !operation.NeedsFlush;
        return _committer.CommitAsync(operation, cancellationToken);
    }

    /// <summary>Runs <paramref name="work"/> in a transaction, together with other operations.</summary>
    public async ValueTask<T> RunAsync<T>(Func<Ledger, T> work, CancellationToken cancellationToken, bool needsFlush = true)
    {
        var operation = new DelegateOperation<T>(work, needsFlush);
        await CommitAsync(operation, cancellationToken).ConfigureAwait(false);
        return operation.Result!;
    }

    /// <inheritdoc/>
    ValueTask IGroupCommitTarget<StoreOperation>.CommitAsync(ReadOnlyMemory<StoreOperation> batch)
    {
        Commit(batch.Span);
        return default;
    }

    /// <inheritdoc/>
    /// <remarks>A locked file meets every operation, and each would wait for the whole busy timeout.</remarks>
    bool IGroupCommitTarget<StoreOperation>.IsWorthIsolating(Exception failure) => !SqliteFailure.IsBusy(failure);

    public async ValueTask DisposeAsync()
    {
        await _committer.DisposeAsync().ConfigureAwait(false);
        _ledger.Dispose();
    }

    private void Commit(ReadOnlySpan<StoreOperation> batch)
    {
        LeaveGap();
        try
        {
            SetFlushing(batch);
            _ledger.Begin();
            _isShared = _ledger.IsShared;
            foreach (var operation in batch)
            {
                try
                {
                    _ledger.StartOperation();
                    operation.Apply(_ledger);
                }
                catch (MillraceException refusal) when (refusal is not (BackendUnavailableException or StorageCorruptException))
                {
                    operation.Fail(refusal);
                }
            }

            _ledger.Commit();
        }
        catch
        {
            _ledger.Rollback();
            throw;
        }
        finally
        {
            _lastCommit = Environment.TickCount64;
        }

        _signals.Notify(_ledger.Arrivals);
    }

    private void LeaveGap()
    {
        var now = Environment.TickCount64;
        if (now - _lastCommit > Gap.TotalMilliseconds)
        {
            _turnBegan = now;
        }
        else if (_isShared && now - _turnBegan >= LongestTurnMs)
        {
            Connection.Pause(Gap);
            _turnBegan = Environment.TickCount64;
        }
    }

    /// <summary>
    /// In WAL mode synchronous=NORMAL does not flush at a commit, FULL does; and as a flush takes the whole log, a FULL commit also makes safe what NORMAL ones
    /// wrote before it. So a commit of leases only is written and not flushed.
    /// </summary>
    private void SetFlushing(ReadOnlySpan<StoreOperation> batch)
    {
        if (_durability != StoreDurability.Full)
        {
            return;
        }

        var needsFlush = false;
        foreach (var operation in batch)
        {
            needsFlush |= operation.NeedsFlush;
        }

        if (needsFlush != _isFlushing)
        {
            _ledger.Connection.Execute(needsFlush ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
            _isFlushing = needsFlush;
        }
    }
}
