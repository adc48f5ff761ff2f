using System.Diagnostics;
using System.Threading.Tasks.Sources;

namespace Millrace.Storage.InMemory;

/// <summary>
/// A subscription: what is replayed, then a bounded ring of what comes live. It is its own wait, so that reading allocates nothing. Its gate is taken inside that of
/// the transport, and takes only that of the timers.
/// </summary>
internal sealed class InMemoryChannelSubscription : IChannelSubscription, IValueTaskSource<int>
{
    private const int InitialRing = 16;

    private readonly Lock _gate = new();
    private readonly InMemoryChannelTransport _transport;
    private readonly MonotonicClock _clock;
    private readonly TimerHeap _timers;
    private readonly int _capacity;
    private readonly long _maxBytes;
    private readonly SlowSubscriberPolicy _whenFull;
    private readonly TimeSpan _waitDeadline;

    // Publishers that wait for room, in order; what is published meanwhile queues behind them. There is no room for the first of them.
    private readonly LinkedList<ChannelWait> _waits = [];
    private Queue<ChannelMessage>? _replay;
    private ChannelMessage[] _ring = [];
    private int _first;
    private int _count;
    private long _bytes;
    private long _delivered;
    private long _dropped;
    private bool _isDisconnected;
    private bool _isEnded;
    private bool _isWaiting;

    // Touched by the reader only: set before the wait is awaited, read when it has ended.
    private Memory<ChannelMessage> _into;
    private CancellationTokenRegistration _registration;
    private ManualResetValueTaskSourceCore<int> _source = new() { RunContinuationsAsynchronously = true };

    public InMemoryChannelSubscription(
        InMemoryChannelTransport transport,
        TopicPattern pattern,
        SubscriptionOptions options,
        List<ChannelMessage>? replay,
        MonotonicClock clock,
        TimerHeap timers)
    {
        _transport = transport;
        Pattern = pattern;
        _capacity = options.Capacity;
        _maxBytes = options.MaxBytes;
        _whenFull = options.WhenFull;
        _waitDeadline = options.WaitDeadline;
        _replay = replay is { Count: > 0 } ? new Queue<ChannelMessage>(replay) : null;
        _clock = clock;
        _timers = timers;
    }

    public TopicPattern Pattern { get; }

    public InMemoryChannelSubscription? NextWoken { get; set; }

    public InMemoryChannelSubscription? NextDisconnected { get; set; }

    public SubscriptionStats Stats
    {
        get
        {
            lock (_gate)
            {
                return new SubscriptionStats(_delivered, _dropped, _count + (_replay?.Count ?? 0), _isDisconnected);
            }
        }
    }

    /// <summary>Wakes the readers of a list. Called outside every gate.</summary>
    public static void WakeAll(InMemoryChannelSubscription? woken)
    {
        while (woken is not null)
        {
            var subscription = woken;
            woken = subscription.NextWoken;
            subscription.NextWoken = null;
            subscription._source.SetResult(0);
        }
    }

    /// <summary>Takes a message into the buffer, or does what the policy says.</summary>
    public void Offer(ref ChannelOffer offer)
    {
        lock (_gate)
        {
            if (_isEnded)
            {
                return;
            }

            if ((!HasRoomLocked(offer.Message) || _waits.Count > 0) && !MakeRoomLocked(ref offer))
            {
                return;
            }

            PushLocked(offer.Message);
            if (_isWaiting)
            {
                _isWaiting = false;
                NextWoken = offer.Woken;
                offer.Woken = this;
            }
        }
    }

    public ValueTask<int> ReadAsync(Memory<ChannelMessage> into, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfZero(into.Length, nameof(into));
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        int read;
        List<ChannelWait>? freed;
        short version = 0;
        lock (_gate)
        {
            if (_isWaiting)
            {
                return ValueTask.FromException<int>(new InvalidOperationException("The subscription is being read already: one reader at a time."));
            }

            read = TakeLocked(into.Span, out freed);
            if (read == 0 && !_isEnded)
            {
                _source.Reset();
                _isWaiting = true;
                _into = into;
                version = _source.Version;
            }
            else
            {
                _into = default;
            }
        }

        ChannelWait.EndAll(freed);
        if (_into.IsEmpty)
        {
            return new ValueTask<int>(read);
        }

        _registration = cancellationToken.UnsafeRegister(static (state, token) => ((InMemoryChannelSubscription)state!).Cancel(token), this);
        return new ValueTask<int>(this, version);
    }

    public ValueTask DisposeAsync()
    {
        _transport.Remove(this);
        List<ChannelWait> waits;
        bool wasWaiting;
        lock (_gate)
        {
            _isEnded = true;
            wasWaiting = _isWaiting;
            _isWaiting = false;
            _dropped += _waits.Count;
            waits = [.. _waits];
            _waits.Clear();
            _replay = null;
            _ring = [];
            _first = 0;
            _count = 0;
            _bytes = 0;
        }

        ChannelWait.EndAll(waits);
        if (wasWaiting)
        {
            _source.SetResult(0);
        }

        return default;
    }

    /// <summary>A publisher stops waiting for room: its message is dropped for this subscriber.</summary>
    public void GiveUp(LinkedListNode<ChannelWait> node)
    {
        List<ChannelWait>? freed = null;
        lock (_gate)
        {
            if (node.List is null)
            {
                return;
            }

            _waits.Remove(node);
            _dropped++;

            // The one behind may be small enough for the room that there is.
            AdmitLocked(ref freed);
        }

        node.Value.End();
        ChannelWait.EndAll(freed);
    }

    /// <inheritdoc cref="IValueTaskSource{TResult}.GetStatus"/>
    public ValueTaskSourceStatus GetStatus(short token) => _source.GetStatus(token);

    /// <inheritdoc cref="IValueTaskSource{TResult}.OnCompleted"/>
    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    /// <summary>Takes what has arrived by the time that the reader runs again: often more than the message that woke it.</summary>
    public int GetResult(short token)
    {
        _registration.Dispose();
        _registration = default;
        _source.GetResult(token);
        int read;
        List<ChannelWait>? freed;
        lock (_gate)
        {
            read = TakeLocked(_into.Span, out freed);
            Debug.Assert(read > 0 || _isEnded, "Whoever is woken finds a message or the end.");
        }

        ChannelWait.EndAll(freed);
        return read;
    }

    /// <summary>The buffer is full.</summary>
    /// <returns>Whether there is room for the message now.</returns>
    private bool MakeRoomLocked(ref ChannelOffer offer)
    {
        switch (_whenFull)
        {
            case SlowSubscriberPolicy.DropOldest:
                while (!HasRoomLocked(offer.Message))
                {
                    PopLocked();
                    _dropped++;
                }

                return true;
            case SlowSubscriberPolicy.Wait when _waitDeadline > TimeSpan.Zero:
                var wait = new ChannelWait(this, _timers, offer.Message);
                wait.Node = _waits.AddLast(wait);
                _timers.Schedule(wait, MonotonicClock.Add(_clock.Now, _waitDeadline));
                (offer.Waits ??= []).Add(wait);
                return false;
            case SlowSubscriberPolicy.Disconnect:
                _dropped++;
                _isDisconnected = true;
                _isEnded = true;
                NextDisconnected = offer.Disconnected;
                offer.Disconnected = this;
                return false;
            default:
                _dropped++;
                return false;
        }
    }

    /// <summary>An empty buffer has room for any message: one that is larger than the bound could not be delivered at all otherwise.</summary>
    private bool HasRoomLocked(ChannelMessage message) => _count == 0 || (_count < _capacity && message.Body.Length <= _maxBytes - _bytes);

    /// <summary>Takes in what has waited for the room that there is now.</summary>
    private void AdmitLocked(ref List<ChannelWait>? freed)
    {
        while (_waits.First is { } node && HasRoomLocked(node.Value.Message))
        {
            PushLocked(node.Value.Message);
            _waits.Remove(node);
            (freed ??= []).Add(node.Value);
        }
    }

    private void PushLocked(ChannelMessage message)
    {
        if (_count == _ring.Length)
        {
            var grown = new ChannelMessage[(int)Math.Min(_capacity, Math.Max(InitialRing, _ring.Length * 2L))];
            for (var i = 0; i < _count; i++)
            {
                grown[i] = _ring[WrapLocked(_first + i)];
            }

            _ring = grown;
            _first = 0;
        }

        _ring[WrapLocked(_first + _count++)] = message;
        _bytes += message.Body.Length;
    }

    private ChannelMessage PopLocked()
    {
        var message = _ring[_first];
        _ring[_first] = null!;
        _first = WrapLocked(_first + 1);
        _count--;
        _bytes -= message.Body.Length;
        return message;
    }

    private int WrapLocked(int position) => position >= _ring.Length ? position - _ring.Length : position;

    private int TakeLocked(Span<ChannelMessage> into, out List<ChannelWait>? freed)
    {
        freed = null;
        var read = 0;
        while (read < into.Length && _replay is not null)
        {
            into[read++] = _replay.Dequeue();
            _replay = _replay.Count == 0 ? null : _replay;
        }

        while (read < into.Length && _count > 0)
        {
            into[read++] = PopLocked();
            AdmitLocked(ref freed);
        }

        _delivered += read;
        return read;
    }

    private void Cancel(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (!_isWaiting)
            {
                return;
            }

            _isWaiting = false;
        }

        _source.SetException(new OperationCanceledException(cancellationToken));
    }
}
