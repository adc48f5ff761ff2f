using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>The live job of each unique key. Safe for concurrent use.</summary>
internal sealed class UniqueJobs(JobEnvironment environment)
{
    // Between claiming a key and storing its message a sender is given so long; after that a key without a message belongs to nobody.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan TrustedWithoutMessage = TimeSpan.FromDays(1);

    /// <summary>Claims a key for a job.</summary>
    /// <returns>Null when the job has it; else the id of the live job that does.</returns>
    public async ValueTask<string?> ClaimAsync(string key, string id, string queue, CancellationToken cancellationToken)
    {
        if (key.Length == 0)
        {
            throw new InvalidMessageException("The job was refused: its unique key is empty. Leave it out, or give it 1 to 200 bytes of UTF-8.");
        }

        ResourceName.RequireText(key, "unique key");
        while (true)
        {
            var mine = new UniqueDocument { Id = id, Queue = queue, At = environment.Now };
            var version = IStateStore.Absent;
            if (await environment.State.GetAsync(JobKeys.OfUnique(key), cancellationToken).ConfigureAwait(false) is { } document)
            {
                var found = JobDocuments.ReadUnique(document.Value);
                if (found.Id == id && found.Ended is null)
                {
                    return null;
                }

                if (found.Ended is null && await IsLiveAsync(found, cancellationToken).ConfigureAwait(false))
                {
                    return found.Id;
                }

                version = document.Version;
            }

            if ((await environment.State.PutAsync(JobKeys.OfUnique(key), JobDocuments.Write(mine), version, cancellationToken).ConfigureAwait(false)).Written)
            {
                return null;
            }
        }
    }

    /// <summary>The document of a key, if it is this job's; null if it is another one's, or there is none: the job has ended.</summary>
    public async ValueTask<UniqueDocument?> FindAsync(string key, string id, CancellationToken cancellationToken) =>
        await environment.State.GetAsync(JobKeys.OfUnique(key), cancellationToken).ConfigureAwait(false) is { } document && JobDocuments.ReadUnique(document.Value) is var found && found.Id == id
            ? found
            : null;

    /// <summary>Says that the job of a key has ended: it does not run again, and the key can be claimed.</summary>
    public async ValueTask EndAsync(string key, string id, RunRecord run, CancellationToken cancellationToken)
    {
        while (await environment.State.GetAsync(JobKeys.OfUnique(key), cancellationToken).ConfigureAwait(false) is { } document)
        {
            var found = JobDocuments.ReadUnique(document.Value);
            if (found.Id != id
                || found.Ended is not null
                || (await environment.State.PutAsync(document.Key, JobDocuments.Write(found with { Ended = run }), document.Version, cancellationToken).ConfigureAwait(false)).Written)
            {
                return;
            }
        }
    }

    /// <summary>Removes the document of a key, if it is this job's.</summary>
    public async ValueTask ReleaseAsync(string key, string id, CancellationToken cancellationToken)
    {
        // Another version belongs to somebody else by now: only the job itself and its sender write while it is this job's.
        if (await environment.State.GetAsync(JobKeys.OfUnique(key), cancellationToken).ConfigureAwait(false) is { } document && JobDocuments.ReadUnique(document.Value).Id == id)
        {
            await environment.State.DeleteAsync(document.Key, document.Version, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<bool> IsLiveAsync(UniqueDocument found, CancellationToken cancellationToken)
    {
        var age = environment.Now - found.At;
        return age < Grace
            || (await environment.IsInQueueAsync(found.Queue, found.Id, cancellationToken).ConfigureAwait(false) ?? age < TrustedWithoutMessage);
    }
}
