namespace Millrace.Streams;

/// <summary>
/// Synchronous forms of what producers and consumers do, for callers that cannot await. They are safe on any thread, that of a user interface or another
/// <see cref="SynchronizationContext"/> included: the work runs on the thread pool, where no context has to come back to the thread that waits. Each call blocks its thread,
/// so code that can await should.
/// </summary>
public static class BlockingStreams
{
    /// <summary>Appends one message, and returns when it is stored; see <see cref="StreamProducer{T}.AppendAsync"/>.</summary>
    public static StreamAppendResult Append<T>(this StreamProducer<T> producer, T message, StreamAppendOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(producer);
        return Run(() => producer.AppendAsync(message, options, cancellationToken).AsTask());
    }

    /// <summary>Appends a batch, and returns when it is stored; see <see cref="StreamProducer{T}.AppendBatchAsync"/>.</summary>
    public static IReadOnlyList<StreamAppendResult> AppendBatch<T>(
        this StreamProducer<T> producer, IEnumerable<T> messages, Func<T, StreamAppendOptions?>? optionsOf = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(producer);
        return Run(() => producer.AppendBatchAsync(messages, optionsOf, cancellationToken).AsTask());
    }

    /// <summary>Writes everything that was handed in; see <see cref="StreamProducer{T}.FlushAsync"/>.</summary>
    public static void Flush<T>(this StreamProducer<T> producer, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(producer);
        Run(async () =>
        {
            await producer.FlushAsync(cancellationToken).ConfigureAwait(false);
            return true;
        });
    }

    /// <summary>Reads records of any of the partitions; see <see cref="StreamConsumer{T}.ReadAsync"/>.</summary>
    public static IReadOnlyList<StreamMessage<T>> Read<T>(this StreamConsumer<T> consumer, int maxRecords, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(consumer);
        return Run(() => consumer.ReadAsync(maxRecords, timeout, cancellationToken).AsTask());
    }

    /// <summary>Commits everything that was returned so far; see <see cref="StreamConsumer{T}.CommitAsync(CancellationToken)"/>.</summary>
    public static StreamCommitResult Commit<T>(this StreamConsumer<T> consumer, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(consumer);
        return Run(() => consumer.CommitAsync(cancellationToken).AsTask());
    }

    /// <summary>Goes on at another offset; see <see cref="StreamConsumer{T}.SeekAsync"/>.</summary>
    public static bool Seek<T>(this StreamConsumer<T> consumer, int partition, long offset, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(consumer);
        return Run(() => consumer.SeekAsync(partition, offset, cancellationToken).AsTask());
    }

    /// <summary>How far the consumer is; see <see cref="StreamConsumer{T}.GetLagAsync"/>.</summary>
    public static IReadOnlyList<StreamLag> GetLag<T>(this StreamConsumer<T> consumer, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(consumer);
        return Run(() => consumer.GetLagAsync(cancellationToken).AsTask());
    }

    /// <summary>How much a stream holds; see <see cref="StreamCatalog.GetStatsAsync"/>.</summary>
    public static StreamStats GetStats(this StreamCatalog streams, string stream, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(streams);
        return Run(() => streams.GetStatsAsync(stream, cancellationToken).AsTask());
    }

    // The one place in this library that blocks a thread: the tidy tests name this file.
    private static TResult Run<TResult>(Func<Task<TResult>> call) => Task.Run(call).GetAwaiter().GetResult();
}
