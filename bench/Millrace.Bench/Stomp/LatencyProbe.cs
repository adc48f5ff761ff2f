using System.Buffers.Text;
using System.Diagnostics;

namespace Millrace.Bench.Stomp;

/// <summary>One connection sends at a rate, whether or not what was sent before has arrived, and one receives: from before the send until the bytes were read.</summary>
/// <remarks>Both are threads of their own with blocking sockets, as in a program that does nothing else; the time of sending travels in the body.</remarks>
internal sealed class LatencyProbe : IDisposable
{
    private const int StampDigits = 16;
    private const int BufferBytes = 256 * 1024;
    private const int AnswerBytes = 4096;
    private const int LargestBatch = 64;

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan WakeTime = TimeSpan.FromSeconds(1);

    // As in the latency cases of queues: the kernel wakes a sleeper late, and the rest is waited for by watching the clock.
    private static readonly long Margin = Stopwatch.Frequency / 5000;

    private readonly LoadPlan _plan = new() { Producers = 1, Consumers = 1 };
    private readonly StompBroker _broker;
    private readonly StompConnection _consumer;
    private readonly StompConnection _producer;
    private readonly double _perSecond;
    private readonly int _warmUp;
    private readonly Latencies _latencies;
    private readonly int _total;

    private LatencyProbe(StompBroker broker, double perSecond)
    {
        _broker = broker;
        _perSecond = perSecond;
        _warmUp = (int)(WarmUp.TotalSeconds * perSecond);
        _total = _warmUp + (int)(Duration.TotalSeconds * perSecond);
        _latencies = new Latencies(_total - _warmUp);
        _consumer = StompConnection.Open(broker.Endpoint);
        _producer = StompConnection.Open(broker.Endpoint);
        _consumer.Exchange(StompFrames.Subscribe(_plan, _consumer.IsRabbitMq), "RECEIPT");
        _consumer.Socket.ReceiveTimeout = (int)WakeTime.TotalMilliseconds;
        _producer.Socket.SendTimeout = (int)Patience.TotalMilliseconds;
    }

    /// <summary>Measures at so many messages a second.</summary>
    public static async Task<IReadOnlyList<Measurement>> RunAsync(StompBroker broker, double perSecond, CancellationToken cancellationToken)
    {
        using var probe = new LatencyProbe(broker, perSecond);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var receiving = Task.Factory.StartNew(() => probe.Receive(ending.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var sending = Task.Factory.StartNew(() => probe.Send(ending.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        if (await Task.WhenAny(receiving, sending) is { IsFaulted: true } failed)
        {
            await ending.CancelAsync();
            await Task.WhenAll(receiving, sending).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            await failed;
        }

        await receiving;
        return [.. probe._latencies.ToMeasurements(), new Measurement("sent_per_s", await sending, "messages/s")];
    }

    public void Dispose()
    {
        _producer.Dispose();
        _consumer.Dispose();
    }

    /// <summary>Sends what is due, and returns how many messages a second that became: fewer than were wanted where the broker made the sender wait.</summary>
    private double Send(CancellationToken cancellationToken)
    {
        var frame = StompFrames.Send(_plan, _producer.IsRabbitMq, receipt: false);
        var stampAt = frame.Length - 1 - _plan.BodyBytes;
        var batch = new byte[LargestBatch * frame.Length];
        var answer = new byte[AnswerBytes];
        for (var i = 0; i < LargestBatch; i++)
        {
            frame.CopyTo(batch, i * frame.Length);
        }

        // Where the pause is shorter than the margin, watching the clock would take a core away from the broker: what became due in a sleep is then sent together.
        var period = Stopwatch.Frequency / _perSecond;
        var watches = period > 2 * Margin;
        var began = Stopwatch.GetTimestamp();
        for (var sent = 0; sent < _total;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var next = began + (long)(sent * period);
            FineSleep.Until(watches ? next - Margin : next);
            while (Stopwatch.GetTimestamp() < next)
            {
                Thread.SpinWait(20);
            }

            var now = Stopwatch.GetTimestamp();
            var due = Math.Min(1 + (int)((now - next) / period), Math.Min(LargestBatch, _total - sent));
            for (var i = 0; i < due; i++)
            {
                Utf8Formatter.TryFormat(now, batch.AsSpan((i * frame.Length) + stampAt, StampDigits), out _, new('x', StampDigits));
            }

            // An answer to what was sent can only be a refusal, and a closed connection may lose it: so before the next send.
            if (_producer.Socket.Available > 0)
            {
                _producer.CountBytes(answer);
            }

            _producer.SendAll(batch.AsSpan(0, due * frame.Length));
            sent += due;
        }

        return _total / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private void Receive(CancellationToken cancellationToken)
    {
        var buffer = new byte[BufferBytes];
        var last = Stopwatch.GetTimestamp();
        for (var received = 0; received < _total;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var messages = _consumer.WholeFrames(buffer);
            var now = Stopwatch.GetTimestamp();
            if (messages.Length > 0)
            {
                last = now;
            }
            else if (Stopwatch.GetElapsedTime(last, now) > Patience)
            {
                throw new StompFailureException($"{_broker.Name} has delivered nothing for {Patience.TotalSeconds:0} s, and {received} of {_total} messages before.");
            }

            while (messages.Length > 0)
            {
                var end = messages.IndexOf((byte)0);
                if (end < _plan.BodyBytes || !Utf8Parser.TryParse(messages.Slice(end - _plan.BodyBytes, StampDigits), out long sentAt, out _, 'x'))
                {
                    throw new StompFailureException($"{_broker.Name} delivered another body than was sent.");
                }

                if (received++ >= _warmUp)
                {
                    _latencies.Add(now - sentAt);
                }

                messages = messages[(end + 1)..];
            }
        }
    }
}
