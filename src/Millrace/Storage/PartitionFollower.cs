namespace Millrace.Storage;

/// <summary>
/// Reads several partitions of one stream as they grow: a page at a time, of whichever has something, in turn, so that neither an empty nor a busy one holds back another (S4). Not
/// safe for concurrent use; disposing ends its waits.
/// </summary>
internal sealed class PartitionFollower : IDisposable
{
    private readonly CancellationTokenSource _ended = new();
    private readonly Cursor[] _cursors;
    private readonly Dictionary<int, Cursor> _byPartition;
    private readonly string _stream;
    private int _turn;

    /// <param name="stream">The stream's name.</param>
    /// <param name="partitions">The partitions with the offsets at which to begin; their owner keeps them.</param>
    public PartitionFollower(string stream, IEnumerable<(int Partition, IStreamPartition Log, long Offset)> partitions)
    {
        _stream = stream;
        _cursors = [.. partitions.Select(partition => new Cursor(partition.Partition, partition.Log) { Position = partition.Offset })];
        _byPartition = _cursors.ToDictionary(cursor => cursor.Partition);
    }

    /// <summary>Where each partition is read on, in the order in which they were given.</summary>
    public IEnumerable<(int Partition, long Offset)> Positions => _cursors.Select(cursor => (cursor.Partition, cursor.Position));

    /// <summary>The next records, waiting until there are some.</summary>
    public async ValueTask<FollowedPage> ReadAsync(int maxRecords, int maxBytes, CancellationToken cancellationToken)
    {
        while (true)
        {
            for (var i = 0; i < _cursors.Length; i++)
            {
                var cursor = _cursors[_turn];
                _turn = (_turn + 1) % _cursors.Length;
                if (cursor.Growing is null or { IsCompleted: true } && await TryReadAsync(cursor, maxRecords, maxBytes, cancellationToken).ConfigureAwait(false) is { } page)
                {
                    return page;
                }
            }

            cancellationToken.ThrowIfCancellationRequested();
            await Task.WhenAny(_cursors.Select(cursor => cursor.Growing!)).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Goes on in one partition from another offset.</summary>
    public void Seek(int partition, long offset)
    {
        _byPartition[partition].Position = offset;
        _byPartition[partition].Growing = null;
    }

    public void Dispose()
    {
        _ended.Cancel();
        foreach (var cursor in _cursors)
        {
            // Nobody waits for it any more, so nobody would see how it ends.
            cursor.Growing?.ContinueWith(static task => _ = task.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        }

        _ended.Dispose();
    }

    private async ValueTask<FollowedPage?> TryReadAsync(Cursor cursor, int maxRecords, int maxBytes, CancellationToken cancellationToken)
    {
        if (cursor.Growing is { } growing)
        {
            await growing.ConfigureAwait(false);
            cursor.Growing = null;
        }

        try
        {
            var page = await cursor.Log.ReadWithinAsync(_stream, cursor.Partition, cursor.Position, maxRecords, maxBytes, cancellationToken).ConfigureAwait(false);
            if (!page.Records.IsEmpty)
            {
                cursor.Position = page.NextOffset;
                return new FollowedPage(cursor.Partition, page, null);
            }

            page.Dispose();
        }
        catch (OffsetOutOfRangeException missing)
        {
            cursor.Position = missing.End ?? missing.Earliest;
            return new FollowedPage(cursor.Partition, null, missing);
        }

        cursor.Growing = cursor.Log.WaitForAsync(cursor.Position, _ended.Token).AsTask();
        return null;
    }

    private sealed class Cursor(int partition, IStreamPartition log)
    {
        public int Partition => partition;

        public IStreamPartition Log => log;

        public long Position { get; set; }

        /// <summary>The wait for more; null when it may have more already.</summary>
        public Task? Growing { get; set; }
    }
}

/// <summary>What one partition had. Whoever reads it disposes the page.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Page">Records; null where some are missing.</param>
/// <param name="Missing">Which records were trimmed before they were read, or lie beyond an end that went back (S5); reading goes on with the earliest, or at the end. Null where there are records.</param>
internal readonly record struct FollowedPage(int Partition, StreamPage? Page, OffsetOutOfRangeException? Missing);
