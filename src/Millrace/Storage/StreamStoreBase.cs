using System.Runtime.ExceptionServices;

namespace Millrace.Storage;

/// <summary>
/// A stream store of your own: you say how a partition is made, and, if it outlives the process, how many partitions a stream was created with and how one is deleted. The guide page
/// <c>custom-backend.md</c> has two, and <c>Millrace.Testing</c> the suite that proves them.
/// </summary>
/// <remarks>A partition is made when it is first opened and kept until the store is disposed, so partitions whose records live in memory keep them.</remarks>
public abstract class StreamStoreBase : IStreamStore, IHealthProbe
{
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Dictionary<(string Stream, int Partition), StreamPartitionBase> _partitions = [];
    private bool _isDisposed;

    /// <summary>A store without partitions.</summary>
    /// <param name="capabilities">What it can do. A store on this base is one process's: it does not share its partitions with others.</param>
    /// <param name="timeProvider">The clock; the system's if null.</param>
    protected StreamStoreBase(StreamCapabilities capabilities, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(capabilities);
        (Capabilities, TimeProvider) = (capabilities, timeProvider ?? TimeProvider.System);
    }

    /// <inheritdoc/>
    public StreamCapabilities Capabilities { get; }

    /// <summary>The clock.</summary>
    protected internal TimeProvider TimeProvider { get; }

    /// <summary>Makes the object of a partition that is not open. It recovers what is stored in <see cref="StreamPartitionBase.RecoverAsync"/>, or begins empty.</summary>
    protected abstract StreamPartitionBase CreatePartition(StreamPartitionContext context);

    /// <summary>How many partitions a stream of which none is open was created with (S3); null when it does not exist. Null unless overridden, as for a store that keeps nothing.</summary>
    protected virtual ValueTask<int?> FindPartitionCountAsync(string stream) => new((int?)null);

    /// <summary>Deletes what is stored of a partition, which is closed.</summary>
    /// <returns>Whether there was any. False unless overridden, as for a store that keeps nothing.</returns>
    protected virtual ValueTask<bool> DeleteStoredAsync(string stream, int partition) => new(false);

    /// <summary>Tries whether the store works, for its health; throws if not. Nothing unless overridden.</summary>
    protected virtual ValueTask CheckAsync() => default;

    /// <summary>Refuses a path, unless overridden: the base knows of no files.</summary>
    /// <exception cref="MillraceConfigurationException">The context names a path.</exception>
    protected virtual void CheckPath(StreamPartitionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (context.Path is not null)
        {
            throw new MillraceConfigurationException(
                $"Stream '{context.Stream}' names the path '{context.Path}', but the backend '{Capabilities.Backend}' does not take a path for a stream: leave it out.");
        }
    }

    /// <inheritdoc/>
    public ValueTask<IStreamPartition> OpenPartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Validate();
        CheckPath(context);
        return InTurnAsync(() => OpenInTurnAsync(context), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<bool> DeletePartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        ResourceName.Require(context.Stream, "stream");
        return InTurnAsync(() => DeleteInTurnAsync(context), cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
    {
        var start = TimeProvider.GetTimestamp();
        string? error = null;
        try
        {
            await InTurnAsync(
                async () =>
                {
                    await CheckAsync().ConfigureAwait(false);
                    return 0;
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException or IOException or UnauthorizedAccessException)
        {
            error = fault.Message;
        }

        return new HealthReport(error is null, TimeProvider.GetElapsedTime(start), error, new Dictionary<string, string>());
    }

    /// <summary>Closes every partition.</summary>
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        ExceptionDispatchInfo? failure = null;
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            _isDisposed = true;
            foreach (var partition in _partitions.Values)
            {
                try
                {
                    await partition.EndAsync(Disposed).ConfigureAwait(false);
                }
                catch (Exception exception)
                {
                    // The others are closed all the same.
                    failure ??= ExceptionDispatchInfo.Capture(exception);
                }
            }

            _partitions.Clear();
        }
        finally
        {
            _turn.Release();
        }

        failure?.Throw();
    }

    private ObjectDisposedException Disposed() => new(GetType().Name, $"The stream store of the backend '{Capabilities.Backend}' has been disposed.");

    private async ValueTask<TResult> InTurnAsync<TResult>(Func<ValueTask<TResult>> work, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return _isDisposed ? throw Disposed() : await work().ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async ValueTask<IStreamPartition> OpenInTurnAsync(StreamPartitionContext context)
    {
        if (_partitions.TryGetValue((context.Stream, context.Partition), out var partition))
        {
            RequireCount(context, partition.Context.PartitionCount);
            partition.SetRetention(context.Retention);
            return new StreamPartitionOpening(partition);
        }

        var open = _partitions.FirstOrDefault(one => string.Equals(one.Key.Stream, context.Stream, StringComparison.Ordinal)).Value;
        var count = open?.Context.PartitionCount ?? await FindPartitionCountAsync(context.Stream).ConfigureAwait(false);
        RequireCount(context, count ?? context.PartitionCount);
        partition = CreatePartition(context);
        try
        {
            await partition.StartAsync().ConfigureAwait(false);
        }
        catch
        {
            await partition.EndAsync(Disposed).ConfigureAwait(false);
            throw;
        }

        _partitions.Add((context.Stream, context.Partition), partition);
        return new StreamPartitionOpening(partition);
    }

    private async ValueTask<bool> DeleteInTurnAsync(StreamPartitionContext context)
    {
        var isOpen = _partitions.Remove((context.Stream, context.Partition), out var partition);
        if (isOpen)
        {
            await partition!.EndAsync(() => new BackendUnavailableException($"Partition {context.Partition} of stream '{context.Stream}' was deleted.")).ConfigureAwait(false);
        }

        return await DeleteStoredAsync(context.Stream, context.Partition).ConfigureAwait(false) || isOpen;
    }

    private static void RequireCount(StreamPartitionContext context, int count)
    {
        if (count != context.PartitionCount)
        {
            throw new StreamMismatchException($"Stream '{context.Stream}' has {count} partitions and was opened with {context.PartitionCount}. Open it with {count}.");
        }
    }
}
