using Millrace.Sqlite.Queues;
using Millrace.Storage;

namespace Millrace.Sqlite.State;

/// <summary>Small documents in the database file.</summary>
internal sealed class SqliteStateStore : IStateStore
{
    private readonly SqliteStore _store;

    public SqliteStateStore(SqliteStore store) => _store = store;

    public ValueTask<StateDocument?> GetAsync(string key, CancellationToken cancellationToken = default)
    {
        RequireKey(key);
        cancellationToken.ThrowIfCancellationRequested();
        return new(_store.Reader.Read(tables => tables.State.Find(key)));
    }

    public ValueTask<StateWriteResult> PutAsync(string key, ReadOnlyMemory<byte> value, long? expectedVersion, CancellationToken cancellationToken = default)
    {
        RequireKey(key);
        if (value.Length > IStateStore.MaxValueBytes)
        {
            throw new InvalidMessageException($"The value of '{key}' has {value.Length:N0} bytes, the limit is {IStateStore.MaxValueBytes:N0}.");
        }

        return WriteAsync(key, expectedVersion, (ledger, _) =>
        {
            var version = ledger.Counters.NextRevision();
            _store.State.Put(key, version, value.Span);
            return version;
        }, cancellationToken);
    }

    public ValueTask<StateWriteResult> DeleteAsync(string key, long? expectedVersion, CancellationToken cancellationToken = default)
    {
        RequireKey(key);
        return WriteAsync(key, expectedVersion, (ledger, current) =>
        {
            if (current != IStateStore.Absent)
            {
                // A deletion is a change of its own, for those who wait for one.
                ledger.Counters.NextRevision();
                _store.State.Delete(key);
            }

            return IStateStore.Absent;
        }, cancellationToken);
    }

    public ValueTask<StatePage> ListAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, 1000);
        cancellationToken.ThrowIfCancellationRequested();
        return new(_store.Reader.Read(tables => new StatePage(tables.State.List(prefix, after ?? "", limit), tables.ReadRevision())));
    }

    public async ValueTask<long> WaitForChangeAsync(string prefix, long revision, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        while (true)
        {
            // One revision for the whole store: a change elsewhere ends the wait too, which the contract allows, and deletions need no tombstones.
            using var waiter = _store.Signals.State.Join();
            cancellationToken.ThrowIfCancellationRequested();
            var now = _store.Reader.Read(tables => tables.ReadRevision());
            if (now > revision)
            {
                return now;
            }

            await waiter.WaitAsync(Timeout.InfiniteTimeSpan, _store.Clock.TimeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<StateWriteResult> WriteAsync(string key, long? expectedVersion, Func<Ledger, long, long> write, CancellationToken cancellationToken)
    {
        _store.RequireUsable();
        var result = await _store.Writer.RunAsync(
            ledger =>
            {
                var current = _store.State.Version(key);
                return expectedVersion is null || expectedVersion == current
                    ? new StateWriteResult(true, write(ledger, current))
                    : new StateWriteResult(false, current);
            },
            cancellationToken).ConfigureAwait(false);
        if (result.Written)
        {
            _store.Signals.State.WakeAll();
        }

        return result;
    }

    private static void RequireKey(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key.Length == 0 || System.Text.Encoding.UTF8.GetByteCount(key) > IStateStore.MaxKeyBytes || key.Any(char.IsControl))
        {
            throw new InvalidNameException("state key", key, $"it must have 1 to {IStateStore.MaxKeyBytes} bytes of UTF-8 and no control characters");
        }
    }
}
