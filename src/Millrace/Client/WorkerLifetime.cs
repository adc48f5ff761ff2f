using Millrace.Queues;

namespace Millrace.Client;

/// <summary>From the start of a worker to its end: meanwhile its client knows it, and stops it when it is disposed itself. Safe for concurrent use.</summary>
/// <param name="client">The client.</param>
/// <param name="worker">The worker, as the client's user has it.</param>
/// <param name="messages">What handles its messages.</param>
internal sealed class WorkerLifetime(MillraceClient client, IMessageWorker worker, QueueWorker messages)
{
    /// <summary>What there is to do before it handles messages, and with it; may be asked again. Nothing unless set.</summary>
    public Func<CancellationToken, Task>? Begin { get; init; }

    /// <summary>What there is to do when it is to stop, and takes nothing new any more; may be asked again, and before it was started. Nothing unless set.</summary>
    public Action? Stopping { get; init; }

    /// <summary>What there is to do when it handles no more; may be asked again, and before it was started. Nothing unless set.</summary>
    public Func<ValueTask>? End { get; init; }

    /// <summary>Starts, and ends when the queue is open.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        client.Track(worker);
        if (Begin is not null)
        {
            await Begin(cancellationToken).ConfigureAwait(false);
        }

        // Says so if it has been stopped.
        await messages.StartAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Stops: waits for handlers as its options say, or as long as the token lets it.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        try
        {
            var stop = messages.StopAsync(cancellationToken);
            Stopping?.Invoke();
            await stop.ConfigureAwait(false);
        }
        finally
        {
            await LeaveAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Works until the token is cancelled, then stops.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            // The start too: while the backend cannot be reached it goes on trying.
            await StartAsync(cancellationToken).ConfigureAwait(false);
            await messages.Completion.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested && !messages.Completion.IsCompleted)
        {
            await StopAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Stops without waiting for handlers.</summary>
    public async ValueTask CloseAsync()
    {
        try
        {
            await messages.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            await LeaveAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask LeaveAsync()
    {
        if (End is not null)
        {
            await End().ConfigureAwait(false);
        }

        client.Untrack(worker);
    }
}
