namespace Millrace.Storage.Http;

/// <summary>The bounded buffer of a subscription (law C3): filled by its connection, emptied by its reader. Safe for concurrent use; one reader at a time.</summary>
internal sealed class SubscriptionBuffer(int capacity, SlowSubscriberPolicy whenFull)
{
    private readonly Lock _gate = new();
    private readonly Queue<ChannelMessage> _messages = new();
    private TaskCompletionSource? _waiting;
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

            if (_messages.Count >= capacity && !MakeRoomLocked())
            {
                return !_isEnded;
            }

            _messages.Enqueue(message);
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
            }

            woken = TakeWaitingLocked();
        }

        woken?.TrySetResult();
    }

    private bool MakeRoomLocked()
    {
        _dropped++;
        switch (whenFull)
        {
            case SlowSubscriberPolicy.DropOldest:
                _messages.Dequeue();
                return true;
            case SlowSubscriberPolicy.Disconnect:
                _isDisconnected = true;
                _isEnded = true;
                return false;
            default:
                return false;
        }
    }

    private int TakeLocked(Span<ChannelMessage> into)
    {
        var read = 0;
        while (read < into.Length && _messages.TryDequeue(out var message))
        {
            into[read++] = message;
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
