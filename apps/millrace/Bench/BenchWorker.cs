using System.Threading.Channels;
using Millrace.Queues;
using Millrace.Storage;

namespace Millrace.App.Bench;

/// <summary>One of the workers: a consumer that notes when each message came and completes what has come in batches.</summary>
internal sealed class BenchWorker(BenchPlan plan, BenchLedger ledger, long run, TimeProvider timeProvider) : IDeliverySink
{
    private static readonly TimeSpan PauseAfterError = TimeSpan.FromMilliseconds(100);

    private readonly Channel<(Delivery Delivery, long At)> _arrivals = Channel.CreateUnbounded<(Delivery, long)>(new UnboundedChannelOptions { SingleReader = true });

    /// <summary>From when messages were to be sent until they came. To be read when the worker has nothing to do.</summary>
    public LatencyHistogram Latencies { get; } = new();

    /// <summary>Two batches: one that is being completed, one on its way.</summary>
    public int Credit => 2 * plan.Batch;

    public void OnDeliveries(ReadOnlySpan<Delivery> deliveries)
    {
        var at = timeProvider.GetTimestamp();
        foreach (var delivery in deliveries)
        {
            _arrivals.Writer.TryWrite((delivery, at));
        }
    }

    public void OnLeaseLost(LeaseToken token)
    {
        // Settling it says so; the message comes again and is then counted.
    }

    /// <summary>Completes what comes. Ends by cancellation or a fault only.</summary>
    /// <exception cref="QueueInUseException">A message came that this run did not send.</exception>
    public async Task RunAsync(DispatchConsumer consumer, CancellationToken cancellationToken)
    {
        var settlements = new Settlement[plan.Batch];
        while (await _arrivals.Reader.WaitToReadAsync(cancellationToken))
        {
            var count = 0;
            while (count < settlements.Length && _arrivals.Reader.TryRead(out var arrival))
            {
                Note(arrival.Delivery.Message, arrival.At);
                settlements[count++] = Settlement.Complete(arrival.Delivery.Token);
            }

            await SettleAsync(consumer, settlements.AsMemory(0, count), cancellationToken);
            ledger.Settle(count);
        }
    }

    private void Note(Message message, long at)
    {
        if (!BenchMessage.TryRead(message.Body.Span, out var sent) || sent.Run != run)
        {
            throw new QueueInUseException(plan.Queue);
        }

        if (ledger.Receive(sent.Number) && sent.Number >= ledger.MeasuredFrom)
        {
            Latencies.Add(at - sent.Timestamp);
        }
    }

    private async Task SettleAsync(DispatchConsumer consumer, ReadOnlyMemory<Settlement> batch, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await consumer.SettleAsync(batch, default, cancellationToken);
                return;
            }
            catch (MillraceException exception) when (exception.IsTransient)
            {
                // Repeated as a worker would: what a first try has settled, a second one finds to be gone.
                ledger.CountError();
                await Task.Delay(PauseAfterError, timeProvider, cancellationToken);
            }
        }
    }
}

/// <summary>Somebody else sends to the queue that is measured.</summary>
internal sealed class QueueInUseException(string queue)
    : MillraceException(
        $"Queue '{queue}' has a message that this bench did not send, so others use it: it is left as it is, with what the bench has sent. Measure on a queue of its own.");
