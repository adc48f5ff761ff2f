using Millrace.Storage;
using Millrace.Storage.Engine;
using Xunit;

namespace Millrace.Tests.Storage.InMemory;

/// <summary>Whoever takes a deleted queue's name keeps its own bindings.</summary>
public sealed class InMemoryBindingSuccessionTests
{
    [Fact]
    public async Task A_queue_that_is_created_while_its_predecessor_is_deleted_keeps_its_bindings()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var clock = new MonotonicClock(TimeProvider.System);
        using var timers = new TimerHeap(clock);
        await using var store = new QueueEngine(clock, timers, createsQueues: false);
        var pattern = TopicPattern.Parse("a.*");
        for (var round = 0; round < 20_000; round++)
        {
            await store.CreateQueueAsync("q", QueueSettings.Default, cancellationToken);
            var deleted = Task.Run(() => store.DeleteQueueAsync("q", cancellationToken).AsTask(), cancellationToken);

            // As soon as the name is free.
            while (!await store.CreateQueueAsync("q", QueueSettings.Default, cancellationToken))
            {
            }

            await store.BindAsync("q", pattern, cancellationToken);
            await deleted;
            Assert.Single(await store.ListBindingsAsync("q", cancellationToken));
            await store.DeleteQueueAsync("q", cancellationToken);
        }
    }
}
