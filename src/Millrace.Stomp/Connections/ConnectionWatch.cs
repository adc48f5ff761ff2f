using Millrace.Stomp.Codec;
using Millrace.Stomp.Sessions;
using Millrace.Storage;

namespace Millrace.Stomp.Connections;

/// <summary>
/// The deadlines of one connection: CONNECT, heart-beats both ways, frames that do not go on, clients that do not read. One entry of the timers that all connections share; bytes
/// that come and go only note the time. Safe for concurrent use.
/// </summary>
internal sealed class ConnectionWatch(BrokerResources resources, Outbox outbox, Action<CloseReason> close) : TimerHeapEntry
{
    // The broker beats a little before it has promised to. A client that promised is given as much again before it counts as gone, and a second for slow ways.
    private const double OwnShare = 0.9;
    private static readonly long SlackTicks = TimeSpan.TicksPerSecond;

    // Of a wait of 9 s, a beat is early by at most a quarter of a second.
    private const int LeastSteps = 36;
    private const long LongestStepTicks = 250 * TimeSpan.TicksPerMillisecond;

    private readonly long _connectBy = MonotonicClock.Add(resources.Clock.Now, resources.Options.ConnectTimeout);
    private readonly long _lookTicks = Math.Min(resources.Options.FrameTimeout.Ticks, resources.Options.SendTimeout.Ticks) / 2;
    private long _lastRead = resources.Clock.Now;
    private long _sendTicks;
    private long _receiveTicks;
    private volatile bool _isConnected;
    private volatile bool _isInFrame;
    private volatile bool _isReading;
    private volatile bool _isEnded;

    /// <summary>Begins to watch.</summary>
    public void Start() => resources.Timers.Schedule(this, _connectBy);

    /// <summary>The client has connected, with these heart-beats.</summary>
    public void Connected(HeartBeats heartBeats)
    {
        _sendTicks = (long)(heartBeats.Send.Ticks * OwnShare);
        _receiveTicks = heartBeats.Receive.Ticks == 0 ? 0 : (2 * heartBeats.Receive.Ticks) + SlackTicks;
        _isConnected = true;
        Schedule(resources.Clock.Now);
    }

    /// <summary>Bytes have come and are being handled. While that waits, for the store or for memory, nobody can tell whether more have come: the client is not silent.</summary>
    public void BeginReading() => _isReading = true;

    /// <summary>They have been handled, and the next can come.</summary>
    /// <param name="isInFrame">Whether they ended inside a frame.</param>
    public void EndReading(bool isInFrame)
    {
        Volatile.Write(ref _lastRead, resources.Clock.Now);
        _isInFrame = isInFrame;
        _isReading = false;
    }

    /// <summary>Watches no more.</summary>
    public void End()
    {
        _isEnded = true;
        resources.Timers.Cancel(this);
    }

    protected internal override void OnDue()
    {
        var now = resources.Clock.Now;
        var options = resources.Options;
        if (_isEnded)
        {
            return;
        }

        var silence = _isReading ? 0 : now - Volatile.Read(ref _lastRead);
        if (!_isConnected)
        {
            if (now >= _connectBy)
            {
                close(CloseReason.NotConnected(options.ConnectTimeout));
                return;
            }
        }
        else if (_receiveTicks > 0 && silence >= _receiveTicks)
        {
            close(CloseReason.Silent(TimeSpan.FromTicks(silence)));
            return;
        }

        if (_isInFrame && silence >= options.FrameTimeout.Ticks)
        {
            close(CloseReason.Unfinished(options.FrameTimeout));
            return;
        }

        if (outbox.StalledSince is var since && since != 0 && now - since >= options.SendTimeout.Ticks)
        {
            close(CloseReason.NotReading(options.SendTimeout));
            return;
        }

        if (_sendTicks > 0 && now - outbox.LastWrite >= _sendTicks - StepOf(_sendTicks) && outbox.StalledSince == 0)
        {
            outbox.Post(ControlFrame.HeartBeat);
            outbox.WriteHere();
        }

        Schedule(now);
    }

    /// <summary>An instant a little earlier that connections with like intervals share: one thread wakes for many of them, which costs less than all that it does then.</summary>
    private static long OnGrid(long instant, long now)
    {
        var step = StepOf(instant - now);
        return step > 0 ? instant - (instant % step) : instant;
    }

    private static long StepOf(long wait) => Math.Min(wait / LeastSteps, LongestStepTicks);

    private void Schedule(long now)
    {
        var next = _isConnected ? now + _lookTicks : Math.Min(_connectBy, now + _lookTicks);
        if (_receiveTicks > 0)
        {
            next = Math.Min(next, (_isReading ? now : Volatile.Read(ref _lastRead)) + _receiveTicks);
        }

        if (_sendTicks > 0)
        {
            // A client that does not read cannot be sent a beat, and is looked at again in the time of one.
            next = Math.Min(next, Math.Max(outbox.LastWrite, outbox.StalledSince == 0 ? now - _sendTicks : now) + _sendTicks);
        }

        // What is overdue is looked at again soon, not at once.
        resources.Timers.Schedule(this, Math.Max(OnGrid(next, now), now + TimeSpan.TicksPerMillisecond));
        if (_isEnded)
        {
            resources.Timers.Cancel(this);
        }
    }
}
