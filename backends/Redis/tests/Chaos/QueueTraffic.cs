using System.Buffers.Binary;
using System.Globalization;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>Producers and consumers of one queue that go on whatever happens to the servers, and keep a ledger of what they are told.</summary>
/// <param name="store">The store.</param>
/// <param name="queue">The queue.</param>
/// <param name="ledger">The ledger.</param>
internal sealed class QueueTraffic(IQueueStore store, string queue, QueueLedger ledger)
{
    /// <summary>How long a consumer may keep a message: what a lost reply has taken comes back after that.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(2);

    private const int MostInBatch = 5;
    private const int BodyBytes = 100;

    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LongestLook = TimeSpan.FromMilliseconds(200);

    // A consumer that finds nothing for so long, although leases have ended meanwhile, has drained the queue.
    private static readonly TimeSpan Silence = Lease + TimeSpan.FromMilliseconds(500);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Starts producers, every other of which sends again, with the same ids, what may or may not have been applied; and consumers.</summary>
    public IEnumerable<Task> Start(int producers, int consumers, int seed, CancellationToken stop) =>
    [
        .. Enumerable.Range(0, producers).Select(i => Task.Run(() => ProduceAsync(new Random(seed + i), i % 2 == 0, stop), Cancellation)),
        .. Enumerable.Range(0, consumers).Select(_ => Task.Run(() => ConsumeAsync(stop), Cancellation)),
    ];

    /// <summary>Takes and completes what is left, until nothing comes any more although every lease has ended.</summary>
    public async Task DrainAsync()
    {
        await using var receiver = await OpenReceiverAsync(CancellationToken.None);
        while (await ConsumeOnceAsync(receiver!, new Delivery[100], Silence))
        {
            // Until it is empty.
        }
    }

    private async Task ProduceAsync(Random random, bool repeats, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            var numbers = new long[random.Next(1, MostInBatch + 1)];
            for (var i = 0; i < numbers.Length; i++)
            {
                numbers[i] = ledger.Begin();
            }

            while (!await TrySendAsync(numbers) && repeats && !stop.IsCancellationRequested)
            {
                await Task.Delay(Pace, TimeProvider.System, Cancellation);
            }

            await Task.Delay(Pace, TimeProvider.System, Cancellation);
        }
    }

    private async Task<bool> TrySendAsync(long[] numbers)
    {
        try
        {
            await store.EnqueueAsync(queue, Array.ConvertAll(numbers, Envelop), default, Cancellation);
            Array.ForEach(numbers, ledger.Acknowledge);
            return true;
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            var mayHaveBeenApplied = ledger.Fail("enqueue", fault);
            Array.ForEach(numbers, number => ledger.Fail(number, mayHaveBeenApplied));
            return false;
        }
    }

    private static Envelope Envelop(long number)
    {
        var body = new byte[BodyBytes];
        BinaryPrimitives.WriteInt64LittleEndian(body, number);
        return new Envelope(body) { Id = string.Create(CultureInfo.InvariantCulture, $"m{number}") };
    }

    private async Task ConsumeAsync(CancellationToken stop)
    {
        await using var receiver = await OpenReceiverAsync(stop);
        var into = new Delivery[20];
        while (receiver is not null && !stop.IsCancellationRequested)
        {
            await ConsumeOnceAsync(receiver, into, LongestLook);
        }
    }

    private async Task<IQueueReceiver?> OpenReceiverAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                return await store.OpenReceiverAsync(queue, new ReceiverOptions { LeaseDuration = Lease }, Cancellation);
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                ledger.Fail("open a receiver", fault);
                await Task.Delay(Pace, TimeProvider.System, Cancellation);
            }
        }

        return null;
    }

    /// <summary>Takes some messages and completes them.</summary>
    /// <returns>False when there were none.</returns>
    private async Task<bool> ConsumeOnceAsync(IQueueReceiver receiver, Delivery[] into, TimeSpan wait)
    {
        var numbers = new List<long>();
        try
        {
            var begun = ledger.Moment();
            var count = await receiver.LeaseAsync(into, wait, Cancellation);
            if (count == 0)
            {
                return false;
            }

            var settlements = new Settlement[count];
            var results = new SettleResult[count];
            for (var i = 0; i < count; i++)
            {
                numbers.Add(BinaryPrimitives.ReadInt64LittleEndian(into[i].Message.Body.Span));
                ledger.Deliver(numbers[i], begun);
                settlements[i] = Settlement.Complete(into[i].Token);
            }

            await store.SettleAsync(queue, settlements, results, Cancellation);
            for (var i = 0; i < count; i++)
            {
                if (results[i] == SettleResult.Settled)
                {
                    ledger.Settle(numbers[i]);
                }
                else
                {
                    ledger.LoseLease();
                }
            }
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            ledger.Fail(numbers.Count == 0 ? "lease" : "settle", fault);
            await Task.Delay(Pace, TimeProvider.System, Cancellation);
        }

        return true;
    }
}
