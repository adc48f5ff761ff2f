namespace Millrace.App.Bench;

/// <summary>One part of a run: deals out numbers to the senders until its load is sent. Safe for concurrent use.</summary>
internal sealed class SendPhase
{
    private readonly BenchPlan _plan;
    private readonly TimeProvider _timeProvider;
    private readonly TimeSpan? _time;
    private readonly long _first;
    private readonly long _end;
    private long _next;
    private long _acknowledged;
    private long _lastAcknowledgedAt;

    public SendPhase(BenchPlan plan, BenchLoad load, long first, TimeProvider timeProvider)
    {
        (_plan, _timeProvider, _time) = (plan, timeProvider, load.Time);
        _first = _next = first;
        _end = load.Messages is { } messages ? first + messages : long.MaxValue;
        Start = _lastAcknowledgedAt = timeProvider.GetTimestamp();
    }

    /// <summary>When it began.</summary>
    public long Start { get; }

    /// <summary>The number after the last that was dealt out.</summary>
    public long End => Math.Min(Volatile.Read(ref _next), _end);

    /// <summary>Messages that were acknowledged.</summary>
    public long Acknowledged => Volatile.Read(ref _acknowledged);

    /// <summary>From the beginning to the last acknowledgement.</summary>
    public TimeSpan SendTime => _timeProvider.GetElapsedTime(Start, Volatile.Read(ref _lastAcknowledgedAt));

    /// <summary>At a given rate: how many sends there will be.</summary>
    public long Sends => (_end - _first + _plan.Batch - 1) / _plan.Batch;

    /// <summary>The next batch.</summary>
    /// <returns>False when the load is sent.</returns>
    public bool TryTake(out long number, out int count)
    {
        number = 0;
        count = 0;
        if (_time is { } time && _timeProvider.GetElapsedTime(Start) >= time)
        {
            return false;
        }

        number = Interlocked.Add(ref _next, _plan.Batch) - _plan.Batch;
        count = (int)Math.Min(_plan.Batch, _end - number);
        return count > 0;
    }

    /// <summary>When a message is to be sent at a given rate.</summary>
    public long DueAt(long number, double rate) => Start + (long)((number - _first) / rate * _timeProvider.TimestampFrequency);

    public void Acknowledge(int count)
    {
        Interlocked.Add(ref _acknowledged, count);
        Volatile.Write(ref _lastAcknowledgedAt, _timeProvider.GetTimestamp());
    }
}
