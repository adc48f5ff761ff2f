using Millrace.Storage;

namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>The state store as one node sees it; the ledger sees every write.</summary>
internal sealed class SimulatedState(IStateStore inner, SimulatedMachine machine, OccurrenceLedger ledger) : IStateStore
{
    public async ValueTask<StateDocument?> GetAsync(string key, CancellationToken cancellationToken = default)
    {
        await machine.PassAsync(isDone: false);
        var found = await inner.GetAsync(key, cancellationToken);
        await machine.PassAsync(isDone: true);
        return found;
    }

    public async ValueTask<StateWriteResult> PutAsync(string key, ReadOnlyMemory<byte> value, long? expectedVersion, CancellationToken cancellationToken = default)
    {
        await machine.PassAsync(isDone: false);
        var before = await inner.GetAsync(key, cancellationToken);
        var result = await inner.PutAsync(key, value, expectedVersion, cancellationToken);
        if (result.Written)
        {
            ledger.Written(machine, key, before, await inner.GetAsync(key, cancellationToken));
        }

        await machine.PassAsync(isDone: true);
        return result;
    }

    public async ValueTask<StateWriteResult> DeleteAsync(string key, long? expectedVersion, CancellationToken cancellationToken = default)
    {
        await machine.PassAsync(isDone: false);
        var before = await inner.GetAsync(key, cancellationToken);
        var result = await inner.DeleteAsync(key, expectedVersion, cancellationToken);
        if (result.Written && before is not null)
        {
            ledger.Written(machine, key, before, null);
        }

        await machine.PassAsync(isDone: true);
        return result;
    }

    public async ValueTask<StatePage> ListAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        await machine.PassAsync(isDone: false);
        var page = await inner.ListAsync(prefix, after, limit, cancellationToken);
        await machine.PassAsync(isDone: true);
        return page;
    }

    public ValueTask<long> WaitForChangeAsync(string prefix, long revision, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("Nodes of the simulation are told of changes.");
}
