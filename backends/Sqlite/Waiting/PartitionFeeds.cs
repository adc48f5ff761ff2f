using Millrace.Storage;

namespace Millrace.Sqlite.Waiting;

/// <summary>The partitions that this process has open, and who waits for each to grow.</summary>
internal sealed class PartitionFeeds(Action<int> countChanged)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, PartitionFeed> _feeds = [];

    /// <summary>The feed of a partition, kept until as many <see cref="Release"/> it as opened it.</summary>
    public PartitionFeed Open(long id, string stream, int partition)
    {
        lock (_gate)
        {
            if (!_feeds.TryGetValue(id, out var feed))
            {
                _feeds.Add(id, feed = new PartitionFeed(id, stream, partition, countChanged));
            }

            feed.Users++;
            return feed;
        }
    }

    public void Release(PartitionFeed feed)
    {
        lock (_gate)
        {
            if (--feed.Users == 0)
            {
                _feeds.Remove(feed.Id);
            }
        }
    }

    /// <summary>A partition was deleted here: whoever waits for it learns it.</summary>
    public void FailDeleted(long id)
    {
        PartitionFeed? feed;
        lock (_gate)
        {
            feed = _feeds.GetValueOrDefault(id);
        }

        feed?.FailDeleted();
    }

    /// <summary>The feeds that somebody waits for.</summary>
    public List<PartitionFeed> Waited()
    {
        lock (_gate)
        {
            return [.. _feeds.Values.Where(feed => feed.IsWaitedFor)];
        }
    }

    /// <summary>The store is closed: whoever waits learns it.</summary>
    public void Close()
    {
        List<PartitionFeed> feeds;
        lock (_gate)
        {
            feeds = [.. _feeds.Values];
        }

        foreach (var feed in feeds)
        {
            feed.Close();
        }
    }
}

/// <summary>Who waits in this process for one partition to grow.</summary>
internal sealed class PartitionFeed(long id, string stream, int partition, Action<int> countChanged)
{
    private readonly StreamWaiters _waiters = new();
    private int _waiting;

    public long Id { get; } = id;

    /// <summary>How many have it open. Under the lock of <see cref="PartitionFeeds"/>.</summary>
    public int Users { get; set; }

    public bool IsWaitedFor => Volatile.Read(ref _waiting) > 0;

    /// <summary>Waits until the end is beyond an offset.</summary>
    /// <param name="offset">The offset.</param>
    /// <param name="look">Reads the partition's end, once the watcher watches it: what another process appends after the look is noticed by the watcher.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="closing">Ends it too: the opening is closed.</param>
    public async ValueTask WaitAsync(long offset, Func<long> look, CancellationToken cancellationToken, CancellationToken closing)
    {
        Interlocked.Increment(ref _waiting);
        countChanged(1);
        try
        {
            Advance(look());
            await _waiters.WaitAsync(offset, cancellationToken, closing).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
            countChanged(-1);
        }
    }

    public void Advance(long end) => _waiters.Advance(end);

    public void FailDeleted() => _waiters.Fail(Deleted());

    public void Close() => _waiters.Fail(new ObjectDisposedException(nameof(SqliteBackend), "The backend was closed while somebody waited for a partition to grow."));

    public BackendUnavailableException Deleted() => new($"Partition {partition} of stream '{stream}' was deleted.");
}
