using Millrace.Storage;

namespace Millrace.App.Migration;

/// <summary>A queue of the source: browsed page by page, and rid of what the target has.</summary>
internal sealed class SourceQueue(Backend from, string queue)
{
    // Removals that are under way at the same time share a flush of the store.
    private const int ConcurrentRemovals = 32;

    public IQueueStore Store { get; } = from.Require<IQueueStore>();

    public IQueueAdmin Admin { get; } = from.Require<IQueueAdmin>();

    public string Name => queue;

    public string DeadName { get; } = ResourceName.DeadLetterQueueOf(queue);

    /// <summary>Hands every message in a state to <paramref name="moveAsync"/>, page by page, until a pass moves nothing more.</summary>
    /// <param name="name">The queue, or its dead-letter queue.</param>
    /// <param name="state">Ready or scheduled.</param>
    /// <param name="moveAsync">Moves a page; returns how many messages have left the source.</param>
    /// <param name="cancellationToken">Ends between pages.</param>
    public async ValueTask MoveBrowsedAsync(
        string name, MessageState state, Func<IReadOnlyList<BrowsedMessage>, ValueTask<int>> moveAsync, CancellationToken cancellationToken)
    {
        var size = MessageCopy.BatchSize(await Admin.GetStatsAsync(name, cancellationToken));
        int moved;
        do
        {
            moved = 0;
            string? continuation = null;
            do
            {
                var page = await Admin.BrowseAsync(name, new BrowseQuery { State = state, Limit = size, Continuation = continuation }, cancellationToken);
                moved += page.Messages.Count > 0 ? await moveAsync(page.Messages) : 0;
                continuation = page.Next;
            }
            while (continuation is not null);
        }
        while (moved > 0);
    }

    /// <summary>Removes messages that the target has.</summary>
    /// <returns>For each, whether it was removed.</returns>
    public async ValueTask<bool[]> RemoveAsync(string name, IReadOnlyList<Message> messages, CancellationToken cancellationToken)
    {
        var removed = new bool[messages.Count];
        var options = new ParallelOptions { MaxDegreeOfParallelism = ConcurrentRemovals, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, messages.Count, options, async (index, token) =>
        {
            // Where several messages have one id, a store removes the oldest, which may not be the one that was moved.
            var (message, oldest) = (messages[index], await Admin.GetMessageAsync(name, messages[index].Id, token));
            removed[index] = oldest is not null
                && oldest.Message.EnqueuedAt == message.EnqueuedAt
                && oldest.Message.DeadLetter == message.DeadLetter
                && MessageCopy.IsSame(oldest.Message, message)
                && await Admin.RemoveMessageAsync(name, message.Id, token) == MessageChange.Done;
        });
        return removed;
    }

    /// <summary>What is in the queue, dead letters included; nothing if it is gone, as one that is deleted when idle.</summary>
    public async ValueTask<QueueStats> GetStatsAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await Admin.GetStatsAsync(queue, cancellationToken);
        }
        catch (QueueNotFoundException)
        {
            return new QueueStats();
        }
    }
}
