using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Millrace.Storage;
using Millrace.Storage.InMemory;
using Xunit;

namespace Millrace.Tests.Storage.InMemory;

/// <summary>Many threads at once on the system's clock. Seeds are printed with a failure; what is random besides is the scheduler's.</summary>
public sealed class InMemoryQueueStressTests
{
    private const int Producers = 3;
    private const int Consumers = 4;
    private const int Each = 4000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(21)]
    [InlineData(22)]
    public async Task WhateverConsumersDo_EachMessageIsCompletedOnce_AndCountsAddUp(int seed)
    {
        await using var backend = await InMemoryBackend.OpenAsync(BackendUrl.Parse("memory:"), new BackendContext(), Token);
        var store = backend.Require<IQueueStore>();
        await backend.Require<IQueueAdmin>().CreateQueueAsync("q", new QueueSettings { MaxDeliveries = 1_000_000 }, Token);
        var completed = new ConcurrentDictionary<string, int>();
        using var allDone = CancellationTokenSource.CreateLinkedTokenSource(Token);

        var consumers = Enumerable.Range(0, Consumers).Select(i => Task.Run(() => ConsumeAsync(store, completed, new Random(seed + i), allDone), Token)).ToList();
        await Task.WhenAll(Enumerable.Range(0, Producers).Select(i => Task.Run(() => ProduceAsync(store, i, new Random(seed * 100 + i)), Token)));
        await Task.WhenAll(consumers);

        Assert.True(completed.Values.All(times => times == 1), $"seed {seed}: {completed.Count(pair => pair.Value != 1)} messages were completed more than once");
        var stats = await backend.Require<IQueueAdmin>().GetStatsAsync("q", Token);
        Assert.Equal((Producers * Each, Producers * Each), (stats.Enqueued, stats.Completed));
        Assert.Equal((0, 0, 0, 0, 0), (stats.Ready, stats.Scheduled, stats.Leased, stats.Dead, stats.Bytes));
    }

    [Fact]
    public async Task Q8_AKey_IsNeverWithTwoConsumers_AndKeepsItsOrder()
    {
        await using var backend = await InMemoryBackend.OpenAsync(BackendUrl.Parse("memory:"), new BackendContext(), Token);
        var store = backend.Require<IQueueStore>();
        var held = new int[8];
        var last = new int[8];
        var done = 0;
        using var allDone = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var consumers = Enumerable.Range(0, Consumers).Select(_ => Task.Run(
            async () =>
            {
                await using var receiver = await store.OpenReceiverAsync("q", new ReceiverOptions(), Token);
                var into = new Delivery[5];
                while (true)
                {
                    int leased;
                    try
                    {
                        leased = await receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan, allDone.Token);
                    }
                    catch (OperationCanceledException) when (allDone.IsCancellationRequested)
                    {
                        return;
                    }

                    foreach (var delivery in into.AsMemory(0, leased).ToArray())
                    {
                        var key = int.Parse(delivery.Message.Key!, CultureInfo.InvariantCulture);
                        var number = int.Parse(delivery.Message.Body.Span, CultureInfo.InvariantCulture);
                        Assert.Equal(1, Interlocked.Increment(ref held[key]));
                        Assert.Equal(last[key] + 1, number);
                        last[key] = number;
                        Interlocked.Decrement(ref held[key]);
                        await store.SettleAsync("q", new[] { Settlement.Complete(delivery.Token) }, default, Token);
                        if (Interlocked.Increment(ref done) == held.Length * 1000)
                        {
                            await allDone.CancelAsync();
                        }
                    }
                }
            },
            Token)).ToList();

        for (var number = 1; number <= 1000; number++)
        {
            var batch = Enumerable.Range(0, held.Length).Select(key => new Envelope(Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture)))
            {
                Key = key.ToString(CultureInfo.InvariantCulture),
                Priority = number % 10,
            });
            await store.EnqueueAsync("q", batch.ToArray(), default, Token);
        }

        await Task.WhenAll(consumers);
        Assert.All(last, number => Assert.Equal(1000, number));
    }

    [Fact]
    public async Task T1_TransactionsOverCrossingQueues_NeitherBlockNorLoseAnything()
    {
        await using var backend = await InMemoryBackend.OpenAsync(BackendUrl.Parse("memory:"), new BackendContext(), Token);
        var store = backend.Require<IQueueStore>();
        var transactions = backend.Require<IQueueTransactions>();
        string[] queues = ["a", "b", "c"];
        foreach (var queue in queues)
        {
            await store.EnqueueAsync(queue, Enumerable.Range(0, 20).Select(_ => new Envelope(new byte[1])).ToArray(), default, Token);
        }

        // Each worker moves messages from its queue to the next one, so that the queues' gates are wanted in every order.
        await Task.WhenAll(Enumerable.Range(0, 6).Select(worker => Task.Run(
            async () =>
            {
                var from = queues[worker % queues.Length];
                var to = queues[(worker + 1 + (worker / queues.Length)) % queues.Length];
                await using var receiver = await store.OpenReceiverAsync(from, new ReceiverOptions(), Token);
                var into = new Delivery[1];
                for (var i = 0; i < 2000; i++)
                {
                    if (await receiver.LeaseAsync(into, TimeSpan.Zero, Token) == 1)
                    {
                        var moved = await transactions.CommitAsync(new QueueTransaction().Settle(from, Settlement.Complete(into[0].Token)).Enqueue(to, new Envelope(into[0].Message.Body)), Token);
                        Assert.True(moved.Committed);
                    }
                }
            },
            Token)));

        var total = 0L;
        foreach (var queue in queues)
        {
            var stats = await backend.Require<IQueueAdmin>().GetStatsAsync(queue, Token);
            Assert.Equal(0, stats.Leased);
            total += stats.Ready;
        }

        Assert.Equal(60, total);
    }

    private static async Task ProduceAsync(IQueueStore store, int producer, Random random)
    {
        for (var sent = 0; sent < Each;)
        {
            var batch = new Envelope[Math.Min(random.Next(1, 20), Each - sent)];
            for (var i = 0; i < batch.Length; i++)
            {
                batch[i] = new Envelope(Encoding.ASCII.GetBytes($"{producer}-{sent++}"))
                {
                    Priority = random.Next(10),
                    Key = random.Next(4) == 0 ? $"k{random.Next(10)}" : null,
                    Id = random.Next(4) == 0 ? $"{producer}-{sent}" : default(MessageId),
                    Delay = random.Next(10) == 0 ? TimeSpan.FromMilliseconds(random.Next(20)) : default,
                    TimeToLive = random.Next(10) == 0 ? TimeSpan.FromHours(1) : null,
                };
            }

            await store.EnqueueAsync("q", batch, default, Token);
        }
    }

    private static async Task ConsumeAsync(IQueueStore store, ConcurrentDictionary<string, int> completed, Random random, CancellationTokenSource allDone)
    {
        // Some leases are so short that they end by themselves, some receivers go away with what they hold, some waits are cancelled.
        var into = new Delivery[16];
        while (!allDone.IsCancellationRequested)
        {
            var lease = TimeSpan.FromMilliseconds(random.Next(3) == 0 ? 2 : 30_000);
            await using var receiver = await store.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = lease }, Token);
            for (var round = 0; round < 20 && !allDone.IsCancellationRequested; round++)
            {
                using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(allDone.Token);
                giveUp.CancelAfter(TimeSpan.FromMilliseconds(random.Next(1, 30)));
                int leased;
                try
                {
                    leased = await receiver.LeaseAsync(into.AsMemory(0, random.Next(1, 17)), TimeSpan.FromMilliseconds(random.Next(40)), giveUp.Token);
                }
                catch (OperationCanceledException) when (giveUp.IsCancellationRequested)
                {
                    continue;
                }

                await SettleAsync(store, into.AsMemory(0, leased), completed, random);
                if (completed.Count == Producers * Each)
                {
                    await allDone.CancelAsync();
                }
            }
        }
    }

    private static async Task SettleAsync(IQueueStore store, ReadOnlyMemory<Delivery> deliveries, ConcurrentDictionary<string, int> completed, Random random)
    {
        var settlements = new List<Settlement>();
        var completing = new List<(int Index, string Body)>();
        for (var i = 0; i < deliveries.Length; i++)
        {
            var delivery = deliveries.Span[i];
            var kind = random.Next(10);
            if (kind < 6)
            {
                completing.Add((settlements.Count, Encoding.ASCII.GetString(delivery.Message.Body.Span)));
                settlements.Add(Settlement.Complete(delivery.Token));
            }
            else if (kind < 9)
            {
                settlements.Add(Settlement.Release(delivery.Token, TimeSpan.FromMilliseconds(random.Next(3)), countAttempt: kind == 7));
            }
        }

        var results = new SettleResult[settlements.Count];
        await store.SettleAsync("q", settlements.ToArray(), results, Token);
        foreach (var (index, body) in completing)
        {
            if (results[index] == SettleResult.Settled)
            {
                completed.AddOrUpdate(body, 1, static (_, times) => times + 1);
            }
        }
    }
}
