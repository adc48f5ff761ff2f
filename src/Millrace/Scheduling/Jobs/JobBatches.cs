using System.Collections.Concurrent;
using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>
/// Which members of batches have ended, and what follows when all have. Ends that come at the same time share a write, as all members of a part contend for one document. Each call
/// can be repeated. Safe for concurrent use.
/// </summary>
internal sealed class JobBatches(JobEnvironment environment, JobFollowUps followUps)
{
    // How many members a batch has never changes; the batches of this many are remembered while they are worked on.
    private const int MaxCounts = 10_000;

    private readonly ConcurrentDictionary<string, int> _counts = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, PartQueue> _parts = new(StringComparer.Ordinal);

    /// <summary>Starts a batch, before its members are sent.</summary>
    public async ValueTask StartAsync(string batch, int count, JobFollowUp? completion, CancellationToken cancellationToken)
    {
        var document = new BatchDocument { Count = count, Completion = completion, StartedAt = environment.Now, Parts = new Dictionary<int, int>() };
        await environment.State.PutAsync(JobKeys.OfBatch(batch), JobDocuments.Write(document), IStateStore.Absent, cancellationToken).ConfigureAwait(false);
        if (count == 0)
        {
            await CompleteAsync(batch, part: -1, failed: 0, cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask<bool> HasEndedAsync(string batch, int member, CancellationToken cancellationToken)
    {
        var part = await environment.State.GetAsync(JobKeys.OfBatchPart(batch, member / BatchPart.Size), cancellationToken).ConfigureAwait(false);
        return part is not null && BatchPart.Read(part.Value).HasEnded(member % BatchPart.Size);
    }

    /// <summary>Notes that a member has ended, and enqueues what follows the batch if it was the last.</summary>
    public async ValueTask EndAsync(string batch, int member, bool failed, CancellationToken cancellationToken)
    {
        var part = member / BatchPart.Size;
        var (ended, failures) = await NoteAsync(JobKeys.OfBatchPart(batch, part), member % BatchPart.Size, failed).WaitAsync(cancellationToken).ConfigureAwait(false);

        // Only a part that may be the last of its members' needs a look at the batch itself.
        if (ended == BatchPart.Size || await IsFullAsync(batch, part, ended, cancellationToken).ConfigureAwait(false))
        {
            await CompleteAsync(batch, part, failures, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>How a batch stands; null if it is not known (any more).</summary>
    public async ValueTask<BatchDocument?> FindAsync(string batch, CancellationToken cancellationToken) =>
        await environment.State.GetAsync(JobKeys.OfBatch(batch), cancellationToken).ConfigureAwait(false) is { } document ? JobDocuments.ReadBatch(document.Value) : null;

    private async ValueTask<bool> IsFullAsync(string batch, int part, int ended, CancellationToken cancellationToken)
    {
        var count = _counts.TryGetValue(batch, out var known) ? known : (await FindAsync(batch, cancellationToken).ConfigureAwait(false))?.Count ?? 0;
        if (_counts.Count < MaxCounts)
        {
            _counts[batch] = count;
        }

        return ended >= BatchPart.CountOf(part, count);
    }

    private async ValueTask CompleteAsync(string batch, int part, int failed, CancellationToken cancellationToken)
    {
        while (await environment.State.GetAsync(JobKeys.OfBatch(batch), cancellationToken).ConfigureAwait(false) is { } document)
        {
            var current = JobDocuments.ReadBatch(document.Value);
            if (current.EndedAt is not null)
            {
                break;
            }

            var changed = current;
            if (part >= 0 && !current.Parts.ContainsKey(part))
            {
                changed = current with { Parts = new Dictionary<int, int>(current.Parts) { [part] = failed } };
            }

            if (changed.Parts.Count * BatchPart.Size >= current.Count)
            {
                // Before the document says so: whoever comes after a crash between the two enqueues it again, under the same id.
                if (current.Completion is { } completion)
                {
                    await followUps.EnqueueAsync(completion, new JobBatchEnd(batch, current.Count, changed.Parts.Values.Sum()), cancellationToken).ConfigureAwait(false);
                }

                changed = changed with { EndedAt = environment.Now };
            }

            if (ReferenceEquals(changed, current)
                || (await environment.State.PutAsync(document.Key, JobDocuments.Write(changed), document.Version, cancellationToken).ConfigureAwait(false)).Written)
            {
                break;
            }
        }

        _counts.TryRemove(batch, out _);
    }

    private Task<(int Ended, int Failed)> NoteAsync(string key, int member, bool failed)
    {
        lock (_gate)
        {
            if (!_parts.TryGetValue(key, out var queue))
            {
                _parts.Add(key, queue = new PartQueue());
                _ = Task.Run(() => WriteAsync(key, queue));
            }

            queue.Members.Add((member, failed));
            return queue.Done.Task;
        }
    }

    private async Task WriteAsync(string key, PartQueue queue)
    {
        while (true)
        {
            List<(int Member, bool Failed)> members;
            TaskCompletionSource<(int, int)> done;
            lock (_gate)
            {
                if (queue.Members.Count == 0)
                {
                    _parts.Remove(key);
                    return;
                }

                (members, done) = (queue.Members, queue.Done);
                (queue.Members, queue.Done) = ([], new(TaskCreationOptions.RunContinuationsAsynchronously));
            }

            try
            {
                done.SetResult(await WriteAsync(key, members).ConfigureAwait(false));
            }
            catch (Exception exception)
            {
                // Those who wait for it repeat it, or their runs are.
                done.SetException(exception);
            }
        }
    }

    private async ValueTask<(int Ended, int Failed)> WriteAsync(string key, List<(int Member, bool Failed)> members)
    {
        while (true)
        {
            var document = await environment.State.GetAsync(key).ConfigureAwait(false);
            var part = BatchPart.Read(document?.Value);
            var changed = false;
            foreach (var (member, failed) in members)
            {
                changed |= part.End(member, failed);
            }

            if (!changed || (await environment.State.PutAsync(key, part.Bytes, document?.Version ?? IStateStore.Absent).ConfigureAwait(false)).Written)
            {
                return (part.Ended, part.Failed);
            }
        }
    }

    private sealed class PartQueue
    {
        public List<(int Member, bool Failed)> Members { get; set; } = [];

        public TaskCompletionSource<(int Ended, int Failed)> Done { get; set; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
