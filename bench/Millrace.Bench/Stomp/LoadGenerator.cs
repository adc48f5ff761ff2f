using System.Diagnostics;

namespace Millrace.Bench.Stomp;

/// <summary>What the generator measured.</summary>
/// <param name="PerSecond">Messages that consumers received; to a topic: deliveries to all of them.</param>
/// <param name="ClientMicroseconds">Processor time of this process for each of them.</param>
/// <param name="BrokerMicroseconds">Processor time of the broker for each of them; null where its process is not known.</param>
internal sealed record LoadResult(double PerSecond, double ClientMicroseconds, double? BrokerMicroseconds);

/// <summary>Producers and consumers on one thread, as cheap as they get: the broker has the rest of the machine.</summary>
/// <remarks>
/// One thread waits for all sockets, reads what there is, counts ends of frames, and then lets every producer send what the window allows with one write of frames that
/// were built before. A thread for each connection costs four times as much.
/// </remarks>
internal sealed class LoadGenerator : IDisposable
{
    private const int BufferBytes = 256 * 1024;
    private const int PollMilliseconds = 100;

    // A broker that writes every message by itself would wake the generator for each. Where a turn brought fewer than this, the next one comes after a pause, which
    // is short beside the time in which any broker delivers the window, and in which the broker has both cores.
    private const int FewDeliveries = 64;
    private const int PauseMicroseconds = 200;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly LoadPlan _plan;
    private readonly StompBroker _broker;
    private readonly StompConnection[] _connections;
    private readonly SocketPoll _poll;
    private readonly SendCycle _cycle;
    private readonly AckWriter? _acks;
    private readonly byte[] _buffer = new byte[BufferBytes];

    // By connection: consumers first, then producers, whose frames are receipts.
    private readonly long[] _received;
    private readonly long[] _sent;
    private long _deliveries;
    private bool _sending = true;

    private LoadGenerator(StompBroker broker, LoadPlan plan)
    {
        _plan = plan;
        _broker = broker;
        _acks = plan.Acknowledgement == "auto" ? null : new AckWriter();
        _connections = new StompConnection[plan.Consumers + plan.Producers];
        _received = new long[_connections.Length];
        _sent = new long[_connections.Length];
        try
        {
            Connect();
        }
        catch
        {
            Dispose();
            throw;
        }

        _poll = new SocketPoll(_connections);
        _cycle = new SendCycle(plan, _connections[0].IsRabbitMq);
    }

    /// <summary>Loads a broker for a time, measures for another, and then waits until all has arrived that was sent.</summary>
    public static Task<LoadResult> RunAsync(
        StompBroker broker, LoadPlan plan, TimeSpan warmUp, TimeSpan duration, CancellationToken cancellationToken) => Task.Factory.StartNew(
        () =>
        {
            using var generator = new LoadGenerator(broker, plan);
            return generator.Run(warmUp, duration, cancellationToken);
        },
        cancellationToken,
        TaskCreationOptions.LongRunning,
        TaskScheduler.Default);

    public void Dispose()
    {
        foreach (var connection in _connections)
        {
            connection?.Dispose();
        }
    }

    private void Connect()
    {
        for (var i = 0; i < _connections.Length; i++)
        {
            var isConsumer = i < _plan.Consumers;
            _connections[i] = StompConnection.Open(isConsumer ? _plan.ConsumeFrom ?? _broker.Endpoint : _broker.Endpoint);
            if (isConsumer)
            {
                _connections[i].Exchange(StompFrames.Subscribe(_plan, _connections[i].IsRabbitMq), "RECEIPT");
            }

            _connections[i].StopBlocking();
        }
    }

    private LoadResult Run(TimeSpan warmUp, TimeSpan duration, CancellationToken cancellationToken)
    {
        LoadFor(warmUp, cancellationToken);
        var deliveries = _deliveries;
        var own = Environment.CpuUsage.TotalTime;
        var brokers = _broker.ProcessorTime();
        var watch = Stopwatch.StartNew();
        LoadFor(duration, cancellationToken);
        var seconds = watch.Elapsed.TotalSeconds;
        own = Environment.CpuUsage.TotalTime - own;
        brokers = _broker.ProcessorTime() - brokers;
        deliveries = _deliveries - deliveries;
        Drain(cancellationToken);
        return new LoadResult(deliveries / seconds, own.TotalMicroseconds / deliveries, brokers?.TotalMicroseconds / deliveries);
    }

    private void LoadFor(TimeSpan time, CancellationToken cancellationToken)
    {
        var end = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
        while (Stopwatch.GetTimestamp() < end)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Turn();
        }
    }

    /// <summary>What was sent must arrive, each message once to each that is to have it, and what was asked for must be confirmed.</summary>
    private void Drain(CancellationToken cancellationToken)
    {
        _sending = false;
        var (deliveries, receipts) = Expected();
        var watch = Stopwatch.StartNew();
        while (_deliveries < deliveries || Receipts() < receipts)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (watch.Elapsed > Patience)
            {
                throw new StompFailureException(
                    $"{_broker.Name} delivered {_deliveries} of {deliveries} messages and {Receipts()} of {receipts} receipts, "
                    + $"with {Patience.TotalSeconds:0} s to do it after the load.");
            }

            Turn();
        }

        if (_deliveries > deliveries || Receipts() > receipts)
        {
            throw new StompFailureException(
                $"{_broker.Name} delivered {_deliveries} messages where {deliveries} were due, and {Receipts()} receipts where {receipts} were asked for.");
        }
    }

    private (long Deliveries, long Receipts) Expected()
    {
        var (deliveries, receipts) = (0L, 0L);
        foreach (var sent in _sent.AsSpan(_plan.Consumers))
        {
            deliveries += sent * (_plan.IsTopic ? _plan.Consumers : 1);
            receipts += _plan.ReceiptEvery > 0 ? sent / _plan.ReceiptEvery : 0;
        }

        return (deliveries, receipts);
    }

    private long Receipts()
    {
        var receipts = 0L;
        foreach (var received in _received.AsSpan(_plan.Consumers))
        {
            receipts += received;
        }

        return receipts;
    }

    private void Turn()
    {
        if (_sending)
        {
            Send();
        }

        var before = _deliveries;
        _poll.Wait(PollMilliseconds);
        for (var i = 0; i < _connections.Length; i++)
        {
            if (_poll.CanWrite(i))
            {
                _connections[i].Flush();
            }

            if (_poll.CanRead(i))
            {
                Receive(i);
            }
        }

        if (!_plan.AwaitsReceipts && _deliveries - before < FewDeliveries)
        {
            FineSleep.Until(Stopwatch.GetTimestamp() + (PauseMicroseconds * Stopwatch.Frequency / 1_000_000));
        }
    }

    private void Receive(int index)
    {
        var isConsumer = index < _plan.Consumers;
        var count = isConsumer && _acks is not null ? _acks.Acknowledge(_connections[index], _buffer) : _connections[index].CountFrames(_buffer);
        _received[index] += count;
        _deliveries += isConsumer ? count : 0;
    }

    private void Send()
    {
        // Of what has arrived, each producer is credited an equal part.
        var arrived = _plan.IsTopic ? Slowest() : _deliveries / _plan.Producers;
        var share = arrived + (_plan.Window / _plan.Producers);
        for (var i = _plan.Consumers; i < _connections.Length; i++)
        {
            var allowed = (int)(share - _sent[i]);
            var wanted = _plan.AwaitsReceipts ? 1 : _plan.SmallestBatch;
            if (allowed < wanted || _connections[i].HasUnsent || (_plan.AwaitsReceipts && _received[i] < _sent[i]))
            {
                continue;
            }

            var count = Math.Min(_plan.AwaitsReceipts ? 1 : allowed, _cycle.Length);
            _connections[i].Write(_cycle.Frames(_sent[i], count));
            _sent[i] += count;
        }
    }

    private long Slowest()
    {
        var slowest = long.MaxValue;
        foreach (var received in _received.AsSpan(0, _plan.Consumers))
        {
            slowest = Math.Min(slowest, received);
        }

        return slowest;
    }
}
