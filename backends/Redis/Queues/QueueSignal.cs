using System.Buffers.Text;
using Millrace.Redis.Client;
using Millrace.Redis.Waiting;

namespace Millrace.Redis.Queues;

/// <summary>
/// Where the receivers of one queue and its dead letters wait in this process. One subscription and one timer serve them all: a script publishes when something can be leased and nothing
/// could before, one waiter is woken to look, and who finds more than it takes wakes the next.
/// </summary>
internal sealed class QueueSignal : IRedisListener, IAsyncDisposable
{
    // The safety net: who waits looks so often even if nothing was published. It is one look a queue and process, whatever the number of receivers.
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly LinkedList<QueueWaiter> _main = new();
    private readonly LinkedList<QueueWaiter> _dead = new();
    private readonly LazySubscription _subscription;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private long _armedFor = long.MaxValue;
    private long _version;

    public QueueSignal(IRedisExecutor executor, string channel, TimeProvider time)
    {
        (_subscription, _time) = (new LazySubscription(executor, channel), time);
        _timer = time.CreateTimer(static state => ((QueueSignal)state!).OnDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Rises with everything that waiters are told. Who reads it before a look and finds another one after joining looks again.</summary>
    public long Version => Volatile.Read(ref _version);

    /// <summary>Whether what is published arrives.</summary>
    public bool IsSubscribed => _subscription.IsMade;

    /// <summary>How many receivers use it; guarded by who gives it out.</summary>
    public int Users { get; set; }

    /// <summary>Makes sure that what is published arrives. Before the first look of a wait.</summary>
    public async ValueTask SubscribeAsync(CancellationToken cancellationToken)
    {
        if (!IsSubscribed)
        {
            await _subscription.MakeAsync(this, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Joins those who wait. Before a look: what arrives in between is not missed.</summary>
    public QueueWaiter Join(bool isDead)
    {
        var waiter = new QueueWaiter(this, isDead);
        lock (_gate)
        {
            waiter.Node = ListOf(isDead).AddLast(waiter);
        }

        return waiter;
    }

    /// <summary>Leaves. Who was woken and has not looked since passes that on.</summary>
    public void Leave(QueueWaiter waiter, bool passesOn)
    {
        lock (_gate)
        {
            waiter.Node!.List?.Remove(waiter.Node);
            passesOn |= waiter.IsWoken;
        }

        if (passesOn)
        {
            Wake(waiter.IsDead);
        }
    }

    /// <summary>Takes note of when something happens by itself next, and sees to it that somebody looks then.</summary>
    /// <param name="microseconds">From now; negative: nothing does.</param>
    public void Expect(long microseconds)
    {
        var wait = LongestWait;
        if (microseconds >= 0 && microseconds < wait.Ticks / TimeSpan.TicksPerMicrosecond)
        {
            // Rounded up to what a timer can do, so that it does not fire before the time has come.
            wait = TimeSpan.FromMilliseconds((microseconds / 1000) + 1);
        }

        lock (_gate)
        {
            var due = _time.GetTimestamp() + (long)(wait.TotalSeconds * _time.TimestampFrequency);
            if (due < _armedFor)
            {
                _armedFor = due;
                _timer.Change(wait, Timeout.InfiniteTimeSpan);
            }
        }
    }

    public void OnMessage(ReadOnlySpan<byte> channel, ReadOnlyMemory<byte> payload)
    {
        var text = payload.Span;
        switch (text.IsEmpty ? (byte)0 : text[0])
        {
            case (byte)'m':
                Wake(isDead: false);
                break;
            case (byte)'d':
                Wake(isDead: true);
                break;
            case (byte)'t' when Utf8Parser.TryParse(text[1..], out long microseconds, out _):
                Expect(microseconds);
                break;
            default:
                WakeAll();
                break;
        }
    }

    public void OnResubscribed() => WakeAll();

    /// <summary>Wakes one who waits.</summary>
    public void Wake(bool isDead)
    {
        lock (_gate)
        {
            WakeLocked(isDead);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync().ConfigureAwait(false);
        await _subscription.DisposeAsync().ConfigureAwait(false);
    }

    private LinkedList<QueueWaiter> ListOf(bool isDead) => isDead ? _dead : _main;

    private void WakeAll()
    {
        lock (_gate)
        {
            while (WakeLocked(isDead: false) || WakeLocked(isDead: true))
            {
                // Until all have been told.
            }
        }
    }

    private void OnDue()
    {
        lock (_gate)
        {
            _armedFor = long.MaxValue;

            // Whoever looks brings the whole queue to now, and that wakes those who wait for it.
            if (!WakeLocked(isDead: false))
            {
                WakeLocked(isDead: true);
            }
        }
    }

    private bool WakeLocked(bool isDead)
    {
        _version++;
        for (var node = ListOf(isDead).First; node is not null; node = node.Next)
        {
            if (!node.Value.IsWoken)
            {
                node.Value.WakeLocked();
                return true;
            }
        }

        return false;
    }

    /// <summary>Looks again: takes the wake that it had, if any.</summary>
    public void LookAgain(QueueWaiter waiter)
    {
        lock (_gate)
        {
            waiter.ResetLocked();
        }
    }
}
