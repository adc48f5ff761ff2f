using Millrace.Storage;
using Millrace.Storage.InMemory;

namespace Millrace.Tests.Streams;

/// <summary>An in-memory stream store whose appends and reads a test can hold up or let fail.</summary>
internal sealed class ScriptedStreamStore(TimeProvider clock) : IStreamStore
{
    private readonly InMemoryStreamStore _inner = new(new MonotonicClock(clock));
    private int _appends;
    private int _openWaits;

    /// <summary>Called before each append with its number from 1: may throw or wait.</summary>
    public Func<int, Task> BeforeAppend { get; set; } = _ => Task.CompletedTask;

    /// <summary>Called after each append with its number from 1: may throw.</summary>
    public Action<int> AfterAppend { get; set; } = _ => { };

    /// <summary>Called before each read with its partition: may throw.</summary>
    public Action<int> BeforeRead { get; set; } = _ => { };

    public int Appends => _appends;

    /// <summary>How many wait for a partition to grow.</summary>
    public int OpenWaits => _openWaits;

    public StreamCapabilities Capabilities => _inner.Capabilities;

    public async ValueTask<IStreamPartition> OpenPartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default) =>
        new Partition(this, await _inner.OpenPartitionAsync(context, cancellationToken), context.Partition);

    public ValueTask<bool> DeletePartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default) => _inner.DeletePartitionAsync(context, cancellationToken);

    public ValueTask DisposeAsync() => _inner.DisposeAsync();

    private sealed class Partition(ScriptedStreamStore store, IStreamPartition inner, int number) : IStreamPartition
    {
        public async ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default)
        {
            var append = Interlocked.Increment(ref store._appends);
            await store.BeforeAppend(append);
            var result = await inner.AppendAsync(request, cancellationToken);
            store.AfterAppend(append);
            return result;
        }

        public ValueTask<StreamPage> ReadAsync(long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken = default)
        {
            store.BeforeRead(number);
            return inner.ReadAsync(offset, maxRecords, maxBytes, cancellationToken);
        }

        public async ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref store._openWaits);
            try
            {
                await inner.WaitForAsync(offset, cancellationToken);
            }
            finally
            {
                Interlocked.Decrement(ref store._openWaits);
            }
        }

        public ValueTask<long> FindOffsetAsync(DateTimeOffset timestamp, CancellationToken cancellationToken = default) => inner.FindOffsetAsync(timestamp, cancellationToken);

        public ValueTask FlushAsync(CancellationToken cancellationToken = default) => inner.FlushAsync(cancellationToken);

        public ValueTask TrimAsync(long beforeOffset, CancellationToken cancellationToken = default) => inner.TrimAsync(beforeOffset, cancellationToken);

        public ValueTask<StreamPartitionStats> GetStatsAsync(CancellationToken cancellationToken = default) => inner.GetStatsAsync(cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
