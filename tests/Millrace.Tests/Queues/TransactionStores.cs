using Millrace.Storage;

namespace Millrace.Tests.Queues;

/// <summary>The transactions of a store, held up: an answer comes when the test lets it, or is lost.</summary>
internal sealed class HeldTransactions(IQueueTransactions inner) : IQueueTransactions
{
    private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends when a commit has come. It is applied when <see cref="Answer"/> is called.</summary>
    public Task Entered => _entered.Task;

    public void Answer() => _answer.TrySetResult();

    public void Fail(Exception fault) => _answer.TrySetException(fault);

    public async ValueTask<TransactionResult> CommitAsync(QueueTransaction transaction, CancellationToken cancellationToken = default)
    {
        _entered.TrySetResult();
        await _answer.Task.WaitAsync(cancellationToken);
        return await inner.CommitAsync(transaction, cancellationToken);
    }
}

/// <summary>A store with routing and without transactions, which tells what it was asked to send and settle.</summary>
internal sealed class StoreWithoutTransactions(IQueueStore inner) : IQueueStore, IQueueRouting
{
    public List<string> Calls { get; } = [];

    /// <summary>Called before each send and settlement: throw to fail it.</summary>
    public Action<string> Before { get; set; } = _ => { };

    public QueueCapabilities Capabilities => inner.Capabilities with { Backend = "plain" };

    private IQueueRouting Routing => (IQueueRouting)inner;

    public ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default)
    {
        Note($"enqueue {batch.Length} to {queue}");
        return inner.EnqueueAsync(queue, batch, results, cancellationToken);
    }

    public ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default) =>
        inner.OpenReceiverAsync(queue, options, cancellationToken);

    public ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default)
    {
        Note($"settle {batch.Length} of {queue}");
        return inner.SettleAsync(queue, batch, results, cancellationToken);
    }

    public ValueTask BindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default) => Routing.BindAsync(queue, pattern, cancellationToken);

    public ValueTask<bool> UnbindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default) =>
        Routing.UnbindAsync(queue, pattern, cancellationToken);

    public ValueTask<IReadOnlyList<QueueBinding>> ListBindingsAsync(string? queue = null, CancellationToken cancellationToken = default) =>
        Routing.ListBindingsAsync(queue, cancellationToken);

    public ValueTask<int> PublishAsync(string topic, ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken = default)
    {
        Note($"publish {batch.Length} to {topic}");
        return Routing.PublishAsync(topic, batch, cancellationToken);
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private void Note(string call)
    {
        Before(call);
        lock (Calls)
        {
            Calls.Add(call);
        }
    }
}
