namespace Millrace.Storage;

/// <summary>
/// The bounded buffer of a subscription (law C3), for transports with a connection between publisher and subscriber: filled by the connection, which never waits, emptied by the
/// reader. Safe for concurrent use; one reader at a time.
/// </summary>
public sealed class SubscriptionBuffer
{
    private readonly Lock _gate = new();
    private readonly int _capacity;
    private readonly long _maxBytes;
    private readonly SlowSubscriberPolicy _whenFull;

    // Read before the others, and counted in no bound.
    private readonly Queue<ChannelMessage> _replayed = new();
    private readonly Queue<ChannelMessage> _messages = new();
    private TaskCompletionSource? _waiting;
    private long _bytes;
    private long _delivered;
    private long _dropped;
    private bool _isDisconnected;
    private bool _isEnded;

    /// <summary>An empty buffer.</summary>
    /// <param name="options">The bounds and the policy; checked.</param>
    /// <exception cref="MillraceConfigurationException">The policy is <see cref="SlowSubscriberPolicy.Wait"/>, for which there must be no connection in between.</exception>
    public SubscriptionBuffer(SubscriptionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.WhenFull == SlowSubscriberPolicy.Wait)
        {
            throw new MillraceConfigurationException("A subscription to a server cannot make publishers wait (SlowSubscriberPolicy.Wait); choose DropOldest, DropNewest or Disconnect.");
        }

        (_capacity, _maxBytes, _whenFull) = (options.Capacity, options.MaxBytes, options.WhenFull);
    }

    /// <summary>What happened so far.</summary>
    public SubscriptionStats Stats
    {
        get
        {
            lock (_gate)
            {
                return new SubscriptionStats(_delivered, _dropped, _replayed.Count + _messages.Count, _isDisconnected);
            }
        }
    }

    /// <summary>Takes a message in, or does what the policy says.</summary>
    /// <returns>False when the subscription has ended.</returns>
    public bool Add(ChannelMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
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

    /// <summary>Takes in what is replayed from the history, before anything live: it counts neither in the capacity nor in the bytes.</summary>
    public void AddReplay(IReadOnlyCollection<ChannelMessage> messages)
    {
        ArgumentNullException.ThrowIfNull(messages);
        TaskCompletionSource? woken = null;
        lock (_gate)
        {
            if (_isEnded || messages.Count == 0)
            {
                return;
            }

            foreach (var message in messages)
            {
                _replayed.Enqueue(message);
            }

            woken = TakeWaitingLocked();
        }

        woken?.TrySetResult();
    }

    /// <summary>The server has dropped messages, because they came faster than the connection.</summary>
    public void AddDropped(long count)
    {
        lock (_gate)
        {
            _dropped += count;
        }
    }

    /// <summary>Reads what has arrived, waiting for at least one message, as <see cref="IChannelSubscription.ReadAsync"/> does.</summary>
    /// <returns>How many were read; 0 when the subscription has ended.</returns>
    public async ValueTask<int> ReadAsync(Memory<ChannelMessage> into, CancellationToken cancellationToken = default)
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
                _replayed.Clear();
                _bytes = 0;
            }

            woken = TakeWaitingLocked();
        }

        woken?.TrySetResult();
    }

    /// <summary>An empty buffer has room for any message: one that is larger than the bound could not be delivered at all otherwise.</summary>
    private bool HasRoomLocked(ChannelMessage message) => _messages.Count == 0 || (_messages.Count < _capacity && message.Body.Length <= _maxBytes - _bytes);

    private bool MakeRoomLocked(ChannelMessage message)
    {
        switch (_whenFull)
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
        while (read < into.Length && _replayed.TryDequeue(out var replayed))
        {
            into[read++] = replayed;
        }

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
