namespace Millrace.Storage.Http;

/// <summary>The bounded buffer of a subscription (law C3): filled by its connection, emptied by its reader. Safe for concurrent use; one reader at a time.</summary>
internal sealed class SubscriptionBuffer(int capacity, long maxBytes, SlowSubscriberPolicy whenFull)
{
    private readonly Lock _gate = new();
    private readonly Queue<ChannelMessage> _messages = new();
    private TaskCompletionSource? _waiting;
    private long _bytes;
    private long _delivered;
    private long _dropped;
    private bool _isDisconnected;
    private bool _isEnded;

    public SubscriptionStats Stats
    {
        get
        {
            lock (_gate)
            {
                return new SubscriptionStats(_delivered, _dropped, _messages.Count, _isDisconnected);
            }
        }
    }

    /// <summary>Takes a message in, or does what the policy says.</summary>
    /// <returns>False when the subscription has ended.</returns>
    public bool Add(ChannelMessage message)
    {
        TaskCompletionSource? woken;
        lock (_gate)
        {
            if (_isEnded)
            {
                return false;
            }

            if (!HasRoomLocked(message) && !MakeRoomLocked(message))
            {
                return !_isEnded;
            }

            _messages.Enqueue(message);
            _bytes += message.Body.Length;
            woken = TakeWaitingLocked();
        }

        woken?.TrySetResult();
        return true;
    }

    /// <summary>The server has dropped messages, because they came faster than the connection.</summary>
    public void AddDropped(long count)
    {
        lock (_gate)
        {
            _dropped += count;
        }
    }

    public async ValueTask<int> ReadAsync(Memory<ChannelMessage> into, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfZero(into.Length, nameof(into));
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            TaskCompletionSource waiting;
            lock (_gate)
            {
                var read = TakeLocked(into.Span);
                if (read > 0 || _isEnded)
                {
                    return read;
                }

                if (_waiting is not null)
                {
                    throw new InvalidOperationException("The subscription is being read already: one reader at a time.");
                }

                _waiting = waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            try
            {
                await waiting.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                lock (_gate)
                {
                    _waiting = _waiting == waiting ? null : _waiting;
                }
            }
        }
    }

    /// <summary>Nothing more comes: what is buffered can still be read.</summary>
    public void Disconnect() => End(disconnected: true, clear: false);

    /// <summary>Ends reads, and forgets what is buffered.</summary>
    public void Close() => End(disconnected: false, clear: true);

    private void End(bool disconnected, bool clear)
    {
        TaskCompletionSource? woken;
        lock (_gate)
        {
            _isEnded = true;
            _isDisconnected |= disconnected;
            if (clear)
            {
                _messages.Clear();
                _bytes = 0;
            }

            woken = TakeWaitingLocked();
        }

        woken?.TrySetResult();
    }

    /// <summary>An empty buffer has room for any message: one that is larger than the bound could not be delivered at all otherwise.</summary>
    private bool HasRoomLocked(ChannelMessage message) => _messages.Count == 0 || (_messages.Count < capacity && message.Body.Length <= maxBytes - _bytes);

    private bool MakeRoomLocked(ChannelMessage message)
    {
        switch (whenFull)
        {
            case SlowSubscriberPolicy.DropOldest:
                while (!HasRoomLocked(message))
                {
                    _bytes -= _messages.Dequeue().Body.Length;
                    _dropped++;
                }

                return true;
            case SlowSubscriberPolicy.Disconnect:
                _dropped++;
                _isDisconnected = true;
                _isEnded = true;
                return false;
            default:
                _dropped++;
                return false;
        }
    }

    private int TakeLocked(Span<ChannelMessage> into)
    {
        var read = 0;
        while (read < into.Length && _messages.TryDequeue(out var message))
        {
            into[read++] = message;
            _bytes -= message.Body.Length;
        }

        _delivered += read;
        return read;
    }

    private TaskCompletionSource? TakeWaitingLocked()
    {
        var woken = _waiting;
        _waiting = null;
        return woken;
    }
}
