using System.Diagnostics;
using Millrace.Storage;

namespace Millrace.Bench.Queues;

/// <summary>One caller of one queue: sends, leases and completes in batches of one size, with buffers of its own.</summary>
internal sealed class QueueSession : IAsyncDisposable
{
    private readonly IQueueStore _store;
    private readonly IQueueReceiver _receiver;
    private readonly string _queue;
    private readonly Envelope[] _envelopes;
    private readonly Delivery[] _deliveries;
    private readonly Settlement[] _settlements;
    private readonly SettleResult[] _results;
    private long _completed;

    private QueueSession(IQueueStore store, IQueueReceiver receiver, string queue, int batch)
    {
        _store = store;
        _receiver = receiver;
        _queue = queue;
        _envelopes = QueueArea.Envelopes(batch);
        _deliveries = new Delivery[batch];
        _settlements = new Settlement[batch];
        _results = new SettleResult[batch];
    }

    /// <summary>Messages completed so far; may be read from another thread.</summary>
    public long Completed => Volatile.Read(ref _completed);

    public static async Task<QueueSession> OpenAsync(IQueueStore store, string queue, int batch) =>
        new(store, await store.OpenReceiverAsync(queue, new ReceiverOptions()), queue, batch);

    public ValueTask SendAsync(CancellationToken cancellationToken) => _store.EnqueueAsync(_queue, _envelopes, default, cancellationToken);

    /// <summary>Leases up to a batch, waiting for a first message.</summary>
    public ValueTask<int> LeaseAsync(CancellationToken cancellationToken) => _receiver.LeaseAsync(_deliveries, Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>Completes what was leased; every lease must stand.</summary>
    public async ValueTask CompleteAsync(int count, CancellationToken cancellationToken)
    {
        for (var i = 0; i < count; i++)
        {
            _settlements[i] = Settlement.Complete(_deliveries[i].Token);
        }

        await _store.SettleAsync(_queue, _settlements.AsMemory(0, count), _results, cancellationToken);
        if (_results.AsSpan(0, count).IndexOfAnyExcept(SettleResult.Settled) >= 0)
        {
            throw new InvalidOperationException($"A lease on queue '{_queue}' was lost: the figures would mean nothing.");
        }

        Volatile.Write(ref _completed, _completed + count);
    }

    /// <summary>Leases and completes until so many messages are done.</summary>
    public async Task ConsumeAsync(long count, CancellationToken cancellationToken)
    {
        while (count > 0)
        {
            var leased = await LeaseAsync(cancellationToken);
            await CompleteAsync(leased, cancellationToken);
            count -= leased;
        }
    }

    /// <summary>Sends, leases and completes a batch at a time, until so many messages are done: the queue keeps its depth.</summary>
    public async Task CycleAsync(long count, CancellationToken cancellationToken)
    {
        for (var done = 0L; done < count; done += _envelopes.Length)
        {
            await SendAsync(cancellationToken);
            for (var taken = 0; taken < _envelopes.Length;)
            {
                var leased = await LeaseAsync(cancellationToken);
                await CompleteAsync(leased, cancellationToken);
                taken += leased;
            }
        }
    }

    /// <summary>Lets every session cycle for a while, each on a task of its own.</summary>
    public static async Task<(long Messages, double Seconds)> RunAsync(List<QueueSession> sessions, int batch, TimeSpan duration, CancellationToken cancellationToken)
    {
        var messages = 0L;
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(sessions.Select(session => Task.Run(
            async () =>
            {
                while (watch.Elapsed < duration)
                {
                    await session.CycleAsync(batch, cancellationToken);
                    Interlocked.Add(ref messages, batch);
                }
            },
            cancellationToken)));
        return (messages, watch.Elapsed.TotalSeconds);
    }

    public ValueTask DisposeAsync() => _receiver.DisposeAsync();
}
