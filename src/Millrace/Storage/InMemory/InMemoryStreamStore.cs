using System.Collections.Concurrent;

namespace Millrace.Storage.InMemory;

/// <summary>The streams of one in-memory backend (laws S1–S8).</summary>
internal sealed class InMemoryStreamStore(MonotonicClock clock) : IStreamStore
{
    private readonly ConcurrentDictionary<(string Stream, int Partition), InMemoryStreamLog> _logs = new();
    private readonly ConcurrentDictionary<string, int> _partitionCounts = new(StringComparer.Ordinal);
    private bool _isDisposed;

    public StreamCapabilities Capabilities { get; } = new() { Backend = "memory", Durability = StoreDurability.None };

    public ValueTask<IStreamPartition> OpenPartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<IStreamPartition>(cancellationToken);
        }

        try
        {
            return new ValueTask<IStreamPartition>(Open(context));
        }
        catch (MillraceException exception)
        {
            return ValueTask.FromException<IStreamPartition>(exception);
        }
    }

    public ValueTask<bool> DeletePartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<bool>(cancellationToken);
        }

        if (!_logs.TryRemove((context.Stream, context.Partition), out var log))
        {
            return new ValueTask<bool>(false);
        }

        if (!_logs.Keys.Any(key => string.Equals(key.Stream, context.Stream, StringComparison.Ordinal)))
        {
            _partitionCounts.TryRemove(context.Stream, out _);
        }

        log.End(new BackendUnavailableException($"Partition {context.Partition} of stream '{context.Stream}' was deleted."));
        return new ValueTask<bool>(true);
    }

    public ValueTask DisposeAsync()
    {
        _isDisposed = true;
        foreach (var log in _logs.Values)
        {
            log.End(new ObjectDisposedException(nameof(IStreamStore), "The in-memory stream store has been disposed."));
        }

        return default;
    }

    private InMemoryStreamPartition Open(StreamPartitionContext context)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        context.Validate();
        if (context.Path is not null)
        {
            throw new MillraceConfigurationException($"Stream '{context.Stream}' names the path '{context.Path}', but the backend 'memory' keeps no files: leave the path out.");
        }

        var count = _partitionCounts.GetOrAdd(context.Stream, context.PartitionCount);
        if (count != context.PartitionCount)
        {
            throw new StreamMismatchException(
                $"Stream '{context.Stream}' has {count} partitions and was opened with {context.PartitionCount}. Open it with {count}, or leave the count out.");
        }

        var log = _logs.GetOrAdd((context.Stream, context.Partition), static (key, store) => new InMemoryStreamLog(key.Stream, key.Partition, store), clock);
        log.SetRetention(context.Retention);
        return new InMemoryStreamPartition(log, Capabilities);
    }
}
