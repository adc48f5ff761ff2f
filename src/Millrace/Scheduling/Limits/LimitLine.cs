using Millrace.Storage;

namespace Millrace.Scheduling.Limits;

/// <summary>
/// The jobs of one worker that wait for the same limit, in their order. The first one waits in its handler for the limit itself, and others in theirs for it, as many as there are seats; the rest is put back
/// into the queue until about half the time has passed in which those before it will have run, and called from there when seats become free. So nothing is asked for again and again. Safe for concurrent
/// use.
/// </summary>
/// <param name="seats">How many wait beside the first one.</param>
/// <param name="recall">Makes a message that was put back due at once; null where that cannot be done.</param>
/// <param name="timeProvider">The clock.</param>
internal sealed class LimitLine(LimitSeats seats, Func<MessageId, ValueTask<MessageChange>>? recall, TimeProvider timeProvider)
{
    // What is beyond comes back by itself.
    private const int MostAway = 10_000;

    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    // Those who were called and have not come by then were taken by another worker.
    private static readonly TimeSpan ComingFor = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly List<LimitPlace> _places = [];
    private readonly Dictionary<MessageId, (LimitKey Key, long Until)> _leaving = [];
    private readonly SortedDictionary<LimitKey, long> _away = [];
    private Func<MessageId, ValueTask<MessageChange>>? _recall = recall;
    private bool _isRecalling;
    private int _coming;
    private long _recalledAt;
    private long _enteredAt = timeProvider.GetTimestamp();
    private double _meanTicks = TimeSpan.TicksPerMillisecond * 10;
    private bool _isClosed;

    /// <summary>Whether nobody waits.</summary>
    public bool IsEmpty
    {
        get
        {
            lock (_gate)
            {
                return _places.Count == 0;
            }
        }
    }

    /// <summary>Whether the worker stops, and nobody is to wait any more.</summary>
    public bool IsClosed
    {
        get
        {
            lock (_gate)
            {
                return _isClosed;
            }
        }
    }

    /// <summary>Takes a place; of a full line the last one, if the job goes before that.</summary>
    /// <returns>Null when there is none.</returns>
    public LimitPlace? TryJoin(LimitKey key)
    {
        lock (_gate)
        {
            Arrive(key);
            if (_isClosed)
            {
                return null;
            }

            if (_places.Count > 0 && !seats.TryTake())
            {
                if (key.CompareTo(_places[^1].Key) >= 0)
                {
                    return null;
                }

                var last = _places[^1];
                _places.RemoveAt(_places.Count - 1);
                last.Set(isFirst: false, isOut: true);
            }

            var place = new LimitPlace(key);
            var index = _places.Count;
            while (index > 0 && key.CompareTo(_places[index - 1].Key) < 0)
            {
                index--;
            }

            _places.Insert(index, place);
            ShowFirst();
            return place;
        }
    }

    /// <summary>Gives a place up, if it is not lost already.</summary>
    /// <param name="place">The place.</param>
    /// <param name="hasEntered">Whether the job goes on to run.</param>
    public void Leave(LimitPlace place, bool hasEntered)
    {
        lock (_gate)
        {
            if (hasEntered)
            {
                _meanTicks = (_meanTicks * 0.8) + (timeProvider.GetElapsedTime(_enteredAt).Ticks * 0.2);
                _enteredAt = timeProvider.GetTimestamp();
            }

            if (_places.Remove(place))
            {
                ReturnSeat();
                ShowFirst();
                RecallIfFew();
            }
        }
    }

    /// <summary>A job has found the limit free without waiting.</summary>
    public void Pass(LimitKey key)
    {
        lock (_gate)
        {
            Arrive(key);
            _enteredAt = timeProvider.GetTimestamp();
            RecallIfFew();
        }
    }

    /// <summary>Notes a job that has no place.</summary>
    /// <returns>For how long it is put back.</returns>
    public TimeSpan PutBack(LimitKey key)
    {
        lock (_gate)
        {
            var interval = Math.Max(_meanTicks, timeProvider.GetElapsedTime(_enteredAt).Ticks);
            var pause = TimeSpan.FromTicks((long)Math.Clamp(interval * (_places.Count + _leaving.Count + _away.Count + 1) / 2, ShortestPause.Ticks, LongestPause.Ticks));
            if (_leaving.Count + _away.Count < MostAway)
            {
                // After that it may be in anybody's hands.
                _leaving[key.Id] = (key, timeProvider.GetTimestamp() + (long)(pause.TotalSeconds * timeProvider.TimestampFrequency));
            }

            return pause;
        }
    }

    /// <summary>The message of a job that was put back is in its queue, from where it can be called.</summary>
    public void WasReturned(MessageId id)
    {
        lock (_gate)
        {
            if (_leaving.Remove(id, out var left) && !_isClosed)
            {
                _away[left.Key] = left.Until;
                RecallIfFew();
            }
        }
    }

    /// <summary>Ends all waiting: the worker stops.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _isClosed = true;
            while (_places.Count > 0)
            {
                _places[^1].Set(isFirst: false, isOut: true);
                _places.RemoveAt(_places.Count - 1);
                ReturnSeat();
            }

            _leaving.Clear();
            _away.Clear();
        }
    }

    private void Arrive(LimitKey key)
    {
        _leaving.Remove(key.Id);
        _away.Remove(key);
        _coming = Math.Max(0, _coming - 1);
    }

    private void ReturnSeat()
    {
        if (_places.Count > 0)
        {
            seats.Return();
        }
    }

    private void ShowFirst()
    {
        for (var i = 0; i < _places.Count; i++)
        {
            _places[i].Set(isFirst: i == 0, isOut: false);
        }
    }

    private void RecallIfFew()
    {
        if (_recall is not null && !_isRecalling && !_isClosed && _away.Count > 0 && Missing() is > 0 and var missing && (_places.Count == 0 || missing * 2 >= seats.Count))
        {
            _isRecalling = true;
            _ = Task.Run(RecallAsync);
        }
    }

    private int Missing()
    {
        if (_coming > 0 && timeProvider.GetElapsedTime(_recalledAt) > ComingFor)
        {
            _coming = 0;
        }

        return seats.Left + (_places.Count == 0 ? 1 : 0) - _coming;
    }

    private async Task RecallAsync()
    {
        while (true)
        {
            LimitKey next;
            Func<MessageId, ValueTask<MessageChange>> ask;
            lock (_gate)
            {
                if (_isClosed || _recall is null || _away.Count == 0 || Missing() <= 0)
                {
                    _isRecalling = false;
                    return;
                }

                (next, var until) = _away.First();
                ask = _recall;
                _away.Remove(next);
                if (timeProvider.GetTimestamp() > until)
                {
                    continue;
                }

                _coming++;
                _recalledAt = timeProvider.GetTimestamp();
            }

            try
            {
                if (await ask(next.Id).ConfigureAwait(false) == MessageChange.Done)
                {
                    continue;
                }
            }
            catch (MillraceException exception)
            {
                // It comes back when its time is over. Who may not put messages to another time, or cannot, is not asked again.
                lock (_gate)
                {
                    _recall = exception.IsTransient ? _recall : null;
                }
            }

            lock (_gate)
            {
                _coming = Math.Max(0, _coming - 1);
            }
        }
    }
}
