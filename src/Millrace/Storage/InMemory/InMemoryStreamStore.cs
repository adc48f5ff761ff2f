namespace Millrace.Storage.InMemory;

/// <summary>The streams of one in-memory backend (laws S1–S8).</summary>
internal sealed class InMemoryStreamStore(MonotonicClock clock) : IStreamStore
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Stream> _streams = new(StringComparer.Ordinal);
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
        ResourceName.Require(context.Stream, "stream");
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<bool>(cancellationToken);
        }

        InMemoryStreamLog? log;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (!_streams.TryGetValue(context.Stream, out var stream) || !stream.Logs.Remove(context.Partition, out log))
            {
                return new ValueTask<bool>(false);
            }

            if (stream.Logs.Count == 0)
            {
                _streams.Remove(context.Stream);
            }
        }

        log.End(() => new BackendUnavailableException($"Partition {context.Partition} of stream '{context.Stream}' was deleted."));
        return new ValueTask<bool>(true);
    }

    public ValueTask DisposeAsync()
    {
        List<InMemoryStreamLog> logs = [];
        lock (_gate)
        {
            _isDisposed = true;
            foreach (var stream in _streams.Values)
            {
                logs.AddRange(stream.Logs.Values);
            }
        }

        foreach (var log in logs)
        {
            log.End(static () => new ObjectDisposedException(nameof(IStreamStore), "The in-memory stream store has been disposed."));
        }

        return default;
    }

    private InMemoryStreamPartition Open(StreamPartitionContext context)
    {
        context.Validate();
        if (context.Path is not null)
        {
            throw new MillraceConfigurationException($"Stream '{context.Stream}' names the path '{context.Path}', but the backend 'memory' keeps no files: leave the path out.");
        }

        InMemoryStreamLog? log;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (!_streams.TryGetValue(context.Stream, out var stream))
            {
                _streams.Add(context.Stream, stream = new Stream(context.PartitionCount));
            }

            if (stream.PartitionCount != context.PartitionCount)
            {
                throw new StreamMismatchException(
                    $"Stream '{context.Stream}' has {stream.PartitionCount} partitions and was opened with {context.PartitionCount}. Open it with {stream.PartitionCount}.");
            }

            if (!stream.Logs.TryGetValue(context.Partition, out log))
            {
                stream.Logs.Add(context.Partition, log = new InMemoryStreamLog(context.Stream, context.Partition, clock));
            }
        }

        log.SetRetention(context.Retention);
        return new InMemoryStreamPartition(log, Capabilities);
    }

    private sealed class Stream(int partitionCount)
    {
        public int PartitionCount { get; } = partitionCount;

        public Dictionary<int, InMemoryStreamLog> Logs { get; } = [];
    }
}
