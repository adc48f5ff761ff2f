using System.Diagnostics.CodeAnalysis;
using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>The record of a tracked job while somebody works with it: each change is a compare-and-swap, made again on what others wrote meanwhile. Safe for concurrent use.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The turn never makes a handle, so there is nothing to dispose.")]
internal sealed class TrackedJob
{
    private readonly JobEnvironment _environment;
    private readonly string _id;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private JobDocument _document;
    private long _version;

    private TrackedJob(JobEnvironment environment, string id, JobDocument document, long version) =>
        (_environment, _id, _document, _version) = (environment, id, document, version);

    public JobDocument Document => _document;

    /// <summary>Creates the record of a job that is about to be sent.</summary>
    /// <returns>False if it exists.</returns>
    public static async ValueTask<bool> CreateAsync(
        JobEnvironment environment, string id, string job, string queue, DateTimeOffset now, JobTerms terms, CancellationToken cancellationToken)
    {
        var document = new JobDocument
        {
            Job = job,
            Queue = queue,
            State = JobState.Waiting,
            EnqueuedAt = now,
            DueAt = terms.Due is { } due ? DateTimeOffset.FromUnixTimeMilliseconds(due) : null,
        };
        return (await environment.State.PutAsync(JobKeys.OfJob(id), JobDocuments.Write(document), IStateStore.Absent, cancellationToken).ConfigureAwait(false)).Written;
    }

    /// <summary>Keeps how a job has failed that has no record.</summary>
    public static async ValueTask KeepFailureAsync(JobEnvironment environment, JobRun run, RunRecord failed, string? reason, CancellationToken cancellationToken)
    {
        var document = new JobDocument
        {
            Job = run.Header,
            Queue = failed.Queue,
            State = JobState.Failed,
            Attempt = failed.Attempt,
            EnqueuedAt = run.EnqueuedAt,
            DueAt = run.Terms.Due is null ? null : run.DueAt,
            StartedAt = failed.StartedAt,
            Ended = failed,
            Reason = reason,
            Untracked = true,
        };
        await environment.State.PutAsync(JobKeys.OfJob(run.Key), JobDocuments.Write(document), IStateStore.Absent, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes what is kept of a failure, if it is that: a job with this id is enqueued anew.</summary>
    public static async ValueTask ForgetFailureAsync(JobEnvironment environment, string id, CancellationToken cancellationToken)
    {
        if (await FindAsync(environment, id, cancellationToken).ConfigureAwait(false) is { Document: { Untracked: true, Ended: not null } } found)
        {
            await environment.State.DeleteAsync(JobKeys.OfJob(id), found._version, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Notes that the message of a job that has failed is a dead letter now.</summary>
    public static async ValueTask BuryAsync(JobEnvironment environment, string id, CancellationToken cancellationToken)
    {
        if (await FindAsync(environment, id, cancellationToken).ConfigureAwait(false) is { } found)
        {
            await found.ChangeAsync(document => document is { Ended.Outcome: RunOutcome.Failed, Buried: false } ? document with { Buried = true } : null, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Whether a message that comes after its job has failed was redriven, and is not the rest of a crash between the end and the settlement. A redriven one starts with the first attempt; what comes
    /// back after a crash has at least the attempt that failed. Unless its dead letter is still there: then somebody has sent it a second time, after the queue had forgotten its id.
    /// </summary>
    public bool MayBeRedriven(int attempt) => _document.Ended is { Outcome: RunOutcome.Failed } ended && (_document.Buried || attempt < ended.Attempt);

    /// <summary>The record of a job; null if there is none.</summary>
    public static async ValueTask<TrackedJob?> FindAsync(JobEnvironment environment, string id, CancellationToken cancellationToken) =>
        await environment.State.GetAsync(JobKeys.OfJob(id), cancellationToken).ConfigureAwait(false) is { } document
            ? new TrackedJob(environment, id, JobDocuments.ReadJob(document.Value), document.Version)
            : null;

    /// <summary>Changes the record.</summary>
    /// <param name="change">Makes the new record of the current one, or null to leave it.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>Whether it was changed; false also when it is gone.</returns>
    public async ValueTask<bool> ChangeAsync(Func<JobDocument, JobDocument?> change, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            while (true)
            {
                if (change(_document) is not { } changed)
                {
                    return false;
                }

                var written = await _environment.State.PutAsync(JobKeys.OfJob(_id), JobDocuments.Write(changed), _version, cancellationToken).ConfigureAwait(false);
                if (written.Written)
                {
                    (_document, _version) = (changed, written.Version);
                    return true;
                }

                if (await _environment.State.GetAsync(JobKeys.OfJob(_id), cancellationToken).ConfigureAwait(false) is not { } current)
                {
                    return false;
                }

                (_document, _version) = (JobDocuments.ReadJob(current.Value), current.Version);
            }
        }
        finally
        {
            _turn.Release();
        }
    }
}
