using System.Runtime.ExceptionServices;
using System.Text;
using Millrace.Client;
using Millrace.Serialization;
using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>
/// Appends messages of one type to one stream, and says where each landed. Appends that are made at the same time share writes; one that cannot be written yet is waited for
/// under a bound. Made by <see cref="MillraceClient.StreamProducer{T}"/>; safe for concurrent use. Disposing writes what was accepted.
/// </summary>
/// <typeparam name="T">The type of the messages.</typeparam>
public sealed class StreamProducer<T> : IAsyncDisposable
{
    private readonly StreamProducerOptions<T> _options;
    private readonly StreamCatalog _catalog;
    private readonly ProducerEnvironment _environment;
    private readonly IMessageSerializer _serializer;
    private readonly JsonKey? _jsonKey;
    private readonly MessageHeaders _contentType;
    private readonly SemaphoreSlim _opening = new(1, 1);
    private readonly SemaphoreSlim _flushing = new(1, 1);
    private readonly Action<IAsyncDisposable> _onDisposed;
    private AppendWindow _window = new();
    private volatile ProducerLane[]? _lanes;
    private int _early;
    private int _turn = -1;
    private volatile bool _isDisposed;

    internal StreamProducer(string stream, StreamProducerOptions<T> options, StreamEnvironment environment)
    {
        ResourceName.Require(stream, "stream");
        options.Validate();
        Stream = stream;
        _options = options;
        var (catalog, settings) = (environment.Catalog, environment.Settings);
        _catalog = catalog;
        _onDisposed = environment.OnDisposed;
        _serializer = options.Serializer is { } name ? settings.Serializers.ForSending(typeof(T), name) : settings.SerializerFor(typeof(T));
        _contentType = StreamContentType.HeadersOf(_serializer);
        _jsonKey = options.KeyProperty is { } property ? new JsonKey(property) : null;
        if (_jsonKey is not null && !StreamContentType.IsJson(_serializer.ContentType))
        {
            throw new MillraceConfigurationException($"The producer's KeyProperty '{options.KeyProperty}' needs JSON, and {typeof(T).Name} is written as {_serializer.ContentType}. Use Key.");
        }

        _environment = new ProducerEnvironment(
            catalog,
            stream,
            options.Idempotent ? $"{Environment.MachineName}/{Environment.ProcessId}/{Guid.NewGuid():N}" : null,
            new ProducerBounds(options.Linger, options.BatchSize, Math.Min(options.MaxBatchBytes, catalog.Capabilities.MaxAppendBytes), options.RetryFor),
            new AppendRoom(options.MaxBufferedBytes),
            new ProducerHurry(),
            settings.Telemetry,
            environment.TimeProvider,
            environment.Logger);
    }

    /// <summary>The stream's name.</summary>
    public string Stream { get; }

    /// <summary>The lanes, unless appends that came before they were there still wait for their turn.</summary>
    private ProducerLane[]? OpenLanes => Volatile.Read(ref _early) == 0 ? _lanes : null;

    /// <summary>Appends one message, and returns when it is stored.</summary>
    /// <param name="message">The message.</param>
    /// <param name="options">The wishes for it; null for none.</param>
    /// <param name="cancellationToken">Honoured until the producer has accepted the message.</param>
    /// <returns>Where it is.</returns>
    /// <exception cref="InvalidMessageException">The message has no key where one is asked for, or breaks a limit.</exception>
    /// <exception cref="MessageSerializationException">The message cannot be written.</exception>
    /// <exception cref="StreamNotFoundException">There is no such stream, and the options do not let it be created.</exception>
    /// <exception cref="StreamMismatchException">The stream has other settings than the options say, or was deleted and created again with another partition count.</exception>
    public async ValueTask<StreamAppendResult> AppendAsync(T message, StreamAppendOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(message);
        var window = Enter();
        Exception? failure = null;
        try
        {
            return OpenLanes is { } lanes
                ? await AppendNowAsync(lanes, message, options, cancellationToken).ConfigureAwait(false)
                : await OpenThenAsync(opened => AppendNowAsync(opened, message, options, cancellationToken).AsTask(), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not (InvalidMessageException or MessageSerializationException or ArgumentException or OperationCanceledException))
        {
            failure = exception;
            throw;
        }
        finally
        {
            window.Leave(failure);
        }
    }

    /// <summary>
    /// Appends a batch, and returns when all of it is stored. The messages of one partition are appended together or not at all; those of several partitions are several appends.
    /// Messages without a key go to one partition.
    /// </summary>
    /// <param name="messages">The messages, in order.</param>
    /// <param name="optionsOf">The wishes for one message; null, or returning null, for none.</param>
    /// <param name="cancellationToken">Honoured while the batch waits for room. What had room in one partition is stored even when the wait for another one is cancelled.</param>
    /// <returns>Where each message is, in order.</returns>
    /// <exception cref="InvalidMessageException">A message has no key where one is asked for, or breaks a limit; nothing was stored.</exception>
    /// <exception cref="MessageSerializationException">A message cannot be written; nothing was stored.</exception>
    public async ValueTask<IReadOnlyList<StreamAppendResult>> AppendBatchAsync(
        IEnumerable<T> messages, Func<T, StreamAppendOptions?>? optionsOf = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var window = Enter();
        Exception? failure = null;
        try
        {
            return OpenLanes is { } lanes
                ? await AppendBatchNowAsync(lanes, messages, optionsOf, cancellationToken).ConfigureAwait(false)
                : await OpenThenAsync(opened => AppendBatchNowAsync(opened, messages, optionsOf, cancellationToken).AsTask(), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not (InvalidMessageException or MessageSerializationException or ArgumentException or OperationCanceledException))
        {
            failure = exception;
            throw;
        }
        finally
        {
            window.Leave(failure);
        }
    }

    /// <summary>Writes everything that was handed in before, without lingering, and has the store make it durable.</summary>
    /// <param name="cancellationToken">Ends the wait; what was accepted is written all the same.</param>
    /// <exception cref="MillraceException">An append that was handed in since the last flush could not be stored, which its own caller was told too.</exception>
    public async ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (await DrainAsync().WaitAsync(cancellationToken).ConfigureAwait(false) is { } failure)
        {
            ExceptionDispatchInfo.Throw(failure);
        }

        foreach (var lane in _lanes ?? [])
        {
            await lane.FlushStoreAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Accepts nothing more, and returns when what was handed in has been written, or has failed, which its callers were told.</summary>
    public async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        _onDisposed(this);
        await DrainAsync().ConfigureAwait(false);
    }

    private async ValueTask<StreamAppendResult> AppendNowAsync(ProducerLane[] lanes, T message, StreamAppendOptions? options, CancellationToken cancellationToken)
    {
        var bytes = new PooledBuffer();
        Draft draft;
        PendingAppend append;
        try
        {
            var keyless = -1;
            draft = Write(message, options, bytes, lanes, ref keyless);
            append = Prepare([draft], bytes, new AppendBytes(bytes, 1));
        }
        catch
        {
            bytes.Dispose();
            throw;
        }

        var result = await SendAsync(lanes[draft.Partition], append, cancellationToken).ConfigureAwait(false);
        return new StreamAppendResult(draft.Partition, result.FirstOffset);
    }

    private async ValueTask<IReadOnlyList<StreamAppendResult>> AppendBatchNowAsync(
        ProducerLane[] lanes, IEnumerable<T> messages, Func<T, StreamAppendOptions?>? optionsOf, CancellationToken cancellationToken)
    {
        var bytes = new PooledBuffer();
        var drafts = new List<Draft>();
        PendingAppend[] appends;
        int[] partitions;
        try
        {
            var keyless = -1;
            foreach (var message in messages)
            {
                ArgumentNullException.ThrowIfNull(message, nameof(messages));
                drafts.Add(Write(message, optionsOf?.Invoke(message), bytes, lanes, ref keyless));
            }

            partitions = [.. drafts.Select(draft => draft.Partition).Distinct()];
            var shared = new AppendBytes(bytes, partitions.Length);
            appends = [.. partitions.Select(partition => Prepare(drafts.FindAll(draft => draft.Partition == partition), bytes, shared))];
        }
        catch
        {
            bytes.Dispose();
            throw;
        }

        var sent = await Task.WhenAll(appends.Select((append, i) => SendAsync(lanes[partitions[i]], append, cancellationToken).AsTask())).ConfigureAwait(false);
        var next = partitions.Zip(sent, (partition, result) => (partition, result.FirstOffset)).ToDictionary(first => first.partition, first => first.FirstOffset);
        return drafts.ConvertAll(draft => new StreamAppendResult(draft.Partition, next[draft.Partition] < 0 ? -1 : next[draft.Partition]++));
    }

    private async Task<Exception?> DrainAsync()
    {
        // One flush at a time: the second also waits for the appends of the first.
        await _flushing.WaitAsync().ConfigureAwait(false);
        _environment.Hurry.Begin();
        try
        {
            var window = Interlocked.Exchange(ref _window, new AppendWindow());
            foreach (var lane in _lanes ?? [])
            {
                lane.Stir();
            }

            return await window.CloseAsync().ConfigureAwait(false);
        }
        finally
        {
            _environment.Hurry.End();
            _flushing.Release();
        }
    }

    private AppendWindow Enter()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        while (true)
        {
            var window = Volatile.Read(ref _window);
            if (window.TryEnter())
            {
                return window;
            }
        }
    }

    /// <summary>Opens the stream for the first appends, and has those that came meanwhile go on in the order in which they came.</summary>
    private async ValueTask<TResult> OpenThenAsync<TResult>(Func<ProducerLane[], Task<TResult>> append, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _early);
        Task<TResult> accepted;
        try
        {
            await _opening.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                if (_lanes is null)
                {
                    var info = await _catalog.EnsureAsync(Stream, _options.Settings, _options.Create, cancellationToken).ConfigureAwait(false);
                    _lanes = [.. Enumerable.Range(0, info.Settings.Partitions).Select(partition => new ProducerLane(_environment, partition, info.Settings.Partitions))];
                }

                // Returns when the append has its place in its lane, or waits for room in line.
                accepted = append(_lanes);
            }
            finally
            {
                _opening.Release();
            }
        }
        finally
        {
            Interlocked.Decrement(ref _early);
        }

        return await accepted.ConfigureAwait(false);
    }

    /// <param name="message">The message.</param>
    /// <param name="options">The wishes for it.</param>
    /// <param name="bytes">Where its key and body are written.</param>
    /// <param name="lanes">The partitions.</param>
    /// <param name="keyless">Where records of this call go that have no key; chosen by the first of them when negative.</param>
    private Draft Write(T message, StreamAppendOptions? options, PooledBuffer bytes, ProducerLane[] lanes, ref int keyless)
    {
        var start = bytes.WrittenBytes;
        try
        {
            _serializer.Serialize(message, bytes);
        }
        catch (Exception exception) when (exception is not (MillraceException or OutOfMemoryException))
        {
            throw new MessageSerializationException(
                $"The message of type {typeof(T).Name} cannot be written as {_serializer.ContentType}: {exception.Message}", _serializer.ContentType, exception);
        }

        var body = start..bytes.WrittenBytes;
        var key = options?.Key ?? _options.Key?.Invoke(message) ?? _jsonKey?.Read(bytes[body].Span);
        if (key is not null)
        {
            bytes.Advance(Encoding.UTF8.GetBytes(key, bytes.GetSpan(Encoding.UTF8.GetMaxByteCount(key.Length))));
        }

        var keyBytes = body.End.Value..bytes.WrittenBytes;
        var headers = options is { Headers.Count: > 0 } ? WithContentType(options.Headers) : _contentType;
        return new Draft(PartitionOf(options?.Partition, key is null ? default : bytes[keyBytes].Span, key is not null, lanes, ref keyless), keyBytes, body, headers, options?.Timestamp ?? default);
    }

    private MessageHeaders WithContentType(MessageHeaders headers) =>
        _contentType.Count == 0 || headers.ContainsKey(StreamContentType.Header) ? headers : headers.With(StreamContentType.Header, _serializer.ContentType);

    private int PartitionOf(int? asked, ReadOnlySpan<byte> key, bool hasKey, ProducerLane[] lanes, ref int keyless)
    {
        if (asked is { } partition)
        {
            return (uint)partition < (uint)lanes.Length
                ? partition
                : throw new InvalidMessageException($"The record was refused: stream '{Stream}' has no partition {partition}, its partitions are 0 to {lanes.Length - 1}.");
        }

        if (hasKey)
        {
            return StreamPartitioner.PartitionOf(key, lanes.Length);
        }

        if (keyless < 0)
        {
            keyless = NextInTurn(lanes);
        }

        return keyless;
    }

    /// <summary>Where a record without a key goes: to the batch that gathers, or to the next partition when there is none.</summary>
    private int NextInTurn(ProducerLane[] lanes)
    {
        var turn = Volatile.Read(ref _turn);
        if (turn >= 0 && !lanes[turn].IsBatchOver)
        {
            return turn;
        }

        var next = (turn + 1) % lanes.Length;
        Interlocked.CompareExchange(ref _turn, next, turn);
        return next;
    }

    private PendingAppend Prepare(IReadOnlyList<Draft> drafts, PooledBuffer bytes, AppendBytes shared)
    {
        var records = new StreamRecord[drafts.Count];
        for (var i = 0; i < records.Length; i++)
        {
            var draft = drafts[i];
            records[i] = new StreamRecord { Key = bytes[draft.Key], Body = bytes[draft.Body], Headers = draft.Headers.Count == 0 ? null : draft.Headers, Timestamp = draft.Timestamp };
        }

        // Here, so that a record that breaks a limit fails its own caller, and not those whose records share the write.
        return new PendingAppend(records, StreamRecordRules.Require(new AppendRequest(records), _catalog.Capabilities), shared);
    }

    private async ValueTask<AppendResult> SendAsync(ProducerLane lane, PendingAppend append, CancellationToken cancellationToken)
    {
        try
        {
            await _environment.Room.EnterAsync(lane, append, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            append.Release();
            throw;
        }

        return await append.Task.ConfigureAwait(false);
    }

    /// <summary>A record while its call's bytes still grow.</summary>
    private readonly record struct Draft(int Partition, Range Key, Range Body, MessageHeaders Headers, DateTimeOffset Timestamp);
}
