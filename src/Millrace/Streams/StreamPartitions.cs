using System.Collections.Concurrent;
using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>The partitions that one client has opened: each once, and kept until the client is disposed. Safe for concurrent use.</summary>
/// <remarks>A stream that was deleted and created again is another one: its partitions are opened anew.</remarks>
internal sealed class StreamPartitions(IStreamStore store)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, OpenedStream> _byStream = new(StringComparer.Ordinal);
    private readonly ConcurrentBag<IStreamPartition> _opened = [];
    private bool _isClosed;

    /// <summary>A partition; opened if it is not. If the opening fails, it is tried again by the next caller.</summary>
    public async ValueTask<IStreamPartition> OpenAsync(StreamInfo info, int partition, CancellationToken cancellationToken)
    {
        Task<IStreamPartition> task;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            var opened = OfLocked(info);
            task = opened.Partitions[partition] is { IsFaulted: false, IsCanceled: false } open
                ? open
                : opened.Partitions[partition] = OpenNowAsync(ContextOf(info, partition));
        }

        return await task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Has the partitions that are open keep their records as the stream says now.</summary>
    public async ValueTask ApplyRetentionAsync(StreamInfo info, CancellationToken cancellationToken)
    {
        List<int> open = [];
        lock (_gate)
        {
            var opened = OfLocked(info);
            if (opened.Retention != info.Settings.Retention)
            {
                opened.Retention = info.Settings.Retention;
                open.AddRange(Enumerable.Range(0, opened.Partitions.Length).Where(partition => opened.Partitions[partition] is not null));
            }
        }

        foreach (var partition in open)
        {
            // Another opening of the same records: it brings the new bounds, and is not needed after that.
            var again = await store.OpenPartitionAsync(ContextOf(info, partition), cancellationToken).ConfigureAwait(false);
            await again.DisposeAsync().ConfigureAwait(false);
        }
    }

    public void Forget(string stream)
    {
        lock (_gate)
        {
            _byStream.Remove(stream);
        }
    }

    public async ValueTask CloseAsync()
    {
        List<Task<IStreamPartition>> pending;
        lock (_gate)
        {
            _isClosed = true;
            pending = [.. _byStream.Values.SelectMany(opened => opened.Partitions).OfType<Task<IStreamPartition>>()];
            _byStream.Clear();
        }

        foreach (var task in pending)
        {
            await ((Task)task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        foreach (var partition in _opened)
        {
            await partition.DisposeAsync().ConfigureAwait(false);
        }
    }

    public static StreamPartitionContext ContextOf(StreamInfo info, int partition) => new()
    {
        Stream = info.Name,
        Partition = partition,
        PartitionCount = info.Settings.Partitions,
        Retention = info.Settings.Retention,
        Path = info.Settings.Path,
    };

    private OpenedStream OfLocked(StreamInfo info)
    {
        if (!_byStream.TryGetValue(info.Name, out var opened) || opened.CreatedAt != info.CreatedAt || opened.Partitions.Length != info.Settings.Partitions)
        {
            _byStream[info.Name] = opened = new OpenedStream(info);
        }

        return opened;
    }

    // Not cancelled by the caller who happens to come first: others wait for the same opening.
    private async Task<IStreamPartition> OpenNowAsync(StreamPartitionContext context)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        var partition = await store.OpenPartitionAsync(context, CancellationToken.None).ConfigureAwait(false);
        _opened.Add(partition);
        return partition;
    }

    private sealed class OpenedStream(StreamInfo info)
    {
        public DateTimeOffset CreatedAt { get; } = info.CreatedAt;

        public StreamRetention Retention { get; set; } = info.Settings.Retention;

        public Task<IStreamPartition>?[] Partitions { get; } = new Task<IStreamPartition>?[info.Settings.Partitions];
    }
}
