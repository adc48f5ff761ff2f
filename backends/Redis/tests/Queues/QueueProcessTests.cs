using System.Globalization;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Queues;

/// <summary>Several processes on the queues of one server, and their sudden death.</summary>
public sealed class QueueProcessTests
{
    private readonly string _prefix = "p" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task TenProducersAndTenConsumers_InFourProcesses_EveryMessageExactlyOnce()
    {
        var each = TestScale.IsFull ? 5_000 : 300;
        var url = await FindUrlAsync();
        await using var backend = await OpenAsync(url);
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var left = 10 * each;
        var sent = new HashSet<int>();
        var done = new List<int>();
        QueueChild[] workers = [QueueChild.Start(url, "work 60000 5"), QueueChild.Start(url, "work 60000 5")];
        QueueChild[] senders = [QueueChild.Start(url, $"send 0 {each} 5"), QueueChild.Start(url, $"send {5 * each} {each} 5")];
        try
        {
            var working = Task.WhenAll(workers.Select(worker => CollectAsync(worker, (what, number) =>
            {
                if (what == "done")
                {
                    lock (done)
                    {
                        done.Add(number);
                    }

                    if (Interlocked.Decrement(ref left) == 0)
                    {
                        Array.ForEach(workers, other => other.Kill());
                    }
                }

                Assert.NotEqual("lost", what);
            })));
            await Task.WhenAll(senders.Select(sender => CollectAsync(sender, (_, number) =>
            {
                lock (sent)
                {
                    sent.Add(number);
                }
            })));
            await working.WaitAsync(TimeSpan.FromMinutes(2), Cancellation);
        }
        finally
        {
            Array.ForEach([.. workers, .. senders], child => child.Dispose());
        }

        Assert.Equal(10 * each, sent.Count);
        Assert.Equal(sent.Order(), done.Order());
        var stats = await backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation);
        Assert.Equal((0, 0, 10 * each), (stats.Ready, stats.Leased, stats.Completed));
    }

    [Fact]
    public async Task KilledAtAnyInstant_NothingAcknowledgedIsLost_AndNothingSettledComesBack()
    {
        var random = new Random(TestScale.Seed());
        var rounds = TestScale.IsFull ? 50 : 3;
        var url = await FindUrlAsync();
        var seen = new Dictionary<string, HashSet<int>> { ["sent"] = [], ["taken"] = [], ["done"] = [], ["lost"] = [] };
        for (var round = 0; round < rounds; round++)
        {
            using var sender = QueueChild.Start(url, $"send {round * 1_000_000} 100000 3");
            using var worker = QueueChild.Start(url, "work 500 2");
            var reports = random.Next(1, 400);
            void Count(string what, int number)
            {
                lock (seen)
                {
                    seen[what].Add(number);
                }

                // The sender does not stop by itself, so the count is reached whatever the worker finds to do.
                if (Interlocked.Decrement(ref reports) == 0)
                {
                    sender.Kill();
                    worker.Kill();
                }
            }

            await Task.WhenAll(CollectAsync(sender, Count), CollectAsync(worker, Count));
        }

        await using var backend = await OpenAsync(url);
        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var left = new HashSet<int>();
        var into = new Delivery[100];

        // The leases of the dead end by themselves.
        while (await receiver.LeaseAsync(into, TimeSpan.FromSeconds(2), Cancellation) is > 0 and var count)
        {
            foreach (var delivery in into[..count])
            {
                Assert.True(left.Add(BitConverter.ToInt32(delivery.Message.Body.Span)), "A message was stored twice.");
            }
        }

        // What was taken may have been settled in the instant before the kill, without the report.
        Assert.Empty(seen["sent"].Except(left).Except(seen["done"]).Except(seen["taken"]));
        Assert.Empty(seen["done"].Intersect(left));
        Assert.NotEmpty(seen["sent"]);
    }

    [Fact]
    public async Task AWaitingReceiver_IsWokenByAnotherProcess()
    {
        var url = await FindUrlAsync();
        await using var backend = await OpenAsync(url);
        using var worker = QueueChild.Start(url, "work 60000 1");
        Assert.Equal("open", await worker.ReadAsync(Cancellation));
        for (var number = 0; number < 5; number++)
        {
            await backend.Queues!.EnqueueAsync("q", new Envelope[] { new(BitConverter.GetBytes(number)) }, default, Cancellation);
            Assert.Equal($"taken {number}", await worker.ReadAsync(Cancellation));
            Assert.Equal($"done {number}", await worker.ReadAsync(Cancellation));
        }
    }

    private static async Task CollectAsync(QueueChild child, Action<string, int> note)
    {
        while (await child.ReadAsync(Cancellation) is { } report)
        {
            var words = report.Split(' ');
            if (words.Length == 2)
            {
                note(words[0], int.Parse(words[1], CultureInfo.InvariantCulture));
            }
        }
    }

    private static async Task<Backend> OpenAsync(string url) => await RedisBackend.OpenAsync(BackendUrl.Parse(url), new BackendContext(), Cancellation);

    private async Task<string> FindUrlAsync() => $"redis://{(await RedisFixture.Server).EndPoint}?prefix={_prefix}";
}
