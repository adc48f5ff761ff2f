using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>
/// Removes documents of jobs a day after they ended, failed ones when their dead letters are gone too, and those of jobs whose messages are gone. Each worker does it now and then; what two
/// remove at the same time is removed once.
/// </summary>
internal sealed class JobSweeper(JobEnvironment environment)
{
    private const int PageSize = 500;

    private static readonly TimeSpan KeptFor = TimeSpan.FromDays(1);
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    public async Task RunAsync(LoopTokens tokens)
    {
        while (true)
        {
            // Nodes that were started together take turns.
            await Task.Delay(Interval * (0.5 + Random.Shared.NextDouble()), environment.TimeProvider, tokens.Draining).ConfigureAwait(false);
            await SweepAsync(tokens.Draining).ConfigureAwait(false);
        }
    }

    /// <summary>Removes what is old.</summary>
    public async ValueTask SweepAsync(CancellationToken cancellationToken)
    {
        var removed = await SweepAsync(JobKeys.Jobs, IsOldJobAsync, cancellationToken).ConfigureAwait(false);
        removed += await SweepAsync(JobKeys.Uniques, IsOldUniqueAsync, cancellationToken).ConfigureAwait(false);
        removed += await SweepAsync(JobKeys.Cancels, IsOldMarkAsync, cancellationToken).ConfigureAwait(false);
        removed += await SweepAsync(JobKeys.Moves, IsOldMarkAsync, cancellationToken).ConfigureAwait(false);
        removed += await SweepAsync(JobKeys.Batches, IsOldBatchAsync, cancellationToken).ConfigureAwait(false);
        if (removed > 0)
        {
            environment.Logger.JobDocumentsRemoved(removed);
        }
    }

    private async ValueTask<int> SweepAsync(string prefix, Func<StateDocument, CancellationToken, ValueTask<bool>> isOld, CancellationToken cancellationToken)
    {
        var removed = 0;
        string? after = null;
        while (true)
        {
            var page = await environment.State.ListAsync(prefix, after, PageSize, cancellationToken).ConfigureAwait(false);
            foreach (var document in page.Documents)
            {
                after = document.Key;
                if (await isOld(document, cancellationToken).ConfigureAwait(false)
                    && (await environment.State.DeleteAsync(document.Key, document.Version, cancellationToken).ConfigureAwait(false)).Written)
                {
                    removed++;
                }
            }

            if (page.Documents.Count < PageSize)
            {
                return removed;
            }
        }
    }

    private async ValueTask<bool> IsOldJobAsync(StateDocument document, CancellationToken cancellationToken)
    {
        var job = JobDocuments.ReadJob(document.Value);
        var id = document.Key[JobKeys.Jobs.Length..];
        if (job.Ended is not { } ended)
        {
            return IsOld(job.DueAt ?? job.EnqueuedAt)
                && await IsGoneAsync(job.Queue, id, cancellationToken).ConfigureAwait(false)
                && !await IsThereAsync(ResourceName.DeadLetterQueueOf(job.Queue), id, cancellationToken).ConfigureAwait(false);
        }

        // Without it a message that is delivered again after the failure, or redriven, would be dropped.
        return IsOld(ended.FinishedAt)
            && (ended.Outcome != RunOutcome.Failed
                || !(await IsThereAsync(job.Queue, id, cancellationToken).ConfigureAwait(false)
                    || await IsThereAsync(ResourceName.DeadLetterQueueOf(job.Queue), id, cancellationToken).ConfigureAwait(false)));
    }

    private ValueTask<bool> IsOldMarkAsync(StateDocument document, CancellationToken cancellationToken) => new(IsOld(JobDocuments.ReadMark(document.Value).At));

    private async ValueTask<bool> IsOldUniqueAsync(StateDocument document, CancellationToken cancellationToken)
    {
        var unique = JobDocuments.ReadUnique(document.Value);
        return IsOld(unique.Ended?.FinishedAt ?? unique.At)
            && (unique.Ended is not null || await IsGoneAsync(unique.Queue, unique.Id, cancellationToken).ConfigureAwait(false));
    }

    private async ValueTask<bool> IsOldBatchAsync(StateDocument document, CancellationToken cancellationToken)
    {
        // A part has its batch's name up to the next sign; without the batch it belongs to nothing.
        var name = document.Key[JobKeys.Batches.Length..];
        var separator = name.IndexOf('!', StringComparison.Ordinal);
        if (separator < 0)
        {
            return JobDocuments.ReadBatch(document.Value).EndedAt is { } endedAt && IsOld(endedAt);
        }

        return await environment.State.GetAsync(JobKeys.OfBatch(name[..separator]), cancellationToken).ConfigureAwait(false) is null;
    }

    private async ValueTask<bool> IsGoneAsync(string queue, string id, CancellationToken cancellationToken) =>
        await environment.IsInQueueAsync(queue, id, cancellationToken).ConfigureAwait(false) is false;

    private async ValueTask<bool> IsThereAsync(string queue, string id, CancellationToken cancellationToken) =>
        await environment.IsInQueueAsync(queue, id, cancellationToken).ConfigureAwait(false) is true;

    private bool IsOld(DateTimeOffset time) => environment.Now - time > KeptFor;
}
