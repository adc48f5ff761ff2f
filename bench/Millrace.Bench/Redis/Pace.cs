using System.Diagnostics;
using System.Threading.Channels;

namespace Millrace.Bench.Redis;

/// <summary>Tells tasks when to send, at an even rate and whether or not the ones before have been answered: what is late shows as latency.</summary>
internal sealed class Pace : IDisposable
{
    private static readonly long Step = Stopwatch.Frequency / 2000;

    private readonly Channel<long> _due = Channel.CreateUnbounded<long>();
    private readonly Thread _thread;

    public Pace(double perSecond, long from, long to)
    {
        _thread = new Thread(() => Run(Stopwatch.Frequency / perSecond, from, to)) { IsBackground = true };
        _thread.Start();
    }

    /// <summary>When the next message is to be sent, which is now or was before; -1 when it is over.</summary>
    public async ValueTask<long> NextAsync()
    {
        while (await _due.Reader.WaitToReadAsync())
        {
            if (_due.Reader.TryRead(out var due))
            {
                return due;
            }
        }

        return -1;
    }

    public void Dispose() => _thread.Join();

    // Every half millisecond, what is due until then: a wake of the thread for each would take the core that the server needs.
    private void Run(double interval, long from, long to)
    {
        var next = (double)from;
        while (next < to)
        {
            var now = Stopwatch.GetTimestamp();
            for (; next <= now; next += interval)
            {
                // Counted from now: the pace itself is not what is measured.
                _due.Writer.TryWrite(now);
            }

            FineSleep.Until(now + Step);
        }

        _due.Writer.Complete();
    }
}
