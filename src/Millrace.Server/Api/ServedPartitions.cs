using System.Collections.Concurrent;
using Millrace.Client;
using Millrace.Server.Errors;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.Server.Api;

/// <summary>
/// The partitions that clients use, each opened once, when it is first asked for. Not those of the catalog: clients may delete a partition and open it anew, and say how long it keeps
/// its records. Safe for concurrent use.
/// </summary>
internal sealed class ServedPartitions(MillraceClient client) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<(string Stream, int Partition), ServedPartition> _open = [];

    private IStreamStore Store => client.Require<IStreamStore>();

    /// <summary>What a stream is.</summary>
    /// <exception cref="StreamNotFoundException">There is none.</exception>
    public async ValueTask<StreamInfo> RequireAsync(string stream, CancellationToken cancellationToken) =>
        await client.Streams.GetAsync(stream, cancellationToken).ConfigureAwait(false) ?? throw new StreamNotFoundException(stream);

    /// <summary>A partition of a stream that exists, to be used until it is disposed.</summary>
    /// <exception cref="StreamNotFoundException">There is no such stream.</exception>
    /// <exception cref="PartitionNotFoundException">It does not have that many.</exception>
    public async ValueTask<ServedPartition> EnterAsync(string stream, int partition, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (!_open.TryGetValue((stream, partition), out var open))
            {
                var info = await RequireAsync(stream, cancellationToken).ConfigureAwait(false);
                if (partition >= info.Settings.Partitions)
                {
                    throw new PartitionNotFoundException(stream, partition, info.Settings.Partitions);
                }

                await OpenAsync(ContextOf(info, partition), cancellationToken).ConfigureAwait(false);
            }
            else if (open.TryEnter())
            {
                return open;
            }
        }
    }

    /// <summary>Opens a partition, whose stream exists, as a client wants it.</summary>
    public async ValueTask OpenAsync(StreamPartitionContext context, CancellationToken cancellationToken)
    {
        var key = (context.Stream, context.Partition);
        if (_open.TryGetValue(key, out var open) && open.Retention == context.Retention)
        {
            return;
        }

        var opened = new ServedPartition(await Store.OpenPartitionAsync(context, cancellationToken).ConfigureAwait(false), context.Retention);
        while (true)
        {
            if (_open.TryGetValue(key, out var replaced) ? _open.TryUpdate(key, opened, replaced) : _open.TryAdd(key, opened))
            {
                replaced?.Retire();
                return;
            }
        }
    }

    /// <summary>Does something with a partition; when that fails because the stream is gone, says so.</summary>
    public async ValueTask<T> UseAsync<T>(string stream, int partition, Func<IStreamPartition, ValueTask<T>> use, CancellationToken cancellationToken)
    {
        using var entered = await EnterAsync(stream, partition, cancellationToken).ConfigureAwait(false);
        try
        {
            return await use(entered.Log).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is BackendUnavailableException or ObjectDisposedException)
        {
            // Somebody else may have deleted it, in this process or another.
            Forget(stream, partition);
            await RequireAsync(stream, cancellationToken).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Removes a partition with its records.</summary>
    /// <returns>False when there was none.</returns>
    public async ValueTask<bool> DeleteAsync(string stream, int partition, CancellationToken cancellationToken)
    {
        if (await client.Streams.GetAsync(stream, cancellationToken).ConfigureAwait(false) is not { } info)
        {
            // Somebody deletes the stream part by part, and its description was the first to go: neither the count nor the retention matter.
            Forget(stream, partition);
            return await Store
                .DeletePartitionAsync(new StreamPartitionContext { Stream = stream, Partition = partition, PartitionCount = partition + 1 }, cancellationToken)
                .ConfigureAwait(false);
        }

        if (partition >= info.Settings.Partitions)
        {
            return false;
        }

        Forget(stream, partition);
        return await Store.DeletePartitionAsync(ContextOf(info, partition), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Gives a stream another number of partitions, if nothing is left of those that it had: a client has deleted them one by one. Whether there is, the store says, for it refuses
    /// another number otherwise (S3).
    /// </summary>
    /// <exception cref="StreamMismatchException">There is something left.</exception>
    public async ValueTask<StreamInfo> RecreateAsync(StreamPartitionContext context, CancellationToken cancellationToken)
    {
        Forget(context.Stream);
        await (await Store.OpenPartitionAsync(context, cancellationToken).ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        await Store.DeletePartitionAsync(context, cancellationToken).ConfigureAwait(false);
        await client.Streams.DeleteAsync(context.Stream, cancellationToken).ConfigureAwait(false);
        await client.Streams.CreateAsync(context.Stream, new StreamSettings { Partitions = context.PartitionCount, Retention = context.Retention }, cancellationToken).ConfigureAwait(false);
        return await RequireAsync(context.Stream, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The stream is deleted, or has other settings: its partitions are opened anew.</summary>
    public void Forget(string stream)
    {
        foreach (var (ofStream, partition) in _open.Keys)
        {
            if (string.Equals(ofStream, stream, StringComparison.Ordinal))
            {
                Forget(ofStream, partition);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var partition in _open.Values)
        {
            await partition.Log.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static StreamPartitionContext ContextOf(StreamInfo info, int partition) => new()
    {
        Stream = info.Name,
        Partition = partition,
        PartitionCount = info.Settings.Partitions,
        Retention = info.Settings.Retention,
        Path = info.Settings.Path,
    };

    private void Forget(string stream, int partition)
    {
        if (_open.TryRemove((stream, partition), out var entry))
        {
            entry.Retire();
        }
    }
}
