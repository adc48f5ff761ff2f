using Millrace.Storage;

namespace Millrace.App.Migration;

/// <summary>A queue of the target: takes messages under the ids that they have.</summary>
internal sealed class TargetQueue(Backend to, string queue)
{
    // Batches are cut by the mean size of messages; some may be much larger.
    private const long MostBytes = 8 * 1024 * 1024;

    private readonly IQueueStore _store = to.Require<IQueueStore>();

    public IQueueStore Store => _store;

    public IQueueAdmin Admin { get; } = to.Require<IQueueAdmin>();

    public string Name => queue;

    public string DeadName { get; } = ResourceName.DeadLetterQueueOf(queue);

    /// <summary>Stores messages that are alive.</summary>
    /// <returns>A verdict for each.</returns>
    public async ValueTask<MoveVerdict[]> EnqueueAsync(IReadOnlyList<Message> messages, Envelope[] envelopes, CancellationToken cancellationToken)
    {
        var results = await StoreAsync(envelopes, cancellationToken);
        var verdicts = new MoveVerdict[envelopes.Length];
        for (var i = 0; i < verdicts.Length; i++)
        {
            verdicts[i] = results[i].Outcome == EnqueueOutcome.Stored ? MoveVerdict.Stored : await JudgeAsync(messages[i], cancellationToken);
        }

        return verdicts;
    }

    /// <summary>Adds envelopes to the queue, some megabytes at a time.</summary>
    public async ValueTask<EnqueueResult[]> StoreAsync(Envelope[] envelopes, CancellationToken cancellationToken)
    {
        var results = new EnqueueResult[envelopes.Length];
        for (var first = 0; first < envelopes.Length;)
        {
            var (end, bytes) = (first, 0L);
            while (end < envelopes.Length && (end == first || bytes + envelopes[end].Body.Length <= MostBytes))
            {
                bytes += envelopes[end++].Body.Length;
            }

            await _store.EnqueueAsync(queue, envelopes.AsMemory(first, end - first), results.AsMemory(first, end - first), cancellationToken);
            first = end;
        }

        return results;
    }

    // The target has had the id. One that is dead there came from the source's dead letters: here is a second message with its id.
    private async ValueTask<MoveVerdict> JudgeAsync(Message message, CancellationToken cancellationToken)
    {
        if (await Admin.GetMessageAsync(queue, message.Id, cancellationToken) is { } found)
        {
            return found.State != MessageState.Leased && MessageCopy.IsSame(found.Message, message) ? MoveVerdict.Present : MoveVerdict.Conflict;
        }

        return await Admin.GetMessageAsync(DeadName, message.Id, cancellationToken) is null ? MoveVerdict.Present : MoveVerdict.Conflict;
    }
}
