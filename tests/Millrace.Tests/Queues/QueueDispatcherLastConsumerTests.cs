using Millrace.Queues;
using Millrace.Storage;
using Millrace.Testing;
using Millrace.Tests.Hosting;
using Xunit;

namespace Millrace.Tests.Queues;

/// <summary>What the last consumer of a queue leaves behind: no message that was handled, and no lane.</summary>
public sealed class QueueDispatcherLastConsumerTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TestScale.Patience;

    private readonly ManualTimeProvider _clock = new();
    private readonly ScriptedQueueStore _store = new();
    private readonly QueueDispatchers _dispatchers;
    private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public QueueDispatcherLastConsumerTests() => _dispatchers = new QueueDispatchers(_store, null, _clock);

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        _gate.TrySetResult();
        await _dispatchers.DisposeAsync();
    }

    [Fact]
    public async Task The_receiver_stays_open_until_a_settlement_that_runs_has_decided()
    {
        var (consumer, settling) = await SettleHeldUpAsync();

        var disposed = consumer.DisposeAsync().AsTask();
        await ManualTime.TimersAsync(_clock, 2, Ending);
        Assert.False(disposed.IsCompleted);
        Assert.Equal(1, _store.OpenReceivers);
        _gate.SetResult();
        await settling;
        await disposed.WaitAsync(Patience, Ending);

        Assert.Equal([0], _store.Completed);
        Assert.Equal(0, _store.OpenReceivers);
        Assert.Equal(0, _dispatchers.RememberedQueues);
    }

    [Fact]
    public async Task A_settlement_without_an_answer_is_waited_for_no_longer_than_a_third_of_the_lease()
    {
        var (consumer, settling) = await SettleHeldUpAsync();

        var disposed = consumer.DisposeAsync().AsTask();

        // The renewal sleeps, and the wait for the settlement has its limit.
        await ManualTime.AdvanceUntilAsync(_clock, () => disposed.IsCompleted, Ending, timers: 2);
        await disposed;

        Assert.Equal(0, _store.OpenReceivers);
        _gate.SetResult();
        await settling;
    }

    private async Task<(DispatchConsumer Consumer, Task Settling)> SettleHeldUpAsync()
    {
        var sink = new RecordingSink();
        var consumer = _dispatchers.Get("q").AddConsumer(sink, new DispatchConsumerOptions { Credit = 1 });
        _store.Send(1);
        var deliveries = await sink.ReceivedAsync(1);
        _store.Before = call =>
        {
            if (call is not StoreCall.Settle)
            {
                return Task.CompletedTask;
            }

            _entered.TrySetResult();
            return _gate.Task;
        };
        var settling = consumer.SettleAsync(new[] { Settlement.Complete(deliveries[0].Token) }, default, Ending).AsTask();
        await _entered.Task.WaitAsync(Patience, Ending);
        return (consumer, settling);
    }
}
