using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>Traffic on two queues, one of which nobody works off until the end, a stream and a lock of one backend while something happens to its servers, and what has to hold afterwards.</summary>
internal sealed class ChaosRun(Backend backend, int seed, QueueLedger queue, QueueLedger backlog)
{
    private const int Producers = 4;
    private const int Consumers = 4;

    private readonly QueueTraffic _traffic = new(backend.Queues!, "q", queue);
    private readonly QueueTraffic _waiting = new(backend.Queues!, "backlog", backlog);
    private readonly StreamTraffic _stream = new(backend.Streams!, "log");
    private readonly LockTraffic _locks = new(backend.Locks!, "door");

    /// <summary>The messages that are worked off.</summary>
    public QueueLedger Queue => queue;

    /// <summary>The messages that wait until the end.</summary>
    public QueueLedger Backlog => backlog;

    public ChaosRun(Backend backend, int seed)
        : this(backend, seed, new QueueLedger(), new QueueLedger())
    {
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Has traffic while <paramref name="happen"/> runs.</summary>
    public async Task RunAsync(Func<Task> happen)
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var stop = stopping.Token;
        Task[] traffic = [.. _traffic.Start(Producers, Consumers, seed, stop), .. _waiting.Start(2, 0, seed + Producers, stop), .. _stream.Start(stop), .. _locks.Start(3, stop)];
        try
        {
            await happen();
        }
        catch (OperationCanceledException)
        {
            Report(lost: -1);
            throw;
        }
        finally
        {
            await stopping.CancelAsync();
        }

        await Task.WhenAll(traffic);
    }

    /// <summary>Ends when so many more messages have been sent and settled, and the stream and the lock have gone on too.</summary>
    public async Task WaitForMoreAsync(int messages)
    {
        var (appends, grants) = (_stream.Appends, _locks.Grants);
        await Queue.WaitForMoreAsync(messages, Cancellation);
        await Queue.WaitAsync(() => _stream.Appends > appends && _locks.Grants > grants, Cancellation);
    }

    /// <summary>Ends when callers were left in doubt, more than until now: some call was not answered in its time.</summary>
    public Task WaitForFaultsAsync()
    {
        var before = Queue.Faults.UnknownFates;
        return Queue.WaitAsync(() => Queue.Faults.UnknownFates > before, Cancellation);
    }

    /// <summary>Drains the queue, reads the stream, and checks both.</summary>
    public async Task FinishAsync(bool mayLose)
    {
        _stream.Faults.AssertNoneWrong();
        Queue.Faults.AssertNoneWrong();
        Backlog.Faults.AssertNoneWrong();
        await Task.WhenAll(_traffic.DrainAsync(), _waiting.DrainAsync());
        var lost = await _stream.CountLostAsync();
        Report(lost);
        _locks.AssertTokensRose();
        if (mayLose)
        {
            Assert.Empty(Queue.Phantoms);
            Assert.Empty(Backlog.Phantoms);
        }
        else
        {
            Queue.AssertNothingLost();
            Backlog.AssertNothingLost();
            Assert.Equal(0, lost);
        }

        if (!mayLose)
        {
            Assert.Equal(["backlog", "q"], await backend.Require<IQueueAdmin>().ListQueuesAsync(cancellationToken: Cancellation));
        }

        foreach (var name in (string[])["q", "backlog"])
        {
            var stats = await backend.Require<IQueueAdmin>().GetStatsAsync(name, Cancellation);
            Assert.Equal((0, 0, 0), (stats.Ready, stats.Leased, stats.Scheduled));
        }
    }

    private void Report(int lost)
    {
        var output = TestContext.Current.TestOutputHelper;
        output?.WriteLine($"queue: {Queue}");
        output?.WriteLine($"backlog: {Backlog}");
        output?.WriteLine($"{_stream}; LOST appends: {lost}");
        output?.WriteLine(_locks.ToString());
    }
}
