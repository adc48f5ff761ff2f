using Millrace.Storage;

namespace Millrace.App.Migration;

/// <summary>Moves the messages of a queue that are not due yet.</summary>
internal sealed class ScheduledMove(SourceQueue source, TargetQueue target, TimeProvider timeProvider, MoveCounts counts)
{
    public ValueTask RunAsync(CancellationToken cancellationToken) =>
        source.MoveBrowsedAsync(source.Name, MessageState.Scheduled, page => MovePageAsync(page, cancellationToken), cancellationToken);

    private async ValueTask<int> MovePageAsync(IReadOnlyList<BrowsedMessage> page, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var messages = page.Select(browsed => browsed.Message).ToList();
        var verdicts = await target.EnqueueAsync(messages, [.. page.Select(browsed => MessageCopy.Of(browsed.Message, now, browsed.DueAt))], cancellationToken);
        var taken = messages.Index().Where(message => verdicts[message.Index] != MoveVerdict.Conflict).ToList();
        var removed = await source.RemoveAsync(source.Name, taken.ConvertAll(message => message.Item), cancellationToken);
        foreach (var (index, message) in taken.Index())
        {
            if (removed[index])
            {
                counts.Add(verdicts[message.Index]);
            }
        }

        counts.Conflicts.UnionWith(messages.Where((_, index) => verdicts[index] == MoveVerdict.Conflict).Select(message => message.Id));
        return removed.Count(wasRemoved => wasRemoved);
    }
}
