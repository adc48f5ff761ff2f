using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Millrace.Queues;
using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Tests.Queues;

/// <summary>The worker on the reference store: what depends on what a store keeps.</summary>
public sealed class QueueWorkerInMemoryTests
{
    private static readonly TimeSpan Patience = TestScale.Patience;

    private readonly ManualTimeProvider _clock = new();

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Q7_A_policy_that_exceeds_the_queues_deliveries_is_refused_at_start_with_both_numbers()
    {
        await using var backend = await OpenAsync();
        var admin = backend.Require<IQueueAdmin>();
        await admin.CreateQueueAsync("strict", new QueueSettings { MaxDeliveries = 4 }, Ending);
        await using var dispatchers = new QueueDispatchers(backend.Queues!, null, _clock);

        var refused = await Assert.ThrowsAsync<MillraceConfigurationException>(() => Worker(dispatchers, "strict", attempts: 5).StartAsync(Ending));
        Assert.Contains("5 attempts", refused.Message, StringComparison.Ordinal);
        Assert.Contains("4 deliveries", refused.Message, StringComparison.Ordinal);
        Assert.Contains("'strict'", refused.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<MillraceConfigurationException>(() => Worker(dispatchers, "not-created-yet", attempts: 11).StartAsync(Ending));

        foreach (var (queue, attempts) in new[] { ("strict", 4), ("not-created-yet", 10), ("strict!dead", 1_000) })
        {
            await using var worker = Worker(dispatchers, queue, attempts);
            await worker.StartAsync(Ending).WaitAsync(Patience, Ending);
        }
    }

    [Fact]
    public async Task A_queue_that_must_exist_and_does_not_fails_the_start()
    {
        await using var backend = await OpenAsync("memory:?autocreate=false");
        await using var dispatchers = new QueueDispatchers(backend.Queues!, null, _clock);
        await using var worker = Worker(dispatchers, "nowhere", attempts: 3);

        await Assert.ThrowsAsync<QueueNotFoundException>(() => worker.StartAsync(Ending).WaitAsync(Patience, Ending));
        await Assert.ThrowsAsync<QueueNotFoundException>(() => worker.Completion.WaitAsync(Patience, Ending));
    }

    [Fact]
    public async Task A_failure_is_retried_when_its_delay_has_passed_and_dead_lettered_after_its_attempts()
    {
        await using var backend = await OpenAsync();
        await using var dispatchers = new QueueDispatchers(backend.Queues!, null, _clock);
        var attempts = new ConcurrentQueue<(int Attempt, TimeSpan At)>();
        var start = _clock.GetTimestamp();
        await using var worker = new QueueWorker(
            dispatchers,
            "q",
            (delivery, _) =>
            {
                attempts.Enqueue((delivery.Attempt, _clock.GetElapsedTime(start)));
                throw new FormatException("no number");
            },
            new QueueWorkerOptions { RetryPolicy = RetryPolicy.Linear(TimeSpan.FromSeconds(10)).WithMaxAttempts(3) });
        await worker.StartAsync(Ending);
        await SendAsync(backend, new Envelope("x"u8.ToArray()));

        await WhenAsync(() => worker.Stats.Retried == 1);
        _clock.Advance(TimeSpan.FromSeconds(10));
        await WhenAsync(() => worker.Stats.Retried == 2);
        _clock.Advance(TimeSpan.FromSeconds(20));
        await WhenAsync(() => worker.Stats.DeadLettered == 1);
        await worker.StopAsync(Ending);

        Assert.Equal([1, 2, 3], attempts.Select(attempt => attempt.Attempt));
        var times = attempts.Select(attempt => attempt.At).ToArray();
        Assert.True(times[1] - times[0] >= TimeSpan.FromSeconds(10) && times[2] - times[1] >= TimeSpan.FromSeconds(20), string.Join(", ", times));
        var page = await backend.Require<IQueueAdmin>().BrowseAsync("q!dead", new BrowseQuery(), Ending);
        var dead = Assert.Single(page.Messages).Message.DeadLetter!;
        Assert.Equal(("max-attempts", "System.FormatException: no number", 3), (dead.Reason, dead.LastError, dead.Attempts));
    }

    [Fact]
    public async Task Q7_Without_attempts_of_its_own_a_policy_goes_as_far_as_the_store()
    {
        await using var backend = await OpenAsync();
        await backend.Require<IQueueAdmin>().CreateQueueAsync("q", new QueueSettings { MaxDeliveries = 3 }, Ending);
        await using var dispatchers = new QueueDispatchers(backend.Queues!, null, _clock);
        var handled = 0;
        await using var worker = new QueueWorker(
            dispatchers,
            "q",
            (_, _) =>
            {
                Interlocked.Increment(ref handled);
                return new(HandlingResult.Fail("busy"));
            },
            new QueueWorkerOptions { RetryPolicy = RetryPolicy.Fixed(TimeSpan.Zero) });
        await worker.StartAsync(Ending);
        await SendAsync(backend, new Envelope("x"u8.ToArray()));

        var admin = backend.Require<IQueueAdmin>();
        while ((await admin.GetStatsAsync("q", Ending)).Dead == 0)
        {
            await Task.Yield();
        }

        Assert.Equal(3, handled);
        var dead = Assert.Single((await admin.BrowseAsync("q!dead", new BrowseQuery(), Ending)).Messages).Message.DeadLetter!;
        Assert.Equal((DeadLetterInfo.MaxDeliveriesReason, "busy"), (dead.Reason, dead.LastError));
    }

    [Fact]
    public async Task Q8_Keyed_messages_are_handled_one_at_a_time_in_order_also_with_prefetch_and_other_keys_go_on()
    {
        const int Keys = 8;
        const int PerKey = 100;
        await using var backend = await OpenAsync(clock: TimeProvider.System);
        await using var dispatchers = new QueueDispatchers(backend.Queues!, null, TimeProvider.System);
        var seen = Enumerable.Range(0, Keys).ToDictionary(key => key.ToString(CultureInfo.InvariantCulture), _ => new ConcurrentQueue<int>());
        var running = new ConcurrentDictionary<string, int>();
        var overlaps = 0;
        await using var worker = new QueueWorker(
            dispatchers,
            "q",
            async (delivery, _) =>
            {
                var key = delivery.Message.Key!;
                if (running.AddOrUpdate(key, 1, (_, count) => count + 1) != 1)
                {
                    Interlocked.Increment(ref overlaps);
                }

                await Task.Yield();
                seen[key].Enqueue(int.Parse(delivery.Message.Body.Span, CultureInfo.InvariantCulture));
                running.AddOrUpdate(key, 0, (_, count) => count - 1);
                return HandlingResult.Complete;
            },
            new QueueWorkerOptions { Concurrency = 16, Prefetch = 64 });
        var batch = new Envelope[Keys * PerKey];
        for (var i = 0; i < batch.Length; i++)
        {
            batch[i] = new Envelope(Encoding.ASCII.GetBytes((i / Keys).ToString(CultureInfo.InvariantCulture))) { Key = (i % Keys).ToString(CultureInfo.InvariantCulture) };
        }

        await SendAsync(backend, batch);
        await worker.StartAsync(Ending);
        await WhenAsync(() => worker.Stats.Handled == batch.Length);

        Assert.Equal(0, overlaps);
        Assert.All(seen.Values, key => Assert.Equal(Enumerable.Range(0, PerKey), key));
    }

    [Fact]
    public async Task Random_failures_add_up_and_no_message_is_handled_twice_at_once()
    {
        var seed = TestScale.Seed();
        const int Messages = 5_000;
        await using var backend = await OpenAsync(clock: TimeProvider.System);
        await using var dispatchers = new QueueDispatchers(backend.Queues!, new QueueDispatcherOptions { MaxBatch = 64 }, TimeProvider.System);
        var attempts = new ConcurrentDictionary<string, int>();
        var running = new ConcurrentDictionary<string, bool>();
        var overlaps = 0;
        var workers = Enumerable.Range(0, 3).Select(_ => new QueueWorker(
            dispatchers,
            "q",
            async (delivery, _) =>
            {
                var id = delivery.Message.Id.ToString();
                if (!running.TryAdd(id, true))
                {
                    Interlocked.Increment(ref overlaps);
                }

                var attempt = attempts.AddOrUpdate(id, 1, (_, count) => count + 1);
                var luck = new Random(seed ^ id.GetHashCode(StringComparison.Ordinal) ^ attempt).Next(10);
                await Task.Yield();
                running.TryRemove(id, out bool _);
                return luck switch
                {
                    0 => HandlingResult.Fail("unlucky"),
                    1 => HandlingResult.RetryAfter(TimeSpan.FromMilliseconds(1), "later"),
                    2 when attempt > 2 => HandlingResult.DeadLetter("hopeless"),
                    3 => HandlingResult.Return,
                    4 => throw new InvalidOperationException("thrown"),
                    _ => HandlingResult.Complete,
                };
            },
            new QueueWorkerOptions { Concurrency = 8, RetryPolicy = RetryPolicy.Fixed(TimeSpan.Zero).WithMaxAttempts(5) })).ToArray();
        await SendAsync(backend, [.. Enumerable.Range(0, Messages).Select(number => new Envelope(default) { Id = new MessageId($"m{number}") })]);
        await Task.WhenAll(workers.Select(worker => worker.StartAsync(Ending)));

        await WhenAsync(() => workers.Sum(worker => worker.Stats.Handled + worker.Stats.DeadLettered) == Messages);
        await Task.WhenAll(workers.Select(worker => worker.StopAsync(Ending)));

        var stats = await backend.Require<IQueueAdmin>().GetStatsAsync("q", Ending);
        Assert.True(overlaps == 0, $"seed {seed}: {overlaps} overlaps");
        Assert.Equal(0, stats.Ready + stats.Scheduled + stats.Leased);
        Assert.Equal(workers.Sum(worker => worker.Stats.Handled), stats.Completed);
        Assert.Equal(workers.Sum(worker => worker.Stats.DeadLettered), stats.Dead);
        Assert.Equal(attempts.Values.Sum(), workers.Sum(worker => worker.Stats.Handled + worker.Stats.Retried + worker.Stats.DeadLettered + worker.Stats.Returned));
        Assert.Equal(0, workers.Sum(worker => worker.Stats.LeaseLost));
    }

    private static QueueWorker Worker(QueueDispatchers dispatchers, string queue, int attempts) => new(
        dispatchers,
        queue,
        (_, _) => new(HandlingResult.Complete),
        new QueueWorkerOptions { RetryPolicy = RetryPolicy.Fixed(TimeSpan.Zero).WithMaxAttempts(attempts) });

    private ValueTask<Backend> OpenAsync(string url = "memory:", TimeProvider? clock = null) =>
        BackendRegistry.CreateDefault().OpenAsync(url, new BackendContext { TimeProvider = clock ?? _clock }, Ending);

    private static async Task SendAsync(Backend backend, params Envelope[] batch) => await backend.Queues!.EnqueueAsync("q", batch, default, Ending);

    private static async Task WhenAsync(Func<bool> condition)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ending);
        patience.CancelAfter(Patience);
        while (!condition())
        {
            patience.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
