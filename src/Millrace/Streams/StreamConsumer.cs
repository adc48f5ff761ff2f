using System.Runtime.CompilerServices;
using Millrace.Client;
using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Serialization;

namespace Millrace.Streams;

/// <summary>
/// Reads messages of one type from partitions of one stream. Its position in a partition advances only over records that its caller received (law S7). Made by
/// <see cref="MillraceClient.StreamConsumer{T}"/>. One read at a time; everything else is safe for concurrent use. Disposing leaves the group.
/// </summary>
/// <typeparam name="T">The type of the messages.</typeparam>
public sealed partial class StreamConsumer<T> : IAsyncDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(5);

    private readonly StreamEnvironment _environment;
    private readonly StreamConsumerOptions _options;
    private readonly MessageSerializers _serializers;
    private readonly IMessageSerializer _writer;
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _opening = new(1, 1);
    private readonly SemaphoreSlim _committing = new(1, 1);
    private readonly AsyncSignal _wake = new();
    private readonly SortedDictionary<int, ConsumedPartition> _partitions = [];
    private readonly Queue<Buffered> _buffer = new();
    private StreamInfo? _stream;
    private GroupMember? _member;
    private BackgroundLoop? _commits;
    private int _turn;
    private int _isReading;
    private volatile bool _isOpen;
    private volatile bool _isDisposed;

    internal StreamConsumer(string stream, StreamConsumerOptions options, StreamEnvironment environment)
    {
        ResourceName.Require(stream, "stream");
        if (options.Group is { } group)
        {
            ResourceName.Require(group, "group");
        }

        options.Validate();
        Stream = stream;
        _options = options;
        _environment = environment;
        _serializers = environment.Settings.Serializers;
        _writer = environment.Settings.SerializerFor(typeof(T));
    }

    /// <summary>The stream's name.</summary>
    public string Stream { get; }

    /// <summary>The group's name; null without one.</summary>
    public string? Group => _options.Group;

    /// <summary>The partitions that this consumer reads now, in order; in a group they change. Empty until the first read.</summary>
    public IReadOnlyList<int> Assignment
    {
        get
        {
            lock (_gate)
            {
                return [.. _partitions.Keys];
            }
        }
    }

    internal GroupMember? Member => _member;

    /// <summary>
    /// Reads records of any of the partitions; returns as soon as there are some. What the read before returned counts as handled by this call (<see cref="StreamConsumerOptions.AutoCommit"/>).
    /// </summary>
    /// <param name="maxRecords">At most so many; at least 1.</param>
    /// <param name="timeout">How long to wait for the first record, in all: zero for not at all, <see cref="Timeout.InfiniteTimeSpan"/> until cancelled.</param>
    /// <param name="cancellationToken">Ends the wait; nothing is lost by it.</param>
    /// <returns>The records, of each partition in order; empty when none came in time.</returns>
    /// <exception cref="StreamNotFoundException">There is no such stream, and the options do not say how to create it.</exception>
    /// <exception cref="OffsetOutOfRangeException">The next record of a partition has been trimmed, and the options do not say to go on; or it lies beyond the end. Seek to go on.</exception>
    /// <exception cref="StreamMismatchException">The stream was deleted and created again while this consumer read it.</exception>
    /// <exception cref="MessageSerializationException">The next record of a partition cannot be read as a <typeparamref name="T"/>. It says which; seek past it to go on.</exception>
    /// <exception cref="InvalidOperationException">Another read is under way.</exception>
    public async ValueTask<IReadOnlyList<StreamMessage<T>>> ReadAsync(int maxRecords, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRecords, 1);
        if (timeout != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(timeout, TimeSpan.Zero);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(timeout, TimerRange.Longest);
        }

        BeginRead();
        try
        {
            await OpenAsync(cancellationToken).ConfigureAwait(false);
            NoteHandled();
            await FetchAsync(maxRecords, timeout, cancellationToken).ConfigureAwait(false);
            var messages = Take(maxRecords);
            _environment.Settings.Telemetry.StreamRead(Stream, messages.Count);
            return messages;
        }
        finally
        {
            EndRead();
        }
    }

    /// <summary>
    /// Follows the partitions for ever, fetching no faster than the caller takes. Each record counts as handled when the next one is asked for. Transient faults of the store
    /// are waited out and logged. What was fetched and not taken when the enumeration ends comes with the next read.
    /// </summary>
    /// <param name="cancellationToken">Ends it with <see cref="OperationCanceledException"/>.</param>
    public async IAsyncEnumerable<StreamMessage<T>> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var backoff = new Backoff(FirstRetry, LongestRetry);
        while (true)
        {
            List<StreamMessage<T>> messages = [];
            BeginRead();
            try
            {
                await OpenAsync(cancellationToken).ConfigureAwait(false);
                NoteHandled();
                await FetchAsync(_options.FetchRecords, Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);

                // One at a time: what is not taken is not received.
                messages = Take(1);
                backoff.Reset();
            }
            catch (MillraceException exception) when (exception.IsTransient)
            {
                var delay = backoff.Next();
                _environment.Logger.StreamReadRetries(exception, Stream, delay);
                await Task.Delay(delay, _environment.TimeProvider, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                EndRead();
            }

            _environment.Settings.Telemetry.StreamRead(Stream, messages.Count);
            foreach (var message in messages)
            {
                yield return message;
            }
        }
    }

    /// <summary>Pauses partitions: nothing more of them is returned until they are resumed. In a group they stay this member's.</summary>
    /// <param name="partitions">Which; those that this consumer does not read are ignored.</param>
    public void Pause(params IEnumerable<int> partitions) => SetPaused(partitions, true);

    /// <summary>Resumes partitions, where they stood.</summary>
    /// <param name="partitions">Which; those that this consumer does not read are ignored.</param>
    public void Resume(params IEnumerable<int> partitions) => SetPaused(partitions, false);

    /// <summary>Goes on at another offset of a partition that this consumer reads. In a group, the next commit stores it.</summary>
    /// <param name="partition">The partition.</param>
    /// <param name="offset">The offset of the record to receive next.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>False when this consumer does not read the partition, which in a group may happen at any time.</returns>
    public async ValueTask<bool> SeekAsync(int partition, long offset, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        await OpenAsync(cancellationToken).ConfigureAwait(false);
        lock (_gate)
        {
            if (!_partitions.TryGetValue(partition, out var consumed))
            {
                return false;
            }

            consumed.Seek(offset);
        }

        _wake.Set();
        return true;
    }

    /// <summary>How far this consumer is in each of its partitions.</summary>
    public async ValueTask<IReadOnlyList<StreamLag>> GetLagAsync(CancellationToken cancellationToken = default)
    {
        await OpenAsync(cancellationToken).ConfigureAwait(false);
        List<ConsumedPartition> partitions;
        lock (_gate)
        {
            partitions = [.. _partitions.Values];
        }

        var lags = new List<StreamLag>(partitions.Count);
        foreach (var partition in partitions)
        {
            var stats = await partition.Log.GetStatsAsync(cancellationToken).ConfigureAwait(false);
            lags.Add(new StreamLag(partition.Number, partition.Delivered, stats.EndOffset) { EarliestOffset = stats.EarliestOffset });
        }

        return lags;
    }

    /// <summary>Ends a read that waits, commits what was handled (<see cref="StreamConsumerOptions.AutoCommit"/>), and leaves the group.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        _environment.OnDisposed(this);
        _wake.Set();
        await _opening.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_commits is { } commits)
            {
                await commits.DisposeAsync().ConfigureAwait(false);
            }

            if (_member is { } member)
            {
                await member.DisposeAsync().ConfigureAwait(false);
            }

            lock (_gate)
            {
                foreach (var partition in _partitions.Values)
                {
                    partition.Leave();
                }
            }
        }
        finally
        {
            _opening.Release();
        }
    }

    private async ValueTask OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_isOpen)
        {
            return;
        }

        await _opening.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (!_isOpen)
            {
                _stream ??= await _environment.Catalog.EnsureAsync(Stream, _options.Settings, _options.Settings is not null, cancellationToken).ConfigureAwait(false);
                if (Group is null)
                {
                    await OpenPartitionsAsync(_stream, cancellationToken).ConfigureAwait(false);
                }
                else
                {
                    await JoinAsync(_stream, cancellationToken).ConfigureAwait(false);
                }

                _isOpen = true;
            }
        }
        finally
        {
            _opening.Release();
        }
    }

    private async ValueTask OpenPartitionsAsync(StreamInfo stream, CancellationToken cancellationToken)
    {
        foreach (var number in StaticPartitions(stream.Settings.Partitions))
        {
            if (!_partitions.ContainsKey(number))
            {
                var log = await _environment.Catalog.OpenPartitionAsync(Stream, number, cancellationToken).ConfigureAwait(false);
                var start = await _options.Start.ResolveAsync(log, cancellationToken).ConfigureAwait(false);
                lock (_gate)
                {
                    _partitions.Add(number, new ConsumedPartition(number, log, start, null, _gate));
                }
            }
        }
    }

    private IEnumerable<int> StaticPartitions(int count) => _options switch
    {
        { Partitions: { } list } => list,
        { Rank: { } rank, WorldSize: { } worldSize } => Enumerable.Range(0, count).Where(partition => partition % worldSize == rank),
        _ => Enumerable.Range(0, count),
    };

    private void SetPaused(IEnumerable<int> partitions, bool isPaused)
    {
        ArgumentNullException.ThrowIfNull(partitions);
        lock (_gate)
        {
            foreach (var partition in partitions)
            {
                if (_partitions.TryGetValue(partition, out var consumed))
                {
                    consumed.Pause(isPaused);
                }
            }
        }

        _wake.Set();
    }

    private void BeginRead()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (Interlocked.Exchange(ref _isReading, 1) == 1)
        {
            throw new InvalidOperationException($"Another read of this consumer of stream '{Stream}' is under way. Use one consumer for each reader.");
        }
    }

    private void EndRead() => Volatile.Write(ref _isReading, 0);
}
