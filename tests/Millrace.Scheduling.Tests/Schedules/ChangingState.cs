using Millrace.Storage;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>A state store in which something happens before a document is read.</summary>
internal sealed class ChangingState(IStateStore inner) : IStateStore
{
    public Func<string, Task>? BeforeGet { get; set; }

    public int Gets { get; private set; }

    public async ValueTask<StateDocument?> GetAsync(string key, CancellationToken cancellationToken = default)
    {
        Gets++;
        if (BeforeGet is { } before)
        {
            await before(key);
        }

        return await inner.GetAsync(key, cancellationToken);
    }

    public ValueTask<StateWriteResult> PutAsync(string key, ReadOnlyMemory<byte> value, long? expectedVersion, CancellationToken cancellationToken = default) =>
        inner.PutAsync(key, value, expectedVersion, cancellationToken);

    public ValueTask<StateWriteResult> DeleteAsync(string key, long? expectedVersion, CancellationToken cancellationToken = default) =>
        inner.DeleteAsync(key, expectedVersion, cancellationToken);

    public ValueTask<StatePage> ListAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default) =>
        inner.ListAsync(prefix, after, limit, cancellationToken);

    public ValueTask<long> WaitForChangeAsync(string prefix, long revision, CancellationToken cancellationToken = default) =>
        inner.WaitForChangeAsync(prefix, revision, cancellationToken);
}
