using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>Traffic on a queue, a stream and a lock of one backend while something happens to its servers, and what has to hold afterwards.</summary>
internal sealed class ChaosRun(Backend backend, int seed)
{
    private const int Producers = 4;
    private const int Consumers = 4;

    private readonly StreamTraffic _stream = new(backend.Streams!, "log");
    private readonly LockTraffic _locks = new(backend.Locks!, "door");

    public QueueLedger Queue { get; } = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Has traffic while <paramref name="happen"/> runs.</summary>
    public async Task RunAsync(Func<Task> happen)
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var stop = stopping.Token;
        Task[] traffic = [.. new QueueTraffic(backend.Queues!, "q", Queue).Start(Producers, Consumers, seed, stop), .. _stream.Start(stop), .. _locks.Start(3, stop)];
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

    /// <summary>Ends when callers have met errors, and some more.</summary>
    public Task WaitForFaultsAsync() => Queue.WaitAsync(() => Queue.Faults.UnknownFates > 20, Cancellation);

    /// <summary>Drains the queue, reads the stream, and checks both.</summary>
    public async Task FinishAsync(bool mayLose)
    {
        _stream.Faults.AssertNoneWrong();
        Queue.Faults.AssertNoneWrong();
        await new QueueTraffic(backend.Queues!, "q", Queue).DrainAsync();
        var lost = await _stream.CountLostAsync();
        Report(lost);
        _locks.AssertTokensRose();
        if (mayLose)
        {
            Queue.Faults.AssertNoneWrong();
            Assert.Empty(Queue.Phantoms);
        }
        else
        {
            Queue.AssertNothingLost();
            Assert.Equal(0, lost);
        }

        var stats = await backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation);
        Assert.Equal((0, 0, 0), (stats.Ready, stats.Leased, stats.Scheduled));
    }

    private void Report(int lost)
    {
        var output = TestContext.Current.TestOutputHelper;
        output?.WriteLine($"queue: {Queue}");
        output?.WriteLine($"{_stream}; LOST records: {lost}");
        output?.WriteLine(_locks.ToString());
    }
}
