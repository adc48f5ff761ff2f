using System.Buffers;
using System.IO.Pipelines;
using Millrace.Redis.Client.Protocol;

namespace Millrace.Redis.Client.Connections;

/// <summary>
/// One connection that many callers share. Commands are gathered into a buffer, which is sent as a whole as soon as the one before is gone; replies belong to the commands in the
/// order in which these were written. Two loops, one reading and one writing, and one recorded reason for the end. Safe for concurrent use.
/// </summary>
/// <remarks>
/// Invariants, under the gate: the ring holds, in the order of their bytes, exactly those commands that were gathered and not answered; the last <c>_gatheredCount</c> of them stand
/// in the gathering buffer and have not been handed to the stream. After the end the ring is empty and stays so.
/// </remarks>
internal sealed class RedisConnection : IAsyncDisposable, IThreadPoolWorkItem
{
    private readonly Lock _gate = new();
    private readonly Stream _stream;
    private readonly PipeReader _input;
    private readonly RespReader _reader;
    private readonly ConnectionSettings _settings;
    private readonly ITimer _watch;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly OperationRing _ring = new();
    private readonly Queue<TaskCompletionSource> _waitingForRoom = new();

    // Only the reading loop uses these two.
    private readonly List<RedisReply> _replies = [];
    private OperationRing.Entry[] _answered = new OperationRing.Entry[64];

    private GatherBuffer _gathered = new();
    private GatherBuffer _sending = new();
    private int _gatheredCount;
    private bool _isWriting;
    private bool _isDraining;
    private Exception? _end;
    private long _lastReceived;
    private long _waitingSince;
    private long _replyTimeoutTicks;

    public RedisConnection(Stream stream, RedisServerAddress address, ConnectionSettings settings)
    {
        _stream = stream;
        _settings = settings;
        Address = address;
        _input = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: settings.ReceiveBufferBytes, minimumReadSize: settings.ReceiveBufferBytes / 4, leaveOpen: true));
        _reader = new RespReader(settings.Limits);
        _lastReceived = settings.TimeProvider.GetTimestamp();
        ReplyTimeout = settings.ReplyTimeout;
        _watch = settings.TimeProvider.CreateTimer(static self => ((RedisConnection)self!).Watch(), this, settings.WatchPeriod, settings.WatchPeriod);
        _ = ReadAsync();
    }

    public RedisServerAddress Address { get; }

    /// <summary>Who the client is to the server, for errors.</summary>
    public string User { get; set; } = RedisLogin.DefaultName;

    /// <summary>Ends, without a fault, when the connection has.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Why it has ended; null while it has not.</summary>
    public Exception? End => Volatile.Read(ref _end);

    /// <summary>Told of what arrives by Pub/Sub; set before the first subscription. The connection is then its alone, and takes all that it wants.</summary>
    public IPushHandler? PushHandler { get; set; }

    /// <summary>How long a command may wait for its reply.</summary>
    public TimeSpan ReplyTimeout
    {
        get => new(Volatile.Read(ref _replyTimeoutTicks));
        set => Volatile.Write(ref _replyTimeoutTicks, value.Ticks);
    }

    /// <summary>Takes an operation, to be written behind those that it has.</summary>
    public SendOutcome Send(RedisOperation operation) => Send(operation, null);

    /// <summary>The same, with <paramref name="before"/> right before it, so that nothing comes between them.</summary>
    public SendOutcome Send(RedisOperation operation, RedisOperation? before)
    {
        var bytes = operation.Command.Encode().Span;
        bool wakes;
        lock (_gate)
        {
            if (_end is not null || _isDraining)
            {
                return SendOutcome.Ended;
            }

            if (PushHandler is null && (_ring.Count >= _settings.MaxInFlight || (_gatheredCount > 0 && _gathered.Length + bytes.Length > _settings.MaxGatheredBytes)))
            {
                return SendOutcome.Full;
            }

            if (before is not null)
            {
                GatherLocked(before, before.Command.Encode().Span);
            }

            GatherLocked(operation, bytes);
            wakes = !_isWriting;
            _isWriting = true;
        }

        if (wakes)
        {
            // To the queue that all threads share: this thread first goes on with the callers that the last replies have woken, and what these send goes with it.
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }

        return SendOutcome.Taken;
    }

    /// <summary>Ends when there may be room again, or the connection has ended.</summary>
    public Task WaitForRoomAsync()
    {
        lock (_gate)
        {
            if (_end is not null || (_gatheredCount == 0 && _ring.Count < _settings.MaxInFlight))
            {
                return Task.CompletedTask;
            }

            var waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waitingForRoom.Enqueue(waiting);
            return waiting.Task;
        }
    }

    /// <summary>Sends a command on this connection and nowhere else; errors and cuts are its caller's.</summary>
    public ValueTask<RedisReply> ExecuteAsync(RedisCommand command)
    {
        var operation = RedisOperation.Start(command, DirectRouter.Instance, _settings.TimeProvider.GetTimestamp());
        var task = operation.Task;
        if (Send(operation) != SendOutcome.Taken)
        {
            operation.Fail(RedisFaults.Cut(this, mayHaveBeenApplied: false));
        }

        return task;
    }

    /// <summary>Takes nothing more, and ends when what it has is answered.</summary>
    public void Drain()
    {
        bool isEmpty;
        lock (_gate)
        {
            _isDraining = true;
            isEmpty = _ring.Count == 0;
        }

        if (isEmpty)
        {
            Cut(new IOException("it was replaced"));
        }
    }

    /// <summary>Ends it; all that waits is told.</summary>
    public void Cut(Exception reason)
    {
        OperationRing.Entry[] lost;
        TaskCompletionSource[] waiting;
        int written;
        lock (_gate)
        {
            if (_end is not null)
            {
                return;
            }

            Volatile.Write(ref _end, reason);
            written = _ring.Count - _gatheredCount;
            lost = new OperationRing.Entry[_ring.Count];
            for (var i = 0; i < lost.Length; i++)
            {
                lost[i] = _ring.Dequeue();
            }

            _gatheredCount = 0;
            waiting = [.. _waitingForRoom];
            _waitingForRoom.Clear();
        }

        _watch.Dispose();
        _stream.Dispose();
        for (var i = 0; i < lost.Length; i++)
        {
            if (lost[i].Operation.TryTake(lost[i].Ticket))
            {
                lost[i].Operation.Router.OnCut(lost[i].Operation, this, mayHaveBeenApplied: i < written);
            }
        }

        Array.ForEach(waiting, static caller => caller.TrySetResult());
        _ended.TrySetResult();
    }

    public ValueTask DisposeAsync()
    {
        Cut(new ObjectDisposedException(nameof(RedisConnection), "it was closed"));
        return ValueTask.CompletedTask;
    }

    void IThreadPoolWorkItem.Execute() => _ = WriteAsync();

    private void GatherLocked(RedisOperation operation, ReadOnlySpan<byte> bytes)
    {
        if (_ring.Count == 0)
        {
            _waitingSince = _settings.TimeProvider.GetTimestamp();
        }

        _gathered.Append(bytes);
        _ring.Enqueue(operation);
        _gatheredCount++;
    }

    /// <summary>Sends what has gathered, until nothing has.</summary>
    private async Task WriteAsync()
    {
        try
        {
            while (true)
            {
                TaskCompletionSource[] released;
                lock (_gate)
                {
                    if (_end is not null || _gatheredCount == 0)
                    {
                        _isWriting = false;
                        return;
                    }

                    (_gathered, _sending) = (_sending, _gathered);
                    _gatheredCount = 0;
                    released = ReleaseLocked();
                }

                Array.ForEach(released, static caller => caller.TrySetResult());
                await _stream.WriteAsync(_sending.Written).ConfigureAwait(false);
                _sending.Clear();
            }
        }
        catch (Exception fault)
        {
            // Whatever it is: nobody must wait for ever for what was not sent.
            Cut(fault);
        }
    }

    private async Task ReadAsync()
    {
        Exception end;
        try
        {
            while (true)
            {
                var result = await _input.ReadAsync().ConfigureAwait(false);
                Volatile.Write(ref _lastReceived, _settings.TimeProvider.GetTimestamp());
                Parse(result.Buffer);
                _input.AdvanceTo(result.Buffer.End);
                if (!Answer())
                {
                    end = new RespException("The server has sent a reply that nobody has asked for.");
                    break;
                }

                if (result.IsCompleted)
                {
                    end = new IOException(_reader.IsInside ? "the server has closed it in the middle of a reply" : "the server has closed it");
                    break;
                }
            }
        }
        catch (Exception fault)
        {
            end = fault;
        }

        Cut(end);
        await _input.CompleteAsync().ConfigureAwait(false);
    }

    private void Parse(ReadOnlySequence<byte> bytes)
    {
        foreach (var segment in bytes)
        {
            var span = segment.Span;
            while (!span.IsEmpty && _reader.TryRead(ref span, out var reply, out var isPush))
            {
                if (PushHandler is { } handler && (isPush || PubSubMessages.IsOne(reply)) ? handler.OnPush(reply) : !isPush)
                {
                    _replies.Add(reply);
                }
            }
        }
    }

    /// <summary>Hands the replies to those that wait for them. False when there are more replies than commands.</summary>
    private bool Answer()
    {
        var count = _replies.Count;
        if (count == 0)
        {
            return true;
        }

        if (_answered.Length < count)
        {
            _answered = new OperationRing.Entry[count * 2];
        }

        TaskCompletionSource[] released;
        bool hasDrained;
        lock (_gate)
        {
            if (count > _ring.Count - _gatheredCount)
            {
                return _end is not null;
            }

            for (var i = 0; i < count; i++)
            {
                _answered[i] = _ring.Dequeue();
            }

            released = ReleaseLocked();
            hasDrained = _isDraining && _ring.Count == 0;
        }

        for (var i = 0; i < count; i++)
        {
            Deliver(_answered[i], _replies[i]);
        }

        Array.Clear(_answered, 0, count);
        _replies.Clear();
        Array.ForEach(released, static caller => caller.TrySetResult());
        if (hasDrained)
        {
            Cut(new IOException("it was replaced"));
        }

        return true;
    }

    private void Deliver(OperationRing.Entry entry, RedisReply reply)
    {
        if (!entry.Operation.TryTake(entry.Ticket))
        {
            return;
        }

        if (reply.Kind == RedisReplyKind.Error)
        {
            entry.Operation.Router.OnError(entry.Operation, this, reply);
        }
        else
        {
            entry.Operation.Complete(reply);
        }
    }

    /// <summary>Takes out as many of those that wait for room as there is room for.</summary>
    private TaskCompletionSource[] ReleaseLocked()
    {
        if (_waitingForRoom.Count == 0 || _ring.Count >= _settings.MaxInFlight)
        {
            return [];
        }

        var released = new TaskCompletionSource[Math.Min(_waitingForRoom.Count, _settings.MaxInFlight - _ring.Count)];
        for (var i = 0; i < released.Length; i++)
        {
            released[i] = _waitingForRoom.Dequeue();
        }

        return released;
    }

    /// <summary>
    /// Fails those that have waited too long; their replies, should they come, are dropped. A connection on which something waits and nothing has come for the whole timeout is
    /// dead, or as good as that.
    /// </summary>
    private void Watch()
    {
        var time = _settings.TimeProvider;
        var timeout = ReplyTimeout;
        var late = new List<OperationRing.Entry>();
        bool isDead;
        lock (_gate)
        {
            for (var i = 0; i < _ring.Count; i++)
            {
                var entry = _ring.Peek(i);
                if (entry.Operation.Ticket == entry.Ticket && time.GetElapsedTime(entry.Operation.Started) >= timeout)
                {
                    late.Add(entry);
                }
            }

            isDead = _ring.Count > 0 && time.GetElapsedTime(Math.Max(Volatile.Read(ref _lastReceived), _waitingSince)) >= timeout;
        }

        foreach (var entry in late)
        {
            if (entry.Operation.TryTake(entry.Ticket))
            {
                entry.Operation.Fail(RedisFaults.Late(this, timeout));
            }
        }

        if (isDead)
        {
            Cut(new TimeoutException($"nothing has come from it for {timeout.TotalMilliseconds:0} ms"));
        }
    }
}
