using System.Buffers;
using System.IO.Pipelines;
using Millrace.Stomp.Codec;
using Millrace.Stomp.Sessions;
using Millrace.Storage;

namespace Millrace.Stomp.Connections;

/// <summary>
/// What waits to be written to one connection, and the one writer of it. Whoever posts lets it be written by a thread of the pool, or does it himself where he has nothing better to
/// do; what is posted meanwhile goes with the next write. Safe for concurrent use.
/// </summary>
internal sealed class Outbox(BrokerResources resources, PipeWriter output, Action<CloseReason> close) : IFrameOutput, IThreadPoolWorkItem
{
    // One write of the socket; more would only wait in the pipe.
    private const int WriteBytes = 32 * 1024;

    // What a message takes beside its body, roughly: enough to know when a write is full, and that many without bodies are much too.
    private const int HeadEstimate = 128;

    // Bodies that wait for a client that is slow, before its subscriptions are paused; less where all of them together need much.
    private const long FullBytes = 4 * 1024 * 1024;
    private const long FullBytesWhenTight = 64 * 1024;

    // Answers to a client that sends and reads none of them, before its frames wait too.
    private const long MostAnswerBytes = 1024 * 1024;

    // What may wait in every connection without being counted among what all have together.
    private const long UncountedBytes = 64 * 1024;

    private readonly Lock _gate = new();

    // Guarded by _gate.
    private List<OutgoingFrame> _pending = [];
    private long _pendingBytes;
    private long _answerBytes;
    private long _counted;
    private bool _isWriting;
    private bool _isClosed;
    private readonly List<Subscription> _waitingForRoom = [];
    private TaskCompletionSource? _room;
    private TaskCompletionSource? _answered;
    private TaskCompletionSource? _idle;

    // Touched by the writer only.
    private List<OutgoingFrame> _writing = [];
    private readonly List<(Subscription Subscription, int Count)> _flushed = [];
    private MessageFrame? _encoder;
    private long _delivered;
    private long _lastWrite;
    private long _flushBegan;

    /// <summary>The version that was agreed on; set before the first message.</summary>
    public StompVersion Version { get; set; }

    /// <summary>Messages that were written.</summary>
    public long Delivered => Volatile.Read(ref _delivered);

    /// <summary>When something was written last.</summary>
    public long LastWrite => Volatile.Read(ref _lastWrite);

    /// <summary>Since when the client takes nothing, by the clock of the broker; 0 while it does.</summary>
    public long StalledSince => Volatile.Read(ref _flushBegan);

    public long PendingBytes
    {
        get
        {
            lock (_gate)
            {
                return _pendingBytes;
            }
        }
    }

    public bool IsFull
    {
        get
        {
            var pending = PendingBytes;
            return pending > FullBytesWhenTight && (pending > FullBytes || resources.Budget.IsTight);
        }
    }

    public void Post(byte[] frame)
    {
        lock (_gate)
        {
            AddLocked(new OutgoingFrame { Bytes = frame }, frame.Length);
            _answerBytes += frame.Length;
            CountLocked();
        }
    }

    public void Post(Subscription subscription, ReadOnlySpan<Delivery> deliveries, ReadOnlySpan<long> numbers)
    {
        lock (_gate)
        {
            for (var i = 0; i < deliveries.Length; i++)
            {
                AddLocked(
                    new OutgoingFrame { Subscription = subscription, Delivery = deliveries[i], Number = numbers.IsEmpty ? -1 : numbers[i] },
                    deliveries[i].Message.Body.Length + HeadEstimate);
            }

            CountLocked();
        }
    }

    public void Post(Subscription subscription, ReadOnlySpan<ChannelMessage> messages)
    {
        lock (_gate)
        {
            foreach (var message in messages)
            {
                AddLocked(new OutgoingFrame { Subscription = subscription, ChannelMessage = message, Number = -1 }, message.Body.Length + HeadEstimate);
            }

            CountLocked();
        }
    }

    public void Wake()
    {
        if (TryBeginWriting())
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    public void WriteHere()
    {
        if (TryBeginWriting())
        {
            _ = WriteAsync();
        }
    }

    void IThreadPoolWorkItem.Execute() => _ = WriteAsync();

    public ValueTask HasRoomAsync()
    {
        if (!IsFull)
        {
            return ValueTask.CompletedTask;
        }

        lock (_gate)
        {
            if (_isClosed || !_isWriting)
            {
                return ValueTask.CompletedTask;
            }

            _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new ValueTask(_room.Task);
        }
    }

    public void NotifyOfRoom(Subscription subscription)
    {
        lock (_gate)
        {
            if (_isClosed)
            {
                return;
            }

            if (_isWriting || _pending.Count > 0)
            {
                _waitingForRoom.Add(subscription);
                return;
            }
        }

        subscription.OnRoom();
    }

    /// <summary>Ends when no more answers wait than a client may leave unread.</summary>
    public Task IsAnsweredAsync()
    {
        lock (_gate)
        {
            if (_answerBytes <= MostAnswerBytes || _isClosed || !_isWriting)
            {
                return Task.CompletedTask;
            }

            _answered ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _answered.Task;
        }
    }

    public void Fail(StompFault fault, Exception? exception = null) =>
        close(CloseReason.Faulty(fault) with { Exception = exception is not null && StoreFaults.IsForLog(exception) ? exception : null });

    /// <summary>Ends when everything that was posted has been handed to the transport, or nothing more can be.</summary>
    public Task DrainAsync()
    {
        WriteHere();
        lock (_gate)
        {
            if (!_isWriting)
            {
                return Task.CompletedTask;
            }

            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task;
        }
    }

    /// <summary>Takes nothing more, and gives up what waits.</summary>
    public void Close()
    {
        lock (_gate)
        {
            CloseLocked();
        }
    }

    private void AddLocked(in OutgoingFrame frame, int bytes)
    {
        if (!_isClosed)
        {
            _pending.Add(frame);
            _pendingBytes += bytes;
        }
    }

    private void CountLocked()
    {
        var counted = Math.Max(0, _pendingBytes - UncountedBytes);
        if (counted > _counted)
        {
            resources.Budget.TakeAnyway(counted - _counted);
        }
        else if (counted < _counted)
        {
            resources.Budget.Give(_counted - counted);
        }

        _counted = counted;
    }

    private bool TryBeginWriting()
    {
        lock (_gate)
        {
            if (_isWriting || _isClosed || _pending.Count == 0)
            {
                return false;
            }

            return _isWriting = true;
        }
    }

    private async Task WriteAsync()
    {
        try
        {
            while (TakePending())
            {
                var next = 0;
                while (next < _writing.Count)
                {
                    next = Encode(next, out var bytes, out var answerBytes);
                    var flush = output.FlushAsync(CancellationToken.None);
                    if (!flush.IsCompleted)
                    {
                        // 0 means that nothing is stalled, also on a clock that has only just begun.
                        Volatile.Write(ref _flushBegan, Math.Max(1, resources.Clock.Now));
                    }

                    var result = await flush.ConfigureAwait(false);
                    Volatile.Write(ref _flushBegan, 0);
                    Volatile.Write(ref _lastWrite, resources.Clock.Now);
                    Finish(bytes, answerBytes);
                    if (result.IsCompleted || result.IsCanceled)
                    {
                        CloseFromWriter();
                        return;
                    }
                }

                _writing.Clear();
            }
        }
        catch (Exception exception)
        {
            // The transport has gone; a fault of an encoder would be one of the broker, and ends the connection too.
            CloseFromWriter();
            close(exception is IOException or OperationCanceledException or InvalidOperationException ? CloseReason.Gone : CloseReason.Failed(exception));
        }
    }

    private bool TakePending()
    {
        lock (_gate)
        {
            if (_pending.Count > 0 && !_isClosed)
            {
                (_pending, _writing) = (_writing, _pending);
                return true;
            }

            EndWritingLocked();
            return false;
        }
    }

    /// <summary>Encodes as much as goes into one write. Returns the next frame; the other two are how much of what was pending it takes away.</summary>
    private int Encode(int from, out int bodyBytes, out int answerBytes)
    {
        bodyBytes = answerBytes = 0;
        var written = 0;
        var i = from;
        Subscription? current = null;
        var count = 0;
        for (; i < _writing.Count && written < WriteBytes; i++)
        {
            var frame = _writing[i];
            if (frame.Bytes is { } bytes)
            {
                output.Write(bytes);
                bodyBytes += bytes.Length;
                answerBytes += bytes.Length;
                written += bytes.Length;
                continue;
            }

            bodyBytes += frame.BodyBytes + HeadEstimate;
            if (!frame.Subscription!.Write(_encoder ??= new MessageFrame(Version), output, in frame))
            {
                continue;
            }

            written += frame.BodyBytes + HeadEstimate;
            if (current != frame.Subscription)
            {
                NoteFlushed(current, count);
                (current, count) = (frame.Subscription, 0);
            }

            count++;
        }

        NoteFlushed(current, count);
        return i;
    }

    private void NoteFlushed(Subscription? subscription, int count)
    {
        if (count > 0)
        {
            _flushed.Add((subscription!, count));
        }
    }

    private void Finish(int bodyBytes, int answerBytes)
    {
        TaskCompletionSource? room = null;
        TaskCompletionSource? answered = null;
        Subscription[] waiting = [];
        lock (_gate)
        {
            // Nothing waits any more where it was closed meanwhile.
            _pendingBytes = Math.Max(0, _pendingBytes - bodyBytes);
            CountLocked();
            _answerBytes = Math.Max(0, _answerBytes - answerBytes);
            if (_answered is not null && _answerBytes <= MostAnswerBytes / 2)
            {
                (answered, _answered) = (_answered, null);
            }

            if (_pendingBytes <= FullBytesWhenTight)
            {
                (room, _room) = (_room, null);
                if (_waitingForRoom.Count > 0)
                {
                    waiting = [.. _waitingForRoom];
                    _waitingForRoom.Clear();
                }
            }
        }

        room?.SetResult();
        answered?.SetResult();
        Array.ForEach(waiting, subscription => subscription.OnRoom());
        foreach (var (subscription, count) in _flushed)
        {
            Volatile.Write(ref _delivered, _delivered + count);
            subscription.OnFlushed(count);
        }

        _flushed.Clear();
    }

    private void CloseFromWriter()
    {
        lock (_gate)
        {
            CloseLocked();
            EndWritingLocked();
        }
    }

    private void EndWritingLocked()
    {
        _isWriting = false;
        _idle?.TrySetResult();
        _idle = null;
    }

    // Continuations run asynchronously, so nothing is called under the gate.
    private void CloseLocked()
    {
        _isClosed = true;
        _pending.Clear();
        _waitingForRoom.Clear();
        _pendingBytes = _answerBytes = 0;
        CountLocked();
        _room?.TrySetResult();
        _answered?.TrySetResult();
        _room = _answered = null;
    }
}
