using System.Globalization;
using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Streams;

/// <summary>Streams in Redis (laws S1–S5, S8, S9): a Redis Stream a partition, in a slot of its own.</summary>
internal sealed class RedisStreamStore : IStreamStore
{
    // Retention's longest delay (see StreamRetention).
    private static readonly TimeSpan UpkeepInterval = TimeSpan.FromMinutes(1);

    private static readonly RedisScript Register = RedisScript.Load("Streams/register.lua");
    private static readonly RedisScript Unregister = RedisScript.Load("Streams/unregister.lua");

    private readonly Lock _gate = new();
    private readonly Dictionary<(string Stream, int Partition, string Incarnation), PartitionFeed> _feeds = [];
    private readonly RedisKeys _keys;
    private readonly TimeProvider _timeProvider;
    private readonly ITimer _upkeep;
    private bool _isDisposed;

    public RedisStreamStore(IRedisExecutor executor, ReplicatedWrites writes, RedisKeys keys, StoreDurability durability, TimeProvider timeProvider)
    {
        (Executor, Writes, _keys, _timeProvider) = (executor, writes, keys, timeProvider);
        PublishCommand = executor.IsCluster ? "SPUBLISH" : "PUBLISH";
        Capabilities = new StreamCapabilities { Backend = "redis", Durability = durability, SharedAcrossProcesses = true };
        _upkeep = timeProvider.CreateTimer(static state => _ = ((RedisStreamStore)state!).KeepUpAsync(), this, UpkeepInterval, UpkeepInterval);
    }

    public StreamCapabilities Capabilities { get; }

    internal IRedisExecutor Executor { get; }

    internal ReplicatedWrites Writes { get; }

    internal string PublishCommand { get; }

    public async ValueTask<IStreamPartition> OpenPartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Validate();
        RequireUsable();
        if (context.Path is not null)
        {
            throw new MillraceConfigurationException($"Stream '{context.Stream}' names the path '{context.Path}', but the backend 'redis' keeps no files: leave the path out.");
        }

        await RegisterAsync(context, cancellationToken).ConfigureAwait(false);
        var scripts = new PartitionScripts(_keys, context.Stream, context.Partition);
        var (age, bytes, records) = (context.Retention.MaxAge, context.Retention.MaxBytes, context.Retention.MaxRecords);
        var call = scripts.Open().Add(context.PartitionCount)
            .Add(age is { } limit ? string.Create(CultureInfo.InvariantCulture, $"{(long)limit.TotalSeconds}.{limit.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond}") : "")
            .Add(bytes?.ToString(CultureInfo.InvariantCulture) ?? "")
            .Add(records?.ToString(CultureInfo.InvariantCulture) ?? "");
        var reply = await Writes.ExecuteAsync(call, cancellationToken).ConfigureAwait(false);
        RequireCount(context, reply.Items[2].ToInteger());
        if (reply.Items[1].ToInteger() == 1)
        {
            // Somebody who deleted it meanwhile may have taken it off the stream's list.
            await RegisterAsync(context, cancellationToken).ConfigureAwait(false);
        }

        return new RedisStreamPartition(this, context.Stream, context.Partition, Use(context, scripts, reply.Items[0].ToText()!));
    }

    public async ValueTask<bool> DeletePartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        ResourceName.Require(context.Stream, "stream");
        RequireUsable();
        var scripts = new PartitionScripts(_keys, context.Stream, context.Partition);
        var deleted = await Writes.ExecuteAsync(scripts.Delete().Add(PublishCommand).Add(scripts.Channel), cancellationToken).ConfigureAwait(false);
        List<PartitionFeed> ended;
        lock (_gate)
        {
            ended = [.. _feeds.Where(feed => feed.Key.Stream == context.Stream && feed.Key.Partition == context.Partition).Select(feed => feed.Value)];
        }

        foreach (var feed in deleted.ToInteger() == 1 ? ended : [])
        {
            feed.Fail(feed.Deleted());
        }

        await Writes.ExecuteAsync(Unregister.Call(PartitionsOf(context.Stream)).Add(context.Partition).MayRepeat(), CancellationToken.None).ConfigureAwait(false);
        return deleted.ToInteger() == 1;
    }

    public async ValueTask DisposeAsync()
    {
        List<PartitionFeed> feeds;
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            feeds = [.. _feeds.Values];
            _feeds.Clear();
        }

        await _upkeep.DisposeAsync().ConfigureAwait(false);
        foreach (var feed in feeds)
        {
            feed.Fail(new ObjectDisposedException(nameof(RedisBackend), "The backend was closed while somebody waited for a partition to grow."));
            await feed.DisposeAsync().ConfigureAwait(false);
        }
    }

    internal void RequireUsable() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed), typeof(RedisBackend));

    /// <summary>An opening is closed.</summary>
    internal async ValueTask ReleaseAsync(PartitionFeed feed)
    {
        lock (_gate)
        {
            if (--feed.Users > 0)
            {
                return;
            }

            foreach (var (key, open) in _feeds)
            {
                if (open == feed)
                {
                    _feeds.Remove(key);
                    break;
                }
            }
        }

        await feed.DisposeAsync().ConfigureAwait(false);
    }

    private static void RequireCount(StreamPartitionContext context, long count)
    {
        if (count != context.PartitionCount)
        {
            throw new StreamMismatchException($"Stream '{context.Stream}' has {count} partitions and was opened with {context.PartitionCount}. Open it with {count}.");
        }
    }

    private string PartitionsOf(string stream) => _keys.Stream(stream) + "partitions";

    private async ValueTask RegisterAsync(StreamPartitionContext context, CancellationToken cancellationToken)
    {
        var call = Register.Call(PartitionsOf(context.Stream)).Add(context.Partition).Add(context.PartitionCount).MayRepeat();
        RequireCount(context, (await Writes.ExecuteAsync(call, cancellationToken).ConfigureAwait(false)).ToInteger());
    }

    private PartitionFeed Use(StreamPartitionContext context, PartitionScripts scripts, string incarnation)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(RedisBackend));
            var key = (context.Stream, context.Partition, incarnation);
            if (!_feeds.TryGetValue(key, out var feed))
            {
                _feeds.Add(key, feed = new PartitionFeed(Executor, scripts, context.Stream, context.Partition, incarnation, _timeProvider));
            }

            feed.Users++;
            feed.HasMaxAge = context.Retention.MaxAge is not null;
            return feed;
        }
    }

    /// <summary>Removes what is too old from partitions to which nothing is appended.</summary>
    private async Task KeepUpAsync()
    {
        List<PartitionFeed> feeds;
        lock (_gate)
        {
            feeds = [.. _feeds.Values.Where(feed => feed.HasMaxAge)];
        }

        try
        {
            foreach (var feed in feeds)
            {
                await Executor.ExecuteAsync(feed.Scripts.Stats().Add(feed.Incarnation), CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException)
        {
            // Done at the next tick, or by whoever uses the partition, who meets the fault if it lasts.
        }
    }
}
